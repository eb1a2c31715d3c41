"""The verdict on a run."""

from __future__ import annotations

from typing import Any

import pytest

from mpi_collector.formats.verdict import Verdict, line, verdict_of
from mpi_collector.node.table.facts import HostFacts

SECOND = 1_000_000_000


def facts(**changes: Any) -> HostFacts:
    """A host that recorded everything."""
    whole: dict[str, Any] = {
        "samples": 101,
        "ticks": 100,
        "last_tick": 99,
        "missed": 0,
        "complete": True,
        "late_p99_ns": 200_000,
        "cpu_share": 0.001,
        "statuses": {},
        "lost": [],
    }
    found: Any = {**whole, **changes}
    return found  # type: ignore[no-any-return]


def verdict(*hosts: HostFacts, **changes: Any) -> Verdict:
    keys = [f"h{n}" for n in range(len(hosts))]
    values: dict[str, Any] = {
        "facts": dict(zip(keys, hosts)),
        "interval_ns": SECOND,
        "hosts_requested": len(hosts),
        "hosts_partial": {},
        "missing_ranks": [],
        "clock_bound_ns": dict.fromkeys(keys, 10_000),
        "warnings": {},
    }
    return verdict_of(**{**values, **changes})


def test_complete() -> None:
    found = verdict(facts(), facts(late_p99_ns=300_000, cpu_share=None))
    assert found == {
        "verdict": "complete",
        "reasons": [],
        "hosts": 2,
        "hosts_requested": 2,
        "ticks": 200,
        "missed": 0,
        "late_p99_ns": 300_000,
        "clock_bound_ns": 10_000,
        "cpu_share_max": 0.001,
        "crash_proof": True,
    }
    assert line(found) == (
        "verdict: complete (2 of 2 hosts, 200 ticks, 0 missed, lateness p99 0.30 ms, "
        "clock bound 0.01 ms, own cost 0.100 % of a core)"
    )


@pytest.mark.parametrize(
    ("host", "changes", "reason"),
    [
        ({"missed": 2}, {}, "h0: 2 of 102 ticks missed"),
        ({"complete": False}, {}, "h0: the recording breaks off at tick 99"),
        (
            {"late_p99_ns": 600_000_000},
            {},
            "h0: 1 % of the ticks were more than 600 ms late",
        ),
        (
            {"lost": [{"what": "slot", "name": "sdx", "source": "diskstats"}]},
            {},
            "h0: diskstats: no room for slot sdx, which came during the run",
        ),
        ({"statuses": {"netdev": {"error": 4}}}, {}, "h0: netdev: 4 x error"),
        ({}, {"hosts_partial": {"h9": "no route"}}, "h9: no route"),
        ({}, {"missing_ranks": [7]}, "rank 7 never answered"),
        ({}, {"clock_bound_ns": {"h0": None}}, "h0: clock bound unknown"),
        ({}, {"clock_bound_ns": {"h0": 150_000_000}}, "h0: clock bound 150.0 ms"),
    ],
)
def test_partial(host: dict[str, Any], changes: dict[str, Any], reason: str) -> None:
    found = verdict(facts(**host), **changes)
    assert (found["verdict"], found["reasons"]) == ("partial", [reason])


@pytest.mark.parametrize(
    ("host", "changes"),
    [
        ({"missed": 1}, {}),
        ({"late_p99_ns": 400_000_000}, {}),
        ({"late_p99_ns": None}, {}),
        ({}, {"clock_bound_ns": {"h0": 90_000_000}}),
        ({}, {"clock_bound_ns": {"h0": 1, "not recorded": None}}),
    ],
)
def test_limits(host: dict[str, Any], changes: dict[str, Any]) -> None:
    """What is within the limits is no reason."""
    assert verdict(facts(**host), **changes)["verdict"] == "complete"


def test_invalid() -> None:
    assert verdict()["verdict"] == "invalid"
    assert verdict(facts(samples=0, ticks=0))["verdict"] == "invalid"


def test_crash_proof() -> None:
    found = verdict(facts(), warnings={"h0": ["no tmpfs: not crash-proof"]})
    assert found["crash_proof"] is False
    assert found["verdict"] == "complete"
