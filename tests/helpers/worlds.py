"""Other Debians as roots of fake hosts, made by scripts/world."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bed import REPOSITORY
from selection import all_tests

SUITES = ("forky", "trixie", "bookworm")
PYTHON = "/usr/bin/python3"  #: there
#: mpi4py's wheel, since Debian's is Open MPI's
OF_MPICH = {"MPI4PY_MPIABI": "mpich", "PYTHONPATH": f"{REPOSITORY}:/opt/mpi4py"}
_WORLDS = Path(os.environ.get("MPI_COLLECTOR_TEST_WORLDS", "/var/tmp/mpi_collector-worlds"))


def need_world(suite: str) -> Path:
    """The root of a Debian, or the test is skipped."""
    if not all_tests():
        pytest.skip("hosts with another Debian: scripts/test --all")
    root = _WORLDS / suite
    if not (root / ".complete").exists():
        pytest.skip(f"no Debian {suite} in {_WORLDS}: scripts/world {suite}")
    return root
