"""What a start does not import: every module costs time before the first sample."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_HEAVY = {"asyncio", "ssl", "email", "multiprocessing", "rich", "ClusterShell", "mpi4py", "jinja2", "pandas", "pyarrow"}  # fmt: skip


def imported(*argv: str) -> set[str]:
    """The modules that a program which ends well has imported, as the interpreter lists them."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *argv],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    found = {line.rpartition("|")[2].strip() for line in lines}
    assert "os" in found
    return found


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["collect", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    """Nor the modules of other verbs."""
    found = imported("-m", "mpi_collector", *words)
    assert not (_HEAVY | {"numpy"}) & found
    assert (
        not {f"mpi_collector.cli.{verb}" for verb in ("compare", "report", "why", "mlpstorage")}
        & found
    )


def test_collect_alone_imports_what_it_uses(tmp_path: Path) -> None:
    """Neither MPI nor other hosts, nor what a process of its own needs that records where files may hang."""
    words = ["--sources", "basic", "--timeseries-interval", "0.1", "--duration", "0.5"]
    places = ["--spool-dir", str(tmp_path / "spool"), "--results-dir", str(tmp_path / "results")]
    found = imported("-m", "mpi_collector", "collect", *words, *places, "--report", "never")
    assert "numpy" in found
    assert not _HEAVY & found
    assert "mpi_collector.transport.child" not in found


def test_an_agent_imports_nothing_heavy() -> None:
    """It runs on the hosts of the job."""
    found = imported("-c", "import mpi_collector.node.agent.agent")
    assert not (_HEAVY | {"numpy", "mpi_collector.cli"}) & found
