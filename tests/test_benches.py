"""The programs of scripts/bench run; their figures are not checked here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from selection import all_tests
from stand_in_hosts import missing

BENCH = Path(__file__).parents[1] / "scripts" / "bench"
MPIRUN = Path(sys.executable).parent / "mpirun"

needs_mpirun = pytest.mark.skipif(not MPIRUN.exists(), reason="no mpirun beside this Python")
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


def table(output: str) -> dict[str, list[str]]:
    """Return {first cell: the others} of every line of a table."""
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")]
        for line in output.splitlines()
        if line.startswith("|")
    ]
    return {row[0]: row[1:] for row in rows}


def bench(name: str, *words: str) -> dict[str, list[str]]:
    done = subprocess.run(
        [sys.executable, str(BENCH / name), *words],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return table(done.stdout)


def is_figure(cell: str) -> bool:
    return re.fullmatch(r"[+-]?[\d,]+(\.\d+)?", cell) is not None


@needs_cc
def test_parts_of_a_sample() -> None:
    """Every variant of a sample is measured."""
    found = bench("limit", "--samples", "1", "--rounds", "1")
    assert len(found) == 6 + 2  # heads, and the line below them
    assert all(
        is_figure(cells[0]) and is_figure(cells[2])
        for name, cells in found.items()
        if name[0] not in "p-"
    ), found


@needs_cc
def test_whole_trees() -> None:
    """The recorder as a user starts it is counted whole, beside the floor."""
    words = ("--local", "--seconds", "4", "--interval", "1", "--sources", "default")
    found = bench("tree_cost", *words)
    assert found["C program that only preads, 1 Hz"][0] == "1.00"
    assert float(found["collect alone"][0]) > 1 and is_figure(found["collect alone"][1]), found


@pytest.mark.mpirun
@needs_mpirun
def test_memory() -> None:
    found = bench("memory", "--quick")
    assert all(is_figure(cell) for cell in found["ours, over that"])
    assert all(is_figure(cell) for cell in found["basic"]) and found["basic"][3] == "10,000", found


@pytest.mark.mpirun
@needs_mpirun
def test_end_of_a_job() -> None:
    found = bench("end_of_job", "--quick", "--rows", "60")
    assert {"1", "4", "16"} <= set(found) and all(is_figure(cell) for cell in found["16"]), found


def test_replicate() -> None:
    """Copies cost something, on both sides, and come to the launch side."""
    if why := missing():
        pytest.skip(why)
    words = ("--hosts", "2", "--interval", "0.2", "--replicate", "1", "--copies", "3")
    found = bench("replicate", "--quick", *words)
    assert float(found["added"][2]) > 0
    assert float(found["without copies"][2]) < float(found["with"][2])


def test_cost_of_why() -> None:
    """Time and memory of both verbs are measured."""
    found = bench("why_cost", "--rows", "200", "--hosts", "16")
    assert all(is_figure(cell) for cell in (*found["16"][1:4], *found["16"][5:])), found


def test_equal_real_runs_are_compared(tmp_path: Path) -> None:
    """Every way to compare equal runs has a line for every figure and rule."""
    if not all_tests():
        pytest.skip("takes a minute of CPU: scripts/test --all")
    if shutil.which("fio") is None:
        pytest.skip("no fio here")
    found = bench("real_aa", "--runs", "10", "--keep", str(tmp_path / "runs"))
    assert {"5 + 5, one side after the other", "5 + 5, in turn", "1 + 1"} <= set(found)
    assert len(list((tmp_path / "runs").glob("run-*/*_timeseries.npz"))) == 10
