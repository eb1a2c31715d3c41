"""The run document: its keys, their order and their types."""

from __future__ import annotations

from typing import Any

import pytest

from mpi_collector.formats.run_document import RunDocument, checked, marks_of, run_document
from mpi_collector.node.table.facts import HostFacts

FACTS: HostFacts = {
    "samples": 3,
    "ticks": 2,
    "last_tick": 1,
    "missed": 0,
    "level": 0,
    "complete": True,
    "late_p50_ns": 1,
    "late_p99_ns": 2,
    "late_max_ns": 3,
    "cpu_share": 0.25,
    "statuses": {},
    "lost": [],
    "marks": [],
    "columns": 9,
}


def document(**changes: Any) -> RunDocument:
    """A complete run of one host."""
    values: dict[str, Any] = {
        "run": "host_20260105_120000-abc",
        "stem": "host_20260105_120000",
        "benchmark": "host",
        "collection_method": "local",
        "ended_by": "duration",
        "hosts": ["a"],
        "hosts_requested": ["a"],
        "hosts_partial": {},
        "t0_ns": 1,
        "start_ns": 2,
        "end_ns": 3,
        "interval_ns": 1_000_000_000,
        "capacity": 100,
        "options": {},
        "warnings": {},
        "clock_bound_ns": {"a": 7},
        "facts": {"a": FACTS},
        "marks": [],
    }
    return run_document(**{**values, **changes})


def test_keys_that_an_author_does_not_know_are_absent() -> None:
    """None is a value: no COMMAND. Absent: its author cannot know."""
    assert not {"command_ns", "environment", "written_ns"} & set(document())
    found = document(command_ns=None, environment={"A": "b"}, written_ns=5)
    assert list(found)[-5:-1] == ["command_ns", "environment", "written_ns", "verdict"]
    assert found["command_ns"] is None


def test_marks_are_in_order_of_time() -> None:
    facts: dict[str, HostFacts] = {
        key: {**FACTS, "marks": [{"text": key, "edge": "point", "utc_ns": at}]}
        for key, at in (("a", 9), ("b", 4))
    }
    found = document(marks=marks_of(facts))["marks"]
    assert [(m["host"], m["utc_ns"]) for m in found] == [("b", 4), ("a", 9)]


def test_what_is_made_is_accepted() -> None:
    for found in (document(), document(command=["x"], command_exit_code=0, written_ns=1)):
        assert checked(found) is found


REQUIRED = [
    "hosts",
    "hosts_requested",
    "hosts_partial",
    "start_ns",
    "end_ns",
    "interval_ns",
    "facts",
    "verdict",
]


@pytest.mark.parametrize("key", REQUIRED)
def test_a_key_that_every_reader_needs(key: str) -> None:
    found = dict(document())
    del found[key]
    with pytest.raises(ValueError, match=f"field '{key}'"):
        checked(found)


@pytest.mark.parametrize("key", sorted(set(document(command_ns=None, written_ns=1))))
def test_every_key_has_a_type(key: str) -> None:
    """A value of a strange type is refused, and the error names the key."""
    found = {**document(command_ns=None, written_ns=1), key: 0.5}
    with pytest.raises(ValueError, match=f"field '{key}'"):
        checked(found)


def test_files_of_other_versions_may_lack_the_other_keys() -> None:
    found = {k: v for k, v in document().items() if k in REQUIRED}
    assert len(found) == len(REQUIRED)
    assert checked(found) is found


@pytest.mark.parametrize("change", [{"interval_ns": 0}, {"facts": {}}, {"hosts": [3]}])
def test_values_that_cannot_be(change: dict[str, object]) -> None:
    key = "facts of host" if "facts" in change else next(iter(change))
    with pytest.raises(ValueError, match=key):
        checked({**document(), **change})
