"""What pip installs: both names of the program, from a wheel, with this tree out of sight."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from installed import environment

from mpi_collector._version import __version__

NAMES = ("mpi_collector", "mpi-collector")


def run(programs: Path, *words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        env=environment(programs),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("name", NAMES)
def test_both_names_are_the_program(programs: Path, tmp_path: Path, name: str) -> None:
    """README, docs and messages say mpi_collector; the distribution's own name works, too."""
    assert (programs / name).is_file()
    done = run(programs, name, "--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"mpi_collector {__version__}\n"), done.stderr
    assert "usage: mpi_collector" in run(programs, name, "--help", cwd=tmp_path).stdout


def test_the_installed_program_is_not_this_tree(programs: Path, tmp_path: Path) -> None:
    """The wheel has the whole package: a run and its summary need nothing of the tree."""
    done = run(
        programs, "mpi_collector", "--timeseries-interval", "0.1", "--spool-dir", tmp_path,
        "--", "python", "-c", "import mpi_collector; print(mpi_collector.__file__)",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(programs.parent))
    summary = run(programs, "mpi_collector", "summary", "results", "--json", cwd=tmp_path)
    assert json.loads(summary.stdout)["verdict"]["hosts"] == 1
    assert {p.suffix for p in (tmp_path / "results").iterdir()} >= {".npz", ".json"}


def test_the_command_that_a_message_names(programs: Path, tmp_path: Path) -> None:
    """ "if this process dies: mpi_collector recover RUN" can be typed as it is printed."""
    done = run(
        programs, "mpi_collector", "--duration", "0.2", "--timeseries-interval", "0.1",
        "--spool-dir", tmp_path, cwd=tmp_path,
    )  # fmt: skip
    said = next(line for line in done.stderr.splitlines() if "if this process dies" in line)
    typed = said.partition("dies: ")[2].split()
    assert typed[:2] == ["mpi_collector", "recover"]
    found = run(programs, *typed, "--spool-dir", tmp_path, cwd=tmp_path)
    assert "Traceback" not in found.stderr and "not found" not in found.stderr
