"""Two names of one host, and two hosts of one name."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mpi_collector.transport.hosts import find_aliases, unique_keys


def test_aliases() -> None:
    """The first name of a host stays; equal names are not aliases of themselves."""
    assert find_aliases([("a", 1), ("b", 2), ("c", 1), ("d", 1)]) == {"c": "a", "d": "a"}
    assert find_aliases([("a", 1), ("a", 1)]) == {}
    assert find_aliases([(3, ("h", None)), (5, ("h", None))]) == {5: 3}


@given(st.lists(st.sampled_from(["a", "a-2", "a-3", "b"]), max_size=12))
def test_keys_are_unique(names: list[str]) -> None:
    """Every host has a key of its own that begins with its name; a name that occurs once is its own key."""
    keys = unique_keys(names)
    assert len(set(keys)) == len(keys) == len(names)
    assert all(key.startswith(name) for key, name in zip(keys, names, strict=True))
    assert unique_keys(dict.fromkeys(names)) == list(dict.fromkeys(names))
