"""Forms: what passes has the declared types and bounds, and what does not is named."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpi_collector.node.errors import FormError
from mpi_collector.node.forms import (
    NOTHING,
    Anything,
    Flag,
    Form,
    Items,
    Maybe,
    OneOf,
    Real,
    Record,
    Table,
    Text,
    Whole,
)

ANY: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
HOST = Record({"name": Text(4), "n": Whole(0, 9)}, {"more": Items(Flag(), 2)})


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        (Whole(0, 9), [0, 9], [-1, 10, True, 1.0, "1", None, [1], 10**30]),
        (Real(), [0, -1.5, 1e300], [math.nan, math.inf, -math.inf, True, "1", None]),
        (Flag(), [True, False], [0, 1, None, "true"]),
        (Text(3), ["", "abc"], ["abcd", 1, None, b"abc", ["a"]]),
        (Text(9, str.isalpha), ["abc"], ["a/b", ""]),
        (OneOf("a", "b"), ["a"], ["c", "", None, 1, ["a"]]),
        (Maybe(Flag()), [None, True], [0, "x"]),
        (Items(Whole(0, 9), 2), [[], [1, 2], (1,)], [[1, 2, 3], [10], {}, "12", None]),
        (Table(Flag(), 1, Text(2)), [{}, {"a": True}], [{"abc": True}, {"a": 1}, {"a": True, "b": True}, []]),
        (HOST, [{"name": "a", "n": 1}, {"name": "", "n": 0, "more": [True]}],
         [{}, {"name": "a"}, {"name": "a", "n": "1"}, {"name": "a", "n": 1, "x": 1}, [], None,
          {"name": "a", "n": 1, "more": [1]}, {"name": "a", "n": 1, "more": None}]),
        (Record({}, further=Flag()), [{}, {"any": True}], [{"any": 1}]),
        (Anything(1, 4), [1, None, "abcd", [1, "a"], {"a": 2**64 - 1}], [[[1]], {"a": []}, "abcde", 2**64, math.nan]),
        (NOTHING, [{}], [{"a": 1}, [], None]),
    ],
)  # fmt: skip
def test_each_form(form: Form, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        form.check(value)
    for value in bad:
        with pytest.raises(FormError):
            form.check(value, "x")


@given(ANY)
def test_only_form_errors(value: Any) -> None:
    """No value makes a form fail in another way."""
    for form in (HOST, Items(HOST, 3), Table(HOST, 3, Text(2)), Anything(2)):
        try:
            form.check(value, "it")
        except FormError as e:
            assert len(str(e)) < 300  # noqa: PT017


def test_the_place_is_named() -> None:
    form = Record({"hosts": Items(Record({"ready": HOST}), 9)})
    with pytest.raises(FormError, match=r"field 'hosts\[\]\.ready\.n' is of type str"):
        form.check({"hosts": [{"ready": {"name": "a", "n": "1"}}]})
    with pytest.raises(FormError, match=r"field 'hosts' is missing"):
        form.check({})
