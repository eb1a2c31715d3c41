"""Two names of one host, and two hosts of one name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpi_collector.transport.hosts import (
    HostSpec,
    find_aliases,
    known_names,
    requested_name,
    unique_keys,
)


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


def who(hostname: str, *addresses: str) -> dict[str, object]:
    return {"hostname": hostname, "addresses": list(addresses)}


@pytest.mark.parametrize(
    ("identity", "names", "expected"),
    [
        (who("w", "192.0.2.1"), {"192.0.2.1": "w.1", "192.0.2.2": "w.2"}, "w.1"),
        (who("w", "192.0.2.1"), {"w": "w.2", "192.0.2.1": "w.1"}, "w.1"),  # addresses decide
        (who("a", "192.0.2.1", "192.0.2.2"), {"a": "a", "192.0.2.1": "b", "192.0.2.2": "a"}, "a"),
        (who("a.site", "192.0.2.9"), {"a": "a.other"}, "a.other"),  # behind a NAT
        (who("a.site"), {"a.site": "a.site", "a": "x"}, "a.site"),
        (who("a.site", "192.0.2.1"), {}, "a.site"),
    ],
)
def test_requested_names(identity: dict[str, object], names: dict[str, str], expected: str) -> None:
    assert requested_name(identity, names) == expected


def test_known_names_leave_out_what_two_hosts_have(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        "w.1": {"192.0.2.1", "192.0.2.9"},
        "w.2": {"192.0.2.2", "192.0.2.9"},
        "v.1": {"192.0.2.3"},
    }
    monkeypatch.setattr("mpi_collector.transport.hosts.resolve.resolve_all", lambda names: found)
    known = known_names([HostSpec(name) for name in (*found, "x")])
    assert known == {"w.1": "w.1", "w.2": "w.2", "v.1": "v.1", "v": "v.1", "x": "x",
                     "192.0.2.1": "w.1", "192.0.2.2": "w.2", "192.0.2.3": "v.1"}  # fmt: skip
    assert known_names([HostSpec("w"), HostSpec("w.2")])["w"] == "w"
