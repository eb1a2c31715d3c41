"""Whether a recording can be trusted: one word, its reasons, and the figures behind it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal, TypedDict, TypeVar

from mpi_collector.formats.ordinal import ordinal
from mpi_collector.node.table.facts import BROKEN_OFF, STOPPED, HostFacts
from mpi_collector.node.table.presence import AbsentDevice, UnknownCells
from mpi_collector.node.table.read_sources import MissingSource

_GOOD_SHARE = 0.1  #: of the interval: up to this lateness is good
_LATE_SHARE = 0.5  #: of the interval: samples later than that describe another moment
_MISSED_SHARE = 0.01
_UNKNOWN_SHARE = 0.01  #: of the due cells of a source or a device
_BOUND_SHARE = 0.1
_BOUND_NS = 5_000_000
_UNKNOWN_END = "what ended the run is not known: its launch side has not written the files"
_Number = TypeVar("_Number", int, float)
_NAMED = 4  #: devices, fields or hosts that a text names
_ABSENCES = 3  #: of a device that a text names
#: files that every kernel has: when one cannot be read, something is wrong with the host
_EVERYWHERE = ("diskstats", "loadavg", "meminfo", "netdev", "stat", "vmstat")


class Verdict(TypedDict):
    """The key ``verdict`` of a run document.

    complete: every host and every source to the end, with 99 % of what was due, clocks known.
    partial: more is missing, and ``reasons`` says what. invalid: no host gave two samples, so that
    there is no rate.
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
    lateness: Literal["good", "bad"] | None  #: whether it is small beside the interval
    cpu_ns_max: int | None  #: own CPU time, the largest of all hosts
    #: whether that of a host is of all own processes there, or of the recorder's alone somewhere
    cpu_counts: Literal["all", "recorders"]
    launch_side_cpu_ns: int | None  #: of a launch side beside the hosts; None: none, or not known


def verdict_of(
    *,
    facts: Mapping[str, HostFacts],
    interval_ns: int,
    hosts_requested: int,
    hosts_in_run: int = 0,
    outside_marks_lost: int = 0,
    end_known: bool = True,
    hosts_partial: Mapping[str, str],
    missing_ranks: Sequence[int],
    clock_bound_ns: Mapping[str, int | None],
    warnings: Mapping[str, Collection[str]],
    launch_side_cpu_ns: int | None = None,
) -> Verdict:
    """Return the verdict on a run from keys of its document; ``hosts_requested`` is a count.

    ``hosts_in_run``: how many there were, where more is not known of those that are missing.
    ``outside_marks_lost``: of hosts that are not recorded, for want of room.
    ``end_known``: somebody knows what ended the run.
    ``launch_side_cpu_ns``: of the processes that start and end the run beside its hosts.
    """
    reasons = [f"{key}: {why}" for key, why in hosts_partial.items()]
    reasons += _unnamed_reasons(hosts_in_run - len({*facts, *hosts_partial}), hosts_in_run)
    reasons += _run_reasons(missing_ranks, outside_marks_lost, end_known)
    reasons += [r for key, f in facts.items() for r in _host_reasons(key, f, interval_ns)]
    bounds = {key: bound for key, bound in clock_bound_ns.items() if key in facts}
    reasons += _bound_reasons(bounds, interval_ns)
    late_ns = _largest(f["late_p99_ns"] for f in facts.values())
    return {
        "verdict": _word(facts, reasons),
        "reasons": reasons,
        "hosts": len(facts),
        "hosts_requested": max(hosts_requested, hosts_in_run),
        "ticks": sum(f["ticks"] for f in facts.values()),
        "missed": sum(f["missed"] for f in facts.values()),
        "late_p99_ns": late_ns,
        "clock_bound_ns": _largest(bounds.values()),
        "cpu_share_max": _largest(f["cpu_share"] for f in facts.values()),
        "crash_proof": not any("not crash-proof" in t for ts in warnings.values() for t in ts),
        "lateness": lateness(late_ns, interval_ns),
        "cpu_ns_max": _largest(f.get("cpu_ns") for f in facts.values()),
        "cpu_counts": _cpu_counts(facts.values()),
        "launch_side_cpu_ns": launch_side_cpu_ns,
    }


def _cpu_counts(facts: Iterable[HostFacts]) -> Literal["all", "recorders"]:
    known = [f for f in facts if f.get("cpu_ns") is not None or f.get("cpu_share") is not None]
    whole = all(f.get("helpers_cpu_ns") is not None for f in known)
    return "all" if whole else "recorders"


def _word(
    facts: Mapping[str, HostFacts], reasons: Sequence[str]
) -> Literal["complete", "partial", "invalid"]:
    if not any(f["samples"] > 1 for f in facts.values()):
        return "invalid"
    return "partial" if reasons else "complete"


def lateness(late_ns: int | None, interval_ns: int) -> Literal["good", "bad"] | None:
    """Return whether samples were taken when they were due, beside the interval."""
    if late_ns is None:
        return None
    return "good" if late_ns <= _GOOD_SHARE * interval_ns else "bad"


def _largest(values: Iterable[_Number | None]) -> _Number | None:
    """Return the largest of the known values, None when there is none."""
    return max((value for value in values if value is not None), default=None)


def _unnamed_reasons(unnamed: int, hosts_in_run: int) -> Iterator[str]:
    if unnamed > 0:
        yield f"{unnamed} of the run's {hosts_in_run} hosts are not in this recording"


def _run_reasons(missing_ranks: Iterable[int], marks_lost: int, end_known: bool) -> Iterator[str]:
    for rank in missing_ranks:
        yield f"rank {rank} never answered"
    if not end_known:
        yield _UNKNOWN_END
    if marks_lost:
        yield f"{marks_lost:,} marks of other hosts lost"


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
    for missing in facts.get("missing_sources", []):
        if _was_expected(missing):
            yield f"{key}: {_missing(missing)}"
    for source in facts["statuses"]:
        if _lacks_much(facts, source):
            yield f"{key}: {_bad_rows(facts, source)}"
    for cells in facts.get("unknown_cells", []):
        if cells["counted"] and cells["rows"] > _UNKNOWN_SHARE * cells["due"]:
            yield f"{key}: {_unknown_cells(cells)}"


def _was_expected(missing: MissingSource) -> bool:
    """Return whether a source is there that was asked for by name, and could not be read.

    What every host has is expected unasked, where its file fails or does not answer.
    """
    if missing["source"] in _EVERYWHERE and missing["status"] == "error":
        return True
    return missing["named"] and missing["status"] != "absent"


def _missing(missing: MissingSource) -> str:
    why = missing["reason"] or missing["status"]
    return f"{missing['source']} is not recorded: {why}"


def _lacks_much(facts: HostFacts, source: str) -> bool:
    """Return whether a source is missing at the stop, or in more than 1 % of its rows."""
    rows = facts.get("source_rows", {}).get(source)
    if rows is None:  # earlier versions do not say of how many rows
        return True
    return rows["at_stop"] or rows["bad"] > _UNKNOWN_SHARE * rows["due"]


def _bad_rows(facts: HostFacts, source: str) -> str:
    counts = facts["statuses"][source]
    rows = facts.get("source_rows", {}).get(source)
    shown = ", ".join(f"{n} x {status}" for status, n in counts.items())
    at_stop = ", at the stop, too" if rows and rows["at_stop"] and rows["bad"] < rows["due"] else ""
    return f"{source}: {shown}{at_stop}"


def _unknown_cells(cells: UnknownCells) -> str:
    fields = cells["fields"]
    more = f" and {len(fields) - _NAMED} more" if len(fields) > _NAMED else ""
    return (
        f"{cells['source']} {cells['device']}: {', '.join(fields[:_NAMED])}{more} unknown in "
        f"{cells['rows']} of {cells['due']} rows"
    )


# ---- remarks
def remarks_of(
    facts: Mapping[str, HostFacts], warnings: Mapping[str, Collection[str]]
) -> list[str]:
    """Return what a reader must know of a run, whatever its verdict is: key ``verdict_remarks``.

    Devices that came or went, sources that were read less often or not always, warnings.
    """
    found = [(key, text) for key, texts in warnings.items() for text in texts]
    for key, of_host in facts.items():
        found += [(key, text) for text in _host_remarks(of_host)]
    return by_host(found)


def by_host(found: Iterable[tuple[str, str]]) -> list[str]:
    """Return ``HOST: text`` of (host, text), hosts with the same text together."""
    hosts: dict[str, dict[str, None]] = {}
    for key, text in found:
        hosts.setdefault(text, {})[key] = None
    return [f"{_some(list(keys))}: {text}" for text, keys in hosts.items()]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _host_remarks(facts: HostFacts) -> Iterator[str]:
    yield from (absence(d) for d in facts.get("absent_devices", []) if d["counted"])
    yield from map(_missing, (m for m in facts.get("missing_sources", []) if not _was_expected(m)))
    for source, since_ns in facts.get("late_sources", {}).items():
        yield f"{source} there since {_clock(since_ns)}"
    for source in facts["statuses"]:
        if not _lacks_much(facts, source):
            due = facts["source_rows"][source]["due"]
            yield f"{_bad_rows(facts, source)}, of {due} rows"
    for cells in facts.get("unknown_cells", []):
        if cells["counted"] and cells["rows"] <= _UNKNOWN_SHARE * cells["due"]:
            yield _unknown_cells(cells)
    for source, every in facts.get("slowed", {}).items():
        yield f"{source}: at worst read at every {ordinal(every)} tick, since it takes long"


def absence(device: AbsentDevice) -> str:
    """Return ``nvme1n1 gone since 12:02:31 UTC``: a line for a device that came or went."""
    times = device["absent"]
    shown = [_absence(begin, end) for begin, end in times[:_ABSENCES]]
    if len(times) > _ABSENCES:
        more = len(times) - _ABSENCES
        shown.append(f"and {more} more time{'s' if more > 1 else ''}")
    return f"{device['device']} {', '.join(shown)}"


def _absence(begin_ns: int | None, end_ns: int | None) -> str:
    if begin_ns is None:
        return f"there since {_clock(end_ns)}"
    if end_ns is None:
        return f"gone since {_clock(begin_ns)}"
    return f"gone from {_clock(begin_ns)} to {_clock(end_ns)}"


def _clock(utc_ns: int | None) -> str:
    return time.strftime("%H:%M:%S UTC", time.gmtime((utc_ns or 0) // 10**9))


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
