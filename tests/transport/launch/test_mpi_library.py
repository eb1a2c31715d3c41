"""An mpi4py that does not load, or loads another library than the launcher's."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mpi_collector.launchers import ABI_LAYERS
from mpi_collector.transport.launch.detect import Launch, detect, library_mismatch
from mpi_collector.transport.launch.mpi_library import abi_remedy, abis, explain_import


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of an mpi4py with modules for two ABIs."""
    for name in (
        "MPI.mpich.cpython-311-x86_64-linux-gnu.so",
        "MPI.openmpi.abi3.so",
        "MPI.pxd",
        "MPI.h",
    ):
        (tmp_path / name).write_text("")
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    return tmp_path


def test_abis(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert abis() == ("mpich", "openmpi")
    assert "MPI4PY_MPIABI=mpich" in abi_remedy("mpich")
    assert abi_remedy("mpiabi") == abi_remedy("") == ""
    for name in list(wheel.glob("*.so")):
        name.rename(wheel / "MPI.cpython-311-x86_64-linux-gnu.so")
    assert abis() == ()  # built for one library
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert abis() == ()


def test_another_library_than_the_launchers(wheel: Path) -> None:
    """The names of both, and the variable by which a wheel takes the other one."""
    launch = detect({"PMI_RANK": "0", "PMI_SIZE": "2"})
    assert launch is not None
    said = library_mismatch(launch, "Open MPI v5.0.11") or ""
    assert said.startswith("MPICH's launcher started this, but mpi4py uses Open MPI v5.0.11.")
    assert "MPI4PY_MPIABI=mpich" in said
    assert library_mismatch(launch, "MPICH Version: 5.0.2") is None
    for layer in ABI_LAYERS:
        assert library_mismatch(launch, f"{layer} 1.0") is None
    other = library_mismatch(Launch("Slurm", 0, 2, ("x",)), "Open MPI v5.0.11") or ""
    assert "MPI4PY_MPIABI" not in other


CANNOT = ImportError("cannot import name 'MPI' from 'mpi4py' (/x/mpi4py/__init__.py)")
NO_FILE = "cannot open shared object file: No such file or directory"


@pytest.mark.parametrize(
    ("error", "warned", "environ", "what", "remedy"),
    [
        (RuntimeError(f"cannot load MPI library\nlibmpi.so: {NO_FILE}\nlibmpi.so.12: {NO_FILE}"), (), {},
         f"no MPI library is found (libmpi.so: {NO_FILE})", "load the site's MPI module"),
        (ImportError(f"libmpi.so.12: {NO_FILE}"), (), {"MPI4PY_MPIABI": "mpich"},
         "which MPI4PY_MPIABI=mpich asks for", "LD_LIBRARY_PATH"),
        (CANNOT, ("unsupported MPI ABI 'mpiabi'",), {},
         "no module for the MPI ABI 'mpiabi', but for mpich and openmpi", "set MPI4PY_MPIABI=mpich or MPI4PY_MPIABI=openmpi"),
        (CANNOT, ("unsupported MPI ABI 'mpiabi'",), {"MPI4PY_MPIABI": "mpiabi"},
         "no module for the MPI ABI 'mpiabi'", "take MPI4PY_MPIABI=mpiabi out of the environment"),
        (CANNOT, (), {"MPI4PY_MPIABI": "foo"}, "no module for the MPI ABI 'foo'", "take MPI4PY_MPIABI=foo out"),
        (ModuleNotFoundError("No module named 'mpi4py'", name="mpi4py"), (), {}, "it is not installed", "pip install mpi4py"),
        (ImportError("/x/MPI.so: undefined symbol: MPI_Foo"), (), {}, "undefined symbol: MPI_Foo", "from mpi4py import MPI"),
        (ImportError("libucp.so.0: cannot open shared object file: No such file"), (), {}, "(libucp.so.0: cannot open", "load the site's"),
        (RuntimeError(), (), {}, "RuntimeError", "from mpi4py import MPI"),
    ],
)  # fmt: skip
def test_two_lines(
    wheel: Path,
    error: Exception,
    warned: tuple[str, ...],
    environ: dict[str, str],
    what: str,
    remedy: str,
) -> None:
    """What is missing, and what to do."""
    first, second = explain_import(error, warned, environ).splitlines()
    assert first.startswith(f"mpi4py cannot be loaded by {sys.executable}: ")
    assert what in first
    assert remedy in second
