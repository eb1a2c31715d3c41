"""Further processes of ours, started where files bear the names of the standard library's modules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from shadows import executed, shadows

import mpi_collector
from mpi_collector.transport.own_python import PACKAGE_HOME, own_argv, python_argv


def run(argv: list[str], directory: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        cwd=directory,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return shadows(tmp_path / "home")


def test_the_working_directory_is_no_place_for_modules(home: Path, tmp_path: Path) -> None:
    """PYTHONPATH is one; this package is found without it."""
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "extra_module.py").write_text("WORD = 'found'\n")
    program = "import numpy, mpi4py, extra_module, mpi_collector; print(extra_module.WORD, '' in sys.path)"
    done = run(python_argv(program), home, PYTHONPATH=str(tmp_path / "extra"))
    assert (done.stdout, done.stderr) == ("found False\n", "")
    assert not executed(home)


def test_the_whole_program(home: Path, tmp_path: Path) -> None:
    """A recording as ranks of ours make it, and as a user starts it."""
    words = ("--duration", "0.3", "--timeseries-interval", "0.1", "--report", "never", "--quiet")
    ways = {"own": own_argv(), "module": [sys.executable, "-m", "mpi_collector"]}
    if sys.version_info[:2] != (3, 11):  # elsewhere -m itself imports what lies there
        del ways["module"]
    for name, argv in ways.items():
        results = tmp_path / name
        done = run(
            [*argv, "collect", *words, "--results-dir", str(results)], home, PYTHONPATH=PACKAGE_HOME
        )
        assert done.returncode == 0, done.stderr
        assert not executed(home)
        with mpi_collector.load(results) as recording:
            assert len(recording) == 1


def test_a_module_that_only_we_need(home: Path) -> None:
    """``python -m`` with one file in the way, whatever this Python itself imports on its way to us."""
    for path in home.glob("*.py"):
        if path.stem not in ("socket", "typing", "argparse", "json", "signal", "subprocess"):
            path.unlink()
    done = run([sys.executable, "-m", "mpi_collector", "--version"], home, PYTHONPATH=PACKAGE_HOME)
    assert done.stdout.startswith("mpi_collector "), done.stderr
    assert not executed(home)


def test_the_child_of_a_program(home: Path, tmp_path: Path) -> None:
    """``collect()`` starts its recorder in the program's working directory."""
    program = tmp_path / "program.py"
    program.write_text(
        "import mpi_collector\n"
        f"with mpi_collector.collect(results_dir={str(tmp_path / 'results')!r}, interval=0.1): pass\n"
    )
    done = run([sys.executable, str(program)], home, PYTHONPATH=PACKAGE_HOME)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    assert not executed(home)
    with mpi_collector.load(tmp_path / "results") as recording:
        assert len(recording) == 1
