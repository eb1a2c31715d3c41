"""Failures of this program while COMMAND runs: COMMAND is not the loser, and no recording says more than it has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sabotage import sabotaged
from spool_files import spool_files

import mpi_collector


def mpi_collector_cli(place: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "mpi_collector", *words]
    return subprocess.run(
        argv,
        cwd=place,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_a_recording_that_was_given_up_is_partial(tmp_path: Path) -> None:
    """What is recovered of it is never complete, and holds the marks that were made."""
    broken = sabotaged(
        tmp_path / "fault",
        """
        @on_import("mpi_collector.transport.ranks.coordinator")
        def change(module):
            def wakes(self):
                raise ValueError("broken on purpose")
            module.Coordinator.wakes = wakes
        """,
    )
    spool = ["--spool-dir", str(tmp_path)]
    mark = f"{sys.executable} -m mpi_collector mark --spool-dir {tmp_path} half-way"
    words = ["--timeseries-interval", "0.1", *spool, "--", "sh", "-c", f"{mark}; sleep 2; exit 7"]
    done = mpi_collector_cli(tmp_path, *words, **broken)
    assert done.returncode == 7, done.stderr
    assert "the recording failed: ValueError: broken on purpose" in done.stderr
    (run,) = {path.parent.name for path in spool_files(tmp_path)}
    assert f"mpi_collector recover {run}" in done.stderr
    again = mpi_collector_cli(tmp_path, "recover", run, *spool, "--results-dir", "recovered")
    assert again.returncode == 0, again.stderr
    with mpi_collector.load(tmp_path / "recovered") as recording:
        assert recording.run["verdict"]["verdict"] == "partial"
        assert any("without a stop" in r for r in recording.run["verdict"]["reasons"])
        assert [m["text"] for m in recording.run["marks"]] == ["half-way"]
