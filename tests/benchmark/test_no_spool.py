"""A bound that holds no spool: the reason in numbers that can be, no promise to recover, and nothing stays."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mpi_collector
from mpi_collector.node.agent.recorder import Recorder
from mpi_collector.node.options import SamplingOptions

_SAID = re.compile(
    r"not crash-proof: a spool of 16 rows needs (\S+) MB, and it may have (\S+) MB \(--max-spool-mb"
)


@pytest.mark.parametrize("mb", [1e-300, 1e-7, 0.001, 0.05])
def test_the_reason(tmp_path: Path, mb: float) -> None:
    recorder = Recorder(
        SamplingOptions(spool_dir=str(tmp_path), max_spool_mb=mb, sources="basic"), "run", "a", {}
    )
    assert recorder.prepare()["spool"] is None
    said = _SAID.match(recorder.warnings[-1])
    assert said, recorder.warnings
    assert float(said[1]) > float(said[2]) == pytest.approx(mb if mb >= 1e-6 else 0, abs=1e-6)
    recorder.close()
    assert list(tmp_path.iterdir()) == []


def test_older_spools_have_used_the_bound_up(tmp_path: Path) -> None:
    """What is left is no negative number; the older spool stays."""
    user = tmp_path / f"mpi_collector-{os.getuid()}"
    older = user / "older" / "host"
    older.parent.mkdir(parents=True)
    for directory in (user, older.parent):
        directory.chmod(0o700)
    older.write_bytes(bytes(3_000_000))
    options = SamplingOptions(spool_dir=str(tmp_path), max_spool_mb=1, keep_spools=0)
    recorder = Recorder(options, "run", "a", {})
    recorder.prepare()
    said = [found for text in recorder.warnings if (found := _SAID.match(text))]
    assert said and float(said[0][2]) == 0
    recorder.close()
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [older]


def test_no_promise(tmp_path: Path) -> None:
    """The whole program: the recording is made, and nobody is told that it could be recovered."""
    spools, results = tmp_path / "spools", tmp_path / "results"
    spools.mkdir()
    words = ["--max-spool-mb", "0.001", "--spool-dir", str(spools), "--timeseries-interval", "0.1"]
    words += ["--report", "never", "--results-dir", str(results), "--", "sh", "-c", "exit 7"]
    done = subprocess.run(
        [sys.executable, "-m", "mpi_collector", "collect", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 7
    assert "if this process dies, the recording is lost: no host has a spool" in done.stderr
    assert "mpi_collector recover" not in done.stderr
    assert list(spools.iterdir()) == []
    with mpi_collector.load(results) as run:
        assert len(run) == 1
