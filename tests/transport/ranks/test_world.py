"""The tests that ranks run (``--with-mpi``, tests/**/test_*_on_ranks.py) in launches of 1, 2 and 4 ranks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bed import environment, find_mpi
from mpis import MPIS
from selection import all_tests

_ROOT = Path(__file__).parents[3]
_EACH_ONCE = [("openmpi", 2), ("mpich", 4), ("openmpi4", 1)]
_WORLDS = [(name, count) for name in MPIS for count in (1, 2, 4)] if all_tests() else _EACH_ONCE


@pytest.mark.mpirun
@pytest.mark.parametrize(("name", "count"), _WORLDS)
def test_world(name: str, count: int) -> None:
    """``mpirun -np N python -m pytest --with-mpi`` passes on every rank."""
    mpi = find_mpi(name)
    if isinstance(mpi, str):
        pytest.skip(mpi)
    probe = subprocess.run(
        [mpi.python, "-c", "import pytest_mpi"], capture_output=True, timeout=60, check=False
    )
    if probe.returncode:
        pytest.skip(f"no pytest-mpi for {mpi.python}")
    place = (
        ["-np", str(count)]
        if mpi.hydra
        else ["--bind-to", "none", "--oversubscribe", "-np", str(count)]
    )
    words = ["-m", "pytest", "--with-mpi", "-x", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([mpi.mpirun, *place, mpi.python, *words], env=environment(), capture_output=True, text=True,
                          timeout=120, check=False, cwd=_ROOT)  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert done.stdout.count(" passed") == count


def test_which_tests_ranks_run() -> None:
    """Those of files that are named for it, each with the mark."""
    pytest.importorskip("pytest_mpi")
    words = ["-m", "pytest", "--with-mpi", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([sys.executable, *words], env=environment(), capture_output=True, text=True, timeout=120,
                          check=False, cwd=_ROOT)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = {line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line}
    assert found == {str(p.relative_to(_ROOT)) for p in _ROOT.glob("tests/**/test_*_on_ranks.py")}
    for path in found:
        assert "pytestmark = pytest.mark.mpi\n" in (_ROOT / path).read_text()


def test_importing_the_transport_starts_no_mpi() -> None:
    """Only a World initialises MPI: importing the module needs no launcher."""
    mpi = find_mpi("openmpi")
    if isinstance(mpi, str):
        pytest.skip(mpi)
    code = "import mpi_collector.transport.ranks.world as m; print(m.MPI.Is_initialized())"
    done = subprocess.run(
        [mpi.python, "-c", code],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "False\n"
