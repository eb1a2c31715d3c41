"""The MPIs of the tests on fake hosts."""

from __future__ import annotations

import pytest
from bed import Mpi, find_mpi

MPIS = ("openmpi", "mpich", "openmpi4")


def need_mpi(name: str) -> Mpi:
    """The MPI, or the test is skipped."""
    found = find_mpi(name)
    if isinstance(found, str):
        pytest.skip(found)
    return found
