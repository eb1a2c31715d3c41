"""JSON from another process: what RFC 8259 does not have is refused, and so is what would cost too much."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpi_collector.node import strict_json

VALUES: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_we_write_is_read(value: Any) -> None:
    assert strict_json.loads(json.dumps(value).encode()) == value
    assert strict_json.loads(json.dumps(value, ensure_ascii=False)) == value


@pytest.mark.parametrize(
    "text",
    ["NaN", "[Infinity]", '{"a": -Infinity}', "1e999", "-1e999", '{"a": 1, "a": 1}', '{"a": {"b": 1, "b": 2}}',
     "1" * 21, "[" * 100_000, '{"a":' * 100_000, "", "{", "[1,]", "01", "nan", "\ufeff{}", "{} {}", "'a'"],
)  # fmt: skip
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        strict_json.loads(text)
    with pytest.raises(ValueError, match="."):
        strict_json.loads(text.encode())


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    """Whatever the bytes are, the only exception is ValueError."""
    try:
        strict_json.loads(data)
    except ValueError:
        pass


@pytest.mark.parametrize(
    "text", ["[" + "[]," * 4_000_000 + "1]", "[" + "{}," * 4_000_000 + "1]", "9" * 12_000_000]
)
def test_bombs(text: str) -> None:
    """A text that would become hundreds of MB, or take minutes, is refused before it does."""
    tracemalloc.start()
    with pytest.raises(ValueError, match="."):
        strict_json.loads(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30_000_000


def test_the_bound_of_values() -> None:
    assert strict_json.loads("[1,2,3]", 4) == [1, 2, 3]
    with pytest.raises(ValueError, match="more than 3 values"):
        strict_json.loads("[1,2,3]", 3)
