"""Whether a recording can be trusted: one word, its reasons, and the figures behind it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal, TypedDict, TypeVar

from mpi_collector.node.table.facts import BROKEN_OFF, STOPPED, HostFacts

_LATE_SHARE = 0.5  #: of the interval: samples later than that describe another moment
_MISSED_SHARE = 0.01
_BOUND_SHARE = 0.1
_BOUND_NS = 5_000_000
_Number = TypeVar("_Number", int, float)
_NAMED = 4  #: devices and fields of a source without a column that a reason names


class Verdict(TypedDict):
    """The key ``verdict`` of a run document.

    complete: every host, every tick, clocks known. partial: some of it is missing, and ``reasons``
    says what. invalid: no host gave samples.
    """

    verdict: Literal["complete", "partial", "invalid"]
    reasons: list[str]
    hosts: int  #: with facts
    hosts_requested: int
    ticks: int  #: rows on the grid, all hosts
    missed: int  #: ticks without a row, all hosts
    late_p99_ns: int | None  #: the largest of all hosts; None: no host knows it
    clock_bound_ns: int | None  #: the largest of all hosts with facts; None: no host knows it
    cpu_share_max: float | None  #: of a core, the largest of all hosts; None: no host knows it
    crash_proof: bool  #: every host had its rows in a spool


def verdict_of(
    *,
    facts: Mapping[str, HostFacts],
    interval_ns: int,
    hosts_requested: int,
    hosts_in_run: int = 0,
    outside_marks_lost: int = 0,
    hosts_partial: Mapping[str, str],
    missing_ranks: Sequence[int],
    clock_bound_ns: Mapping[str, int | None],
    warnings: Mapping[str, Collection[str]],
) -> Verdict:
    """Return the verdict on a run from keys of its document; ``hosts_requested`` is a count.

    ``hosts_in_run``: how many there were, where more is not known of those that are missing.
    ``outside_marks_lost``: of hosts that are not recorded, for want of room.
    """
    reasons = [f"{key}: {why}" for key, why in hosts_partial.items()]
    reasons += _unnamed_reasons(hosts_in_run - len({*facts, *hosts_partial}), hosts_in_run)
    reasons += [f"rank {rank} never answered" for rank in missing_ranks]
    for key, of_host in facts.items():
        reasons += _host_reasons(key, of_host, interval_ns)
    reasons += [f"{outside_marks_lost:,} marks of other hosts lost"] if outside_marks_lost else []
    bounds = {key: bound for key, bound in clock_bound_ns.items() if key in facts}
    reasons += _bound_reasons(bounds, interval_ns)
    rows = sum(f["samples"] for f in facts.values())
    every_warning = [text for texts in warnings.values() for text in texts]
    return {
        "verdict": "invalid" if not rows else "partial" if reasons else "complete",
        "reasons": reasons,
        "hosts": len(facts),
        "hosts_requested": max(hosts_requested, hosts_in_run),
        "ticks": sum(f["ticks"] for f in facts.values()),
        "missed": sum(f["missed"] for f in facts.values()),
        "late_p99_ns": _largest(f["late_p99_ns"] for f in facts.values()),
        "clock_bound_ns": _largest(bounds.values()),
        "cpu_share_max": _largest(f["cpu_share"] for f in facts.values()),
        "crash_proof": not any("not crash-proof" in text for text in every_warning),
    }


def _largest(values: Iterable[_Number | None]) -> _Number | None:
    """Return the largest of the known values, None when there is none."""
    return max((value for value in values if value is not None), default=None)


def _unnamed_reasons(unnamed: int, hosts_in_run: int) -> Iterator[str]:
    if unnamed > 0:
        yield f"{unnamed} of the run's {hosts_in_run} hosts are not in this recording"


def _bound_reasons(bounds: Mapping[str, int | None], interval_ns: int) -> Iterator[str]:
    limit_ns = max(_BOUND_NS, _BOUND_SHARE * interval_ns)
    for key, bound in bounds.items():
        if bound is None:
            yield f"{key}: clock bound unknown"
        elif bound > limit_ns:
            yield f"{key}: clock bound {bound / 1e6:.1f} ms"


def _host_reasons(key: str, facts: HostFacts, interval_ns: int) -> Iterator[str]:
    due = facts["ticks"] + facts["missed"]
    late_ns = facts["late_p99_ns"] or 0
    if facts["missed"] > max(_MISSED_SHARE * due, 1):
        yield f"{key}: {facts['missed']} of {due} ticks missed"
    if not facts["complete"]:
        yield f"{key}: {incomplete(facts)}"
    if late_ns > _LATE_SHARE * interval_ns:
        yield f"{key}: 1 % of the ticks were more than {late_ns / 1e6:.0f} ms late"
    if lost := facts.get("marks_lost"):  # earlier versions do not say it
        yield f"{key}: {lost:,} marks lost, for want of room"
    if lost := facts.get("events_lost"):
        yield f"{key}: {lost:,} devices or clock measurements lost, for want of room"
    for text in no_room(facts):
        yield f"{key}: {text}"
    for source, counts in facts["statuses"].items():
        shown = ", ".join(f"{n} x {status}" for status, n in counts.items())
        yield f"{key}: {source}: {shown}"


def incomplete(facts: HostFacts) -> str:
    """Return how the recording of a host ended that the run did not stop."""
    ended_by = facts.get("ended_by", BROKEN_OFF)  # earlier versions do not say it
    if ended_by in (STOPPED, BROKEN_OFF):
        return f"the recording breaks off at tick {facts['last_tick']}"
    return f"ended by: {ended_by}, at tick {facts['last_tick']}"


def no_room(facts: HostFacts) -> Iterator[str]:
    """Yield a line per source of which something appeared that found no column."""
    by_source: dict[str, list[str]] = {}
    for event in facts["lost"]:
        by_source.setdefault(str(event["source"]), []).append(f"{event['what']} {event['name']}")
    for source, names in by_source.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"{source}: no room for {', '.join(names[:_NAMED])}{more}, which came during the run"


def line(verdict: Verdict) -> str:
    """Return the verdict and its figures in one line; a dash for what is not known."""
    late_ns, bound_ns = verdict["late_p99_ns"], verdict["clock_bound_ns"]
    share = verdict["cpu_share_max"]
    late = "-" if late_ns is None else f"{late_ns / 1e6:.2f} ms"
    bound = "-" if bound_ns is None else f"{bound_ns / 1e6:.2f} ms"
    cost = "-" if share is None else f"{100 * share:.3f} % of a core"
    return (
        f"verdict: {verdict['verdict']} "
        f"({verdict['hosts']} of {verdict['hosts_requested']} hosts, "
        f"{verdict['ticks']} ticks, {verdict['missed']} missed, "
        f"lateness p99 {late}, clock bound {bound}, own cost {cost})"
    )
