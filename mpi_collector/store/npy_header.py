"""The header of a ``.npy`` member, read without evaluating it.

numpy's own reader evaluates the header as Python: it warns about escapes in it and recurses as deep
as it is nested. Format: numpy.lib.format.
"""

from __future__ import annotations

import math
import re
from typing import IO, NamedTuple

CHARACTER_BYTES = 4
_HEADER = re.compile(
    r"\{'descr': '([<>|]?)([a-zA-Z])(\d{1,9})', 'fortran_order': (True|False), "
    r"'shape': \(((?:\d{1,18}(?:, ?\d{1,18})*,?)?)\),? ?\}\s*"
)


class ArrayHeader(NamedTuple):
    """What the header of a member says."""

    kind: str  #: numpy's: i, U, ...
    item_bytes: int
    swapped: bool  #: big-endian
    fortran: bool
    shape: tuple[int, ...]

    @property
    def items(self) -> int:
        return math.prod(self.shape)

    def described(self) -> str:
        """Return type and shape for a message."""
        return f"{self.kind}{self.item_bytes} {self.shape}"


def read_header(f: IO[bytes]) -> tuple[ArrayHeader, int]:
    """Return the header of a member and its length in bytes.

    ValueError for one that numpy does not write.
    """
    magic = f.read(8)
    if magic[:6] != b"\x93NUMPY" or len(magic) < 8 or magic[6] not in (1, 2, 3):
        raise ValueError("no numpy array")
    length = 2 if magic[6] == 1 else 4
    size = int.from_bytes(f.read(length), "little")
    text = f.read(min(size, 1 << 16)).decode("latin-1")
    found = _HEADER.fullmatch(text)
    if found is None or len(text) != size:
        raise ValueError("no header of a plain array")
    order, kind, item, fortran, shape = found.groups()
    dimensions = tuple(int(n) for n in shape.replace(",", " ").split())
    item_bytes = int(item) * (CHARACTER_BYTES if kind == "U" else 1)
    header = ArrayHeader(kind, item_bytes, order == ">", fortran == "True", dimensions)
    return header, len(magic) + length + size
