"""The package: its names, and what loading them costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mpi_collector import mlpstorage


@pytest.mark.parametrize("name", sorted({*mlpstorage.__all__, "_is_localhost"}))
def test_every_name_is_there(name: str) -> None:
    assert getattr(mlpstorage, name) is not None


def test_no_other_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mlpstorage.nothing  # noqa: B018
    assert set(mlpstorage.__all__) < set(dir(mlpstorage))


def test_importing_the_names_loads_neither_numpy_nor_mpi() -> None:
    program = ("import sys; from mpi_collector.mlpstorage import HostInfo, parse_proc_meminfo, collect_local_system_info; "
               "print([m for m in ('numpy', 'mpi4py', 'ClusterShell') if m in sys.modules])")  # fmt: skip
    assert (
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )
