"""Reading ``.npz`` files that may be damaged or hostile.

No number in the file is believed before it is checked: what a member may hold is known from the
members that were read before it, memory is taken as data arrive, and nothing is unpickled. Every
error is a ValueError, or a KeyError for a member that is not there. Formats: APPNOTE.TXT of zip,
numpy.lib.format.
"""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from mpi_collector.node.host.memory import available_bytes
from mpi_collector.node.regular_file import open_regular
from mpi_collector.store.npy_header import CHARACTER_BYTES, ArrayHeader, read_header

_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_MAX_RATIO = 1032  #: of deflate
_PIECE = 1 << 20
#: reading more at once needs a look at the memory that is free
_UNASKED_BYTES = 64 << 20
_DIRECTORY_BYTES_MAX = 1 << 30  #: of the zip's directory; a member has about 100
_ENTRY_RATIO = 12  #: bytes of memory that zipfile takes for each byte of the directory
_ENCRYPTED = 1  #: bit of a member's flags
DOCUMENT_CHARACTERS_MAX = 16 << 20  #: the run document of 10,000 hosts has 7 million
_END = struct.Struct("<IHHHHIIH")
_END_MAGIC = 0x06054B50
_LOCATOR = struct.Struct("<IIQI")
_END64 = struct.Struct("<IQHHIIQQQQ")
_BIG = 0xFFFFFFFF
_P = ParamSpec("_P")
_T = TypeVar("_T")


def _declared(read: Callable[_P, _T]) -> Callable[_P, _T]:
    """Decorate a method: whatever zipfile and zlib raise on damaged data becomes a ValueError."""

    def checked(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return read(*args, **kwargs)
        except (KeyError, ValueError):
            raise
        except MemoryError:
            raise ValueError("it needs more memory than there is") from None
        except Exception as e:
            raise ValueError(f"{type(e).__name__}: {e}") from e

    return checked


class NpzReader:
    """The members of the ``.npz`` file ``path``. OSError when it cannot be opened."""

    def __init__(self, path: Path) -> None:
        self._file = os.fdopen(open_regular(path), "rb")
        try:
            self._zip = self._directory()
        except BaseException:
            self._file.close()
            raise

    @_declared
    def _directory(self) -> zipfile.ZipFile:
        info = os.fstat(self._file.fileno())
        if not info.st_size:
            raise ValueError("empty")
        if self._file.read(4) != b"PK\x03\x04":
            raise ValueError("no zip file")
        size = _directory_bytes(self._file, info.st_size)
        if size > min(info.st_size, _DIRECTORY_BYTES_MAX):
            raise ValueError(f"a directory of {size} bytes")
        require_memory(_ENTRY_RATIO * size)
        return zipfile.ZipFile(self._file)

    def close(self) -> None:
        self._zip.close()
        self._file.close()

    @_declared
    def ints(self, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
        """Return a member that holds an int64 array of this shape."""
        with self._open(name) as (f, header):
            if (header.kind, header.item_bytes) != ("i", 8) or header.shape != shape:
                raise ValueError(f"{header.described()} where int64 {shape} is due")
            require_memory(8 * header.items)
            out = np.empty(header.items, dtype=np.int64)
            for at, piece in _pieces(f, header):
                out[at : at + len(piece)] = piece
        return out.reshape(shape, order="F" if header.fortran else "C")

    @_declared
    def ticks(self, name: str, rows: int) -> npt.NDArray[np.int64]:
        """Return (rows,) int64 that grow from row to row, but for a -1 that may be the last."""
        with self._open(name) as (f, header):
            if (header.kind, header.item_bytes) != ("i", 8) or header.shape != (rows,):
                raise ValueError(f"{header.described()} where int64 {(rows,)} is due")
            kept: list[npt.NDArray[np.int64]] = []
            last = -1
            for at, piece in _pieces(f, header):
                ends = at + len(piece) == rows and piece[-1] == -1
                grid = piece[:-1] if ends else piece
                grows = not len(grid) or (grid[0] > last and bool((grid[1:] > grid[:-1]).all()))
                if not grows:
                    raise ValueError(f"ticks that do not grow, at row {at} or after it")
                last = int(grid[-1]) if len(grid) else last
                kept.append(piece)
        return np.concatenate(kept) if kept else np.zeros(0, dtype=np.int64)

    @_declared
    def texts(self, name: str, most: int, characters: int, distinct: bool = False) -> list[str]:
        """Return a list of up to ``most`` strings of up to ``characters``.

        ``distinct``: none of them is empty or there twice.
        """
        with self._open(name) as (f, header):
            width = header.item_bytes // CHARACTER_BYTES
            fits = header.kind == "U" and len(header.shape) == 1 and header.shape[0] <= most
            if not fits or not 0 < width <= characters:
                raise ValueError(
                    f"{header.described()} where up to {most} texts of up to {characters} "
                    "characters are due"
                )
            out: list[str] = []
            seen: set[str] = set()
            at_once = max(1, _PIECE // header.item_bytes) * header.item_bytes
            for data in _blocks(f, header.items * header.item_bytes, at_once):
                for at in range(0, len(data), header.item_bytes):
                    text = _decoded(data[at : at + header.item_bytes], header).rstrip("\0")
                    if distinct and (not text or text in seen):
                        raise ValueError(f"{text[:40]!a} where a name that is not there yet is due")
                    seen.add(text)
                    out.append(text)
        return out

    @_declared
    def pairs(self, name: str, most: int, characters: int) -> list[tuple[str, str]]:
        """Return up to ``most`` pairs of strings of up to ``characters``."""
        with self._open(name) as (f, header):
            width = header.item_bytes // CHARACTER_BYTES
            fits = header.kind == "U" and len(header.shape) == 2 and not header.fortran
            if not fits or header.shape[0] > most or header.shape[1] != 2 or width > characters:
                raise ValueError(f"{header.described()} where up to {most} pairs of texts are due")
            blocks = _blocks(f, header.items * header.item_bytes, max(header.item_bytes, 1))
            found = [_decoded(data, header).rstrip("\0") for data in blocks]
        return list(zip(found[::2], found[1::2], strict=True))

    def __contains__(self, name: str) -> bool:
        return f"{name}.npy" in self._zip.NameToInfo

    @_declared
    def text(self, name: str) -> str:
        """Return a member that holds one string, as documents are stored."""
        with self._open(name) as (f, header):
            count = header.item_bytes // CHARACTER_BYTES
            if header.kind != "U" or header.shape != () or count > DOCUMENT_CHARACTERS_MAX:
                raise ValueError(
                    f"{header.described()} where a text of up to {DOCUMENT_CHARACTERS_MAX} "
                    "characters is due"
                )
            blocks = _blocks(f, header.item_bytes, _PIECE)
            return "".join(_decoded(data, header) for data in blocks).rstrip("\0")

    @_declared
    def array(self, name: str) -> npt.NDArray[np.generic]:
        """Return a member of any shape that holds integers, floats, booleans or strings."""
        with self._open(name) as (f, header):
            if header.kind not in "biufU" or (header.items and not header.item_bytes):
                raise ValueError(f"{header.described()}, which no recording holds")
            size = header.items * header.item_bytes
            require_memory(2 * size)
            data = b"".join(_blocks(f, size, _PIECE))
        order = ">" if header.swapped else "<"
        size_or_width = header.item_bytes // (CHARACTER_BYTES if header.kind == "U" else 1)
        flat = np.frombuffer(data, dtype=f"{order}{header.kind}{size_or_width}")
        return flat.reshape(header.shape, order="F" if header.fortran else "C")

    def _open(self, name: str) -> _OpenMember:
        info = self._zip.NameToInfo.get(f"{name}.npy")
        if info is None:
            raise KeyError(name)
        _check_entry(info)
        return _OpenMember(self._zip.open(info), info.file_size)


class _OpenMember:
    """A member behind its header, whose stated size was compared with that of the member."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._size = size

    def __enter__(self) -> tuple[IO[bytes], ArrayHeader]:
        try:
            header, at = read_header(self._file)
            if at + header.items * header.item_bytes != self._size:
                raise ValueError(f"its header says {header.described()}, it has {self._size} bytes")
        except BaseException:
            self._file.close()
            raise
        return self._file, header

    def __exit__(self, *_: object) -> None:
        self._file.close()


def require_memory(size: int) -> None:
    """Raise ValueError unless ``size`` bytes of memory are free; small sizes are not asked for."""
    if size <= _UNASKED_BYTES:
        return
    free = available_bytes()
    if free is not None and size > free:
        raise ValueError(f"it needs {size / 1e9:.1f} GB of memory, and {free / 1e9:.1f} are free")


def _directory_bytes(file: IO[bytes], size: int) -> int:
    """Return the size of the zip's directory by its end record. ValueError without one."""
    at = size - _END.size
    file.seek(max(at, 0))
    data = file.read(_END.size)
    if len(data) < _END.size or _END.unpack(data)[0] != _END_MAGIC:
        raise ValueError("its end is missing")
    found = int(_END.unpack(data)[5])
    if at >= _LOCATOR.size:
        file.seek(at - _LOCATOR.size)
        magic, _disk, at64, _disks = _LOCATOR.unpack(file.read(_LOCATOR.size))
        if magic == 0x07064B50 and at64 <= size - _END64.size:
            file.seek(at64)
            found = max(found % _BIG, int(_END64.unpack(file.read(_END64.size))[8]))
    return found


def _check_entry(info: zipfile.ZipInfo) -> None:
    """ValueError when the zip directory claims more than the compressed data can hold."""
    if info.compress_type not in _COMPRESSIONS or info.flag_bits & _ENCRYPTED:
        raise ValueError(f"stored with method {info.compress_type}, which no recording uses")
    if info.file_size > _MAX_RATIO * info.compress_size + _MAX_RATIO:
        raise ValueError(f"it claims {info.file_size} bytes from {info.compress_size} compressed")


def _blocks(f: IO[bytes], size: int, at_once: int) -> Iterator[bytes]:
    """Yield ``size`` bytes of a member. ValueError when it has fewer, or a wrong checksum."""
    left = size
    while left:
        data = f.read(min(left, at_once))
        missing = min(left, at_once) - len(data)
        if missing:
            raise ValueError(f"it ends {left - len(data)} bytes too early")
        left -= len(data)
        yield data
    if f.read(1):  # at the end the checksum is compared
        raise ValueError("it goes on behind its end")


def _pieces(f: IO[bytes], header: ArrayHeader) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Yield (index of the first, values) of an int64 member."""
    at = 0
    for data in _blocks(f, 8 * header.items, _PIECE):
        piece = np.frombuffer(data, dtype=">i8" if header.swapped else "<i8").astype(np.int64)
        yield at, piece
        at += len(piece)


def _decoded(data: bytes, header: ArrayHeader) -> str:
    return data.decode("utf-32-be" if header.swapped else "utf-32-le")
