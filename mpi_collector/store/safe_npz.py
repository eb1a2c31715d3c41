"""Members of a recording's file, checked before they are read.

A damaged or hostile member must not take all memory: numpy allocates what a header says before it
finds that the data is not there.
"""

from __future__ import annotations

import math
import os
import tokenize
import zipfile
import zlib
from typing import IO, Any

import numpy as np
import numpy.typing as npt

#: what zipfile, zlib and numpy raise on damaged data
DAMAGED = (
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    SyntaxError,
    tokenize.TokenError,
    MemoryError,
    OverflowError,
)
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_MAX_RATIO = 1032  #: of deflate


def read(npz: Any, name: str) -> npt.NDArray[Any]:
    """Return the array ``name`` of an open ``NpzFile``.

    KeyError when there is none; one of ``DAMAGED`` when it cannot be read.
    """
    info = npz.zip.NameToInfo.get(f"{name}.npy")
    if info is not None:
        _check_entry(info)
        with npz.zip.open(info) as f:
            _check_header(f, info.file_size)
    try:
        found: npt.NDArray[Any] = npz[name]
        return found
    except MemoryError:
        raise ValueError("its stated size exceeds the memory") from None


def _check_entry(info: zipfile.ZipInfo) -> None:
    """ValueError when the zip directory claims more than the compressed data or memory holds."""
    if info.compress_type not in _COMPRESSIONS:
        raise ValueError(f"compressed with method {info.compress_type}, which no recording uses")
    if info.file_size > _MAX_RATIO * info.compress_size + _MAX_RATIO:
        raise ValueError(f"it claims {info.file_size} bytes from {info.compress_size} compressed")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if info.file_size > memory:
        raise ValueError(f"it has {info.file_size} bytes, this machine {memory} bytes of memory")


def _check_header(f: IO[bytes], size: int) -> None:
    """ValueError when the array that the header describes does not fill ``size`` bytes exactly."""
    version = np.lib.format.read_magic(f)
    read_header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, _order, dtype = read_header(f)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    if math.prod(shape) * dtype.itemsize + f.tell() != size:
        raise ValueError(
            f"its header says {shape} of {dtype.itemsize} bytes each, and it has {size} bytes"
        )
