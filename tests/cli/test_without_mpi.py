"""The program with an mpi4py that does not load: under a launcher two lines, without one nothing of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bed import environment
from mpis import need_mpi

import mpi_collector

WORDS = (
    "-m",
    "mpi_collector",
    "--duration",
    "0.3",
    "--timeseries-interval",
    "0.1",
    "--report",
    "never",
)


def run(argv: list[str], directory: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, cwd=directory, env=environment(**environ), capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MPI4PY_MPIABI", "mpiabi", "no module for the MPI ABI 'mpiabi'"),
        (
            "MPI4PY_LIBMPI",
            "/nonexistent.so",
            "no MPI library is found (/nonexistent.so: cannot open",
        ),
    ],
)
def test_under_a_launcher(name: str, value: str, said: str, tmp_path: Path) -> None:
    mpi = need_mpi("openmpi")
    argv = [
        mpi.mpirun,
        "-x",
        name,
        *(["-x", "PYTHONPATH"] if "PYTHONPATH" in os.environ else []),
        "-np",
        "2",
    ]
    done = run([*argv, mpi.python, *WORDS], tmp_path, **{name: value})
    assert done.returncode == 2
    assert done.stderr.count("mpi_collector: mpi4py cannot be loaded by") == 1, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("which", ["openmpi", "mpich"])
@pytest.mark.parametrize("ranks", [2, 4])
def test_command_runs_once_where_no_rank_has_mpi(which: str, ranks: int, tmp_path: Path) -> None:
    """COMMAND's code and output are what they are without us; it is not recorded, and that is said."""
    mpi = need_mpi(which)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "mpi4py.py").write_text("raise ImportError('no mpi4py here')\n")
    path = os.pathsep.join([str(broken), str(Path(mpi_collector.__file__).parents[1])])
    results = tmp_path / "results"
    script = f"echo started >> {tmp_path}/times; echo out; exit 7"
    export = ["-x", "PYTHONPATH", "--oversubscribe"] if which == "openmpi" else []
    argv = [
        mpi.mpirun,
        *export,
        "-np",
        str(ranks),
        mpi.python,
        *WORDS,
        "--results-dir",
        str(results),
    ]
    done = subprocess.run(
        [*argv, "--", "sh", "-c", script],
        cwd=tmp_path, env=environment(PYTHONPATH=path), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 7, done.stderr
    assert (tmp_path / "times").read_text() == "started\n"
    assert "out" in done.stdout.split()
    assert done.stderr.count("mpi_collector: ") >= 1
    assert "mpi4py" in done.stderr
    assert "Traceback" not in done.stderr
    strict = run([*argv, "--strict", "--", "true"], tmp_path, PYTHONPATH=path)
    assert strict.returncode == 3, strict.stderr


def test_alone(tmp_path: Path) -> None:
    """Neither a recording of this host, nor one around a job, nor the files of it need mpi4py."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "mpi4py.py").write_text("raise SystemExit('imported mpi4py')\n")
    path = os.pathsep.join([str(tmp_path / "broken"), str(Path(mpi_collector.__file__).parents[1])])
    for words in (
        WORDS,
        (
            *WORDS[:2],
            "training",
            "run",
            "--timeseries-interval",
            "0.1",
            "--report",
            "never",
            "--",
            "true",
        ),
    ):
        done = run([sys.executable, *words], tmp_path, PYTHONPATH=path)
        assert done.returncode == 0, done.stderr
        assert "imported mpi4py" not in done.stderr
