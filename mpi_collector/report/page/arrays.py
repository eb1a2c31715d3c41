"""Arrays of numbers in the page: one text, deflated, that its script unpacks array by array."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

_KEPT = np.uint32(0xFFFFFF80)  #: of a float32: sign, exponent, 16 bits of the fraction
_HALF = np.uint32(0x40)


class PageArrays:
    """Collects arrays and numbers them. An array that is added again keeps its number.

    float32 is kept to five significant digits, float64 and uint8 as they are.
    """

    def __init__(self) -> None:
        self.kinds: list[tuple[str, int]] = []  #: (type, length) of each, for the script
        self._parts: list[bytes] = []
        self._known: dict[int, tuple[int, npt.NDArray[Any]]] = {}

    def add(self, values: npt.NDArray[Any]) -> int:
        """Return the number of an array."""
        found = self._known.get(id(values))
        if found is not None:
            return found[0]
        number = len(self.kinds)
        self._known[id(values)] = (number, values)  # kept: an id may be used again
        flat = np.ascontiguousarray(values).ravel()
        if flat.dtype == np.uint8:
            kind, data = "u1", flat.tobytes()
        elif flat.dtype == np.float64:
            kind, data = "f8", _planes(flat)
        else:
            kind, data = "f4", _planes(_rounded(flat.astype(np.float32)))
        self.kinds.append((kind, len(flat)))
        self._parts.append(data)
        return number

    def text(self) -> str:
        """Return all arrays, one behind the other: zlib, then base64."""
        return base64.b64encode(zlib.compress(b"".join(self._parts), 6)).decode("ascii")


def _rounded(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    bits = values.view(np.uint32)
    out: npt.NDArray[np.float32] = ((bits + _HALF) & _KEPT).view(np.float32)
    out[~(np.isfinite(values) & np.isfinite(out))] = np.nan
    return out


def _planes(values: npt.NDArray[Any]) -> bytes:
    """Return the first bytes of all values, then the second ones, ...: alike bytes deflate well."""
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return bytes(little.view(np.uint8).reshape(len(values), values.dtype.itemsize).T.tobytes())
