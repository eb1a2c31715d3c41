"""A working directory that was removed: one line and exit code 2; a COMMAND is run where the shell stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mpi_collector.cli.main import main

_VERBS = [
    "summary", "why", "report x", "compare a b", "export x --to csv", "check", "recover", "sources", "snapshot",
    "--duration 1", "collect --duration 1", "recover --hosts a,b", "training run", "mlpstorage",
]  # fmt: skip


@pytest.fixture
def removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of this process, which does not exist any more."""
    place = tmp_path / "removed"
    place.mkdir()
    monkeypatch.chdir(place)
    place.rmdir()
    return place


@pytest.mark.usefixtures("removed")
@pytest.mark.parametrize("words", _VERBS)
def test_one_line(capfd: pytest.CaptureFixture[str], words: str) -> None:
    assert main(words.split()) == 2
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == (
        "mpi_collector: the working directory does not exist any more; change to another one (cd DIR)\n"
    )


@pytest.mark.usefixtures("removed")
@pytest.mark.parametrize("words", ["stop", "mark x"])
def test_verbs_of_a_job(capfd: pytest.CaptureFixture[str], tmp_path: Path, words: str) -> None:
    """A job without a working directory may mark and stop its run; here there is none."""
    assert main([*words.split(), "--spool-dir", str(tmp_path)]) == 2
    assert len(capfd.readouterr().err.splitlines()) == 1


@pytest.mark.usefixtures("removed")
@pytest.mark.parametrize("words", ["--version", "--help"])
def test_help_needs_none(words: str) -> None:
    assert main([words]) == 0


@pytest.mark.parametrize(
    ("verb", "recorded"),
    [("", False), ("training run", False), ("--results-dir {}/results", True)],
)
def test_command_runs(tmp_path: Path, verb: str, recorded: bool) -> None:
    """Once, with its own exit code; recorded where the results directory has a whole path."""
    options = "--report never --spool-dir " + str(tmp_path)
    mine = f"{sys.executable} -m mpi_collector {verb} {options}".format(tmp_path)
    script = f"mkdir gone; cd gone; rmdir ../gone; exec {mine} -- sh -c 'echo ran; exit 7'"
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (7, "ran\n"), done.stderr
    assert "Traceback" not in done.stderr
    assert ("the working directory does not exist any more" in done.stderr) != recorded
    assert len(list(tmp_path.glob("results/*_timeseries.npz"))) == recorded
