"""Members of a recording's file, looked at before they are read: a damaged or hostile one must not take the memory."""

from __future__ import annotations

import math
import os
import tokenize
import zipfile
import zlib
from typing import IO, Any

import numpy as np

#: what zipfile, zlib and numpy raise on bytes that are not what they should be
DAMAGED = (ValueError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, SyntaxError, tokenize.TokenError,
           MemoryError, OverflowError)  # fmt: skip
_KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_RATIO_MAX = 1032  #: deflate packs no better


def read(npz: Any, name: str) -> Any:
    """The array ``name`` of an open ``NpzFile``. KeyError when there is none; one of ``DAMAGED`` when it cannot be read."""
    info = npz.zip.NameToInfo.get(f"{name}.npy")
    if info is not None:
        _look(info)
        with npz.zip.open(info) as f:
            _look_inside(f, info.file_size)
    try:
        return npz[name]
    except MemoryError:
        raise ValueError("it claims to be larger than the memory") from None


def _look(info: zipfile.ZipInfo) -> None:
    if info.compress_type not in _KINDS:
        raise ValueError(f"packed in a way (method {info.compress_type}) that no recording is")
    if info.file_size > _RATIO_MAX * info.compress_size + _RATIO_MAX:
        raise ValueError(f"it claims {info.file_size} bytes out of {info.compress_size}")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if info.file_size > memory:
        raise ValueError(f"it has {info.file_size} bytes, this machine {memory} bytes of memory")


def _look_inside(f: IO[bytes], size: int) -> None:
    """numpy takes the memory for what the header says before it finds that it is not there."""
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
