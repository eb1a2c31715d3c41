"""Members of an .npz file, compressed on the node."""

import json
import struct
import sys
import zlib
from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Iterator


LEVEL = 1  #: of zlib; level 2 takes twice the time and saves a tenth of the size


class NpzMember:
    """A member of a zip file, deflated. ``parts``: its plain bytes.

    ``kind``: "npz", or "json" for the suite's samples. ``crc``, ``size``: of the plain bytes;
    ``packed``: bytes of all ``chunks``.
    """

    __slots__ = ("chunks", "crc", "kind", "name", "packed", "size")

    def __init__(self, kind: str, name: str, parts: "Iterable[bytes]") -> None:
        deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -15)
        self.kind = kind
        self.name = name
        self.crc: int = 0
        self.size: int = 0
        self.chunks: "list[bytes]" = []
        for part in parts:
            self.crc = zlib.crc32(part, self.crc)
            self.size += len(part)
            self.chunks.append(deflate.compress(part))
        self.chunks.append(deflate.flush())
        self.packed = sum(map(len, self.chunks))

    def head(self) -> "dict[str, str | int]":
        """Return kind, name, crc, size and packed as a document."""
        return {
            "kind": self.kind,
            "name": self.name,
            "crc": self.crc,
            "size": self.size,
            "packed": self.packed,
        }


def _bytes(values: "array[int]") -> bytes:
    """Return the values as little-endian bytes."""
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values.tobytes()


def npy_header(dtype: str, shape: "tuple[int, ...]", fortran: bool = False) -> bytes:
    """Return the header of an ``.npy`` file, version 1.0 (numpy.lib.format)."""
    text = "{'descr': '%s', 'fortran_order': %s, 'shape': %r, }" % (dtype, fortran, tuple(shape))
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin-1")


def int_member(
    name: str, columns: "Iterable[array[int]]", rows: int, flat: bool = False
) -> "NpzMember":
    """Return an int64 matrix, rows x columns in Fortran order; ``flat``: a column as vector."""
    columns = list(columns)
    shape = (rows,) if flat else (rows, len(columns))

    def parts() -> "Iterator[bytes]":
        yield npy_header("<i8", shape, not flat)
        for c in columns:
            yield _bytes(c)

    return NpzMember("npz", name, parts())


def text_member(name: str, texts: "list[str]") -> "NpzMember":
    """Return a vector of strings."""
    return NpzMember("npz", name, [text_vector(texts)])


def text_vector(texts: "list[str]") -> bytes:
    """Return the plain bytes of a vector of strings."""
    width = max([len(t) for t in texts] + [1])
    body = b"".join(t.encode("utf-32-le", "replace").ljust(4 * width, b"\0") for t in texts)
    return npy_header("<U%d" % width, (len(texts),)) + body


def text_matrix(rows: "list[list[str]]") -> bytes:
    """Return the plain bytes of a matrix of strings, whose rows have the same length."""
    width = max([len(t) for row in rows for t in row] + [1])
    body = b"".join(
        t.encode("utf-32-le", "replace").ljust(4 * width, b"\0") for row in rows for t in row
    )
    return npy_header("<U%d" % width, (len(rows), len(rows[0]) if rows else 2)) + body


def json_member(name: str, doc: object) -> "NpzMember":
    """Return a JSON document as a 0-dimensional string: ``json.loads(str(npz[name]))``."""
    text = json.dumps(doc)
    return NpzMember(
        "npz", name, [npy_header("<U%d" % max(len(text), 1), ()), text.encode("utf-32-le")]
    )
