"""JSON from another process, parsed within bounds.

``json.loads`` takes more than RFC 8259 allows (NaN, Infinity), keeps the last of several equal
keys, turns 1e999 into infinity, and needs fifty bytes of memory and more for two bytes of text.
"""

import json
import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DIGITS_MAX = 20  #: of an integer: those of 2^64
VALUES_MAX = 1 << 19  #: of one text unless the caller allows more: about 60 MB of objects


def loads(text: "str | bytes", values_max: int = VALUES_MAX) -> "Any":
    """Return the value of a JSON text, UTF-8 where it is bytes.

    ValueError for what is no JSON, for more than ``values_max`` values, an integer of more than 20
    digits, a number that is not finite, a key that comes twice, or too deep nesting.
    """
    if isinstance(text, bytes):
        text = text.decode()
    # every value but the first follows one of these; those inside of strings are counted, too
    if text.count(",") + text.count("[") + text.count("{") >= values_max:
        raise ValueError("more than %d values" % values_max)
    # a function of Python for each integer took half the time: only where one may be too long
    long = _LONG in text.encode("utf-8", "replace").translate(_AS_DIGITS)
    decoder = _DECODER if long else _DECODER_OF_SHORT
    try:
        return decoder.decode(text)
    except RecursionError:
        raise ValueError("too deep nesting") from None


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS_MAX:
        raise ValueError("an integer of %d digits" % len(digits))
    return int(digits)


def _real(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number that is not finite")
    return value


def _constant(name: str) -> float:
    raise ValueError("%s is no JSON" % name)


def _object(pairs: "list[tuple[str, Any]]") -> "dict[str, Any]":
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a key comes twice in an object")
    return out


#: bytes of which a number with a sign consists -> "0"
_AS_DIGITS = bytes.maketrans(b"-123456789", b"0" * 10)
_LONG = b"0" * (_DIGITS_MAX + 1)
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_whole, parse_float=_real, parse_constant=_constant
)
_DECODER_OF_SHORT = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_real, parse_constant=_constant
)
