"""The verdict on a run."""

from __future__ import annotations

from typing import Any

import pytest

from mpi_collector.formats.verdict import Verdict, remarks_of, verdict_of
from mpi_collector.formats.verdict_line import line
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
        "lateness": "good",
        "cpu_ns_max": None,
        "cpu_counts": "recorders",
        "launch_side_cpu_ns": None,
    }
    assert line(found) == (
        "verdict: complete (2 of 2 hosts, 200 ticks, 0 missed, lateness p99 0.30 ms (good), "
        "clock bound 0.01 ms, own cost 0.100 % of a core, recorders alone)"
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


@pytest.mark.parametrize(
    ("bad", "at_stop", "partial"),
    [(10, False, False), (11, False, True), (1, True, True)],
)
def test_source_that_was_not_read_in_all_rows(bad: int, at_stop: bool, partial: bool) -> None:
    """More than 1 % of its rows, or the last of them: partial; else a remark."""
    host = facts(
        statuses={"nfs": {"slow": bad}},
        source_rows={"nfs": {"due": 1000, "bad": bad, "at_stop": at_stop}},
    )
    found = verdict(host)
    assert (found["verdict"] == "partial") is partial
    remarks = remarks_of({"h0": host}, {})
    assert remarks == ([] if partial else [f"h0: nfs: {bad} x slow, of 1000 rows"])


@pytest.mark.parametrize(
    ("rows", "counted", "partial"), [(1, True, False), (2, True, True), (99, False, False)]
)
def test_cells_of_a_device_that_are_unknown(rows: int, counted: bool, partial: bool) -> None:
    cells = {"source": "infiniband", "device": "mlx5_0/1", "counted": counted, "due": 100}
    host = facts(unknown_cells=[{**cells, "fields": list("abcdef"), "rows": rows}])
    text = f"h0: infiniband mlx5_0/1: a, b, c, d and 2 more unknown in {rows} of 100 rows"
    assert verdict(host)["reasons"] == ([text] if partial else [])
    assert remarks_of({"h0": host}, {}) == ([text] if counted and not partial else [])


@pytest.mark.parametrize(
    ("named", "status", "partial"),
    [(True, "absent", False), (True, "denied", True), (False, "error", False)],
)
def test_source_that_could_not_be_read_at_the_start(
    named: bool, status: str, partial: bool
) -> None:
    """Asked for by name and there: partial; else it is said."""
    missing = {"source": "lustre", "status": status, "reason": "no such file", "named": named}
    host = facts(missing_sources=[missing])
    text = ["h0: lustre is not recorded: no such file"]
    assert verdict(host)["reasons"] == (text if partial else [])
    assert remarks_of({"h0": host}, {}) == ([] if partial else text)


def test_remarks() -> None:
    """Hosts with the same remark together; at most three absences of a device."""
    spans = [[None, 10**9], [2 * 10**9, 3 * 10**9], [4 * 10**9, 5 * 10**9], [6 * 10**9, None]]
    about = {"source": "diskstats", "kind": "disk", "counted": True}
    host = facts(
        absent_devices=[{**about, "device": "sda", "absent": spans}],
        slowed={"processes": 4},
    )
    assert remarks_of({"h0": host, "h1": host}, {"h1": ["not crash-proof"]}) == [
        "h1: not crash-proof",
        "h0, h1: sda there since 00:00:01 UTC, gone from 00:00:02 UTC to 00:00:03 UTC, "
        "gone from 00:00:04 UTC to 00:00:05 UTC, and 1 more time",
        "h0, h1: processes: at worst read at every 4th tick, since it takes long",
    ]


@pytest.mark.parametrize(("late_ns", "called"), [(None, None), (10**8, "good"), (10**8 + 1, "bad")])
def test_lateness_beside_the_interval(late_ns: int | None, called: str | None) -> None:
    found = verdict(facts(late_p99_ns=late_ns))
    assert found["lateness"] == called
    assert (f"({called})" in line(found)) is (called is not None)


def test_cost_of_a_short_run_is_no_share() -> None:
    found = verdict(facts(cpu_share=None, cpu_ns=3_140_000))
    assert "own cost 3.1 ms of CPU" in line(found)


def test_whose_cost_it_is() -> None:
    """All processes of every host, or the recorders' where one host does not know more; the launch side apart."""
    whole = facts(cpu_ns=3_000_000, helpers_cpu_ns=0)
    found = verdict(whole, launch_side_cpu_ns=2_500_000)
    assert line(found).endswith("own cost 0.100 % of a core, launch side 2.5 ms of CPU)")
    found = verdict(whole, facts(cpu_ns=3_000_000, helpers_cpu_ns=None))
    assert line(found).endswith("own cost 0.100 % of a core, recorders alone)")
    found = verdict(whole, facts(cpu_ns=None, cpu_share=None))  # it knows of no cost at all
    assert line(found).endswith("own cost 0.100 % of a core)")


def test_invalid() -> None:
    assert verdict()["verdict"] == "invalid"
    assert verdict(facts(samples=1, ticks=1))["verdict"] == "invalid"
    assert verdict(facts(samples=0, ticks=0))["verdict"] == "invalid"


def test_crash_proof() -> None:
    found = verdict(facts(), warnings={"h0": ["no tmpfs: not crash-proof"]})
    assert found["crash_proof"] is False
    assert found["verdict"] == "complete"
