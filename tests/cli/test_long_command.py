"""A COMMAND of many arguments: cut in the middle for people, whole in the files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import mpi_collector


def test_eighty_kilobytes(tmp_path: Path) -> None:
    """15,000 arguments: in the summary its begin, its end and the number of characters between."""
    command = ["true", *(f"a{k:04}" for k in range(15_000)), "the-end"]
    own = [sys.executable, "-m", "mpi_collector"]
    words = ["--timeseries-interval", "0.1", "--report", "never", "--results-dir", str(tmp_path)]
    done = subprocess.run(
        [*own, *words, "--", *command], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = subprocess.run(
        [*own, "summary", str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert len(said.stdout) < 20_000
    assert "true a0000 a0001" in said.stdout
    assert "the-end (exit code 0)" in said.stdout
    assert " characters ... " in said.stdout
    whole = subprocess.run(
        [*own, "summary", "--json", str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert json.loads(whole.stdout)["run"]["command"] == command
    with mpi_collector.load(tmp_path) as recording:
        assert recording.run["command"] == command
