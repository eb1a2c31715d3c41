"""The run document: what a run says of itself when it is over.

It is the member ``run`` of ``*_timeseries.npz``, and every other file of a run takes its facts from
it. Three authors write one: ``collect``, ``recover`` (which knows no more than the spools do) and
the reader of the suite's time series. All use ``run_document`` and every reader ``checked``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, Literal, TypedDict, cast

from mpi_collector._version import __version__
from mpi_collector.formats.run_forms import RUN
from mpi_collector.formats.verdict import Verdict, remarks_of, verdict_of
from mpi_collector.node.forms import INT64_MAX
from mpi_collector.node.table.facts import HostFacts

FORMAT = 1
PROGRAM = f"mpi_collector {__version__}"


class _Mark(TypedDict):
    text: str
    edge: Literal["point", "begin", "end"]
    utc_ns: int  #: on the common time line
    host: str | None  #: key of the host it was made on; None: a host that is not recorded


class Mark(_Mark, total=False):
    """A mark of the run, with the host it is from."""

    read_bytes: int  #: of the begin of a phase: what its program says that it read in it


class _Always(TypedDict):
    format: int  #: version of the file format, 1
    program: str  #: who wrote the recording, with its version
    run: str  #: unique name of the run
    stem: str | None  #: beginning of the file names, BENCHMARK_DATETIME; None: the spool has none
    benchmark: str
    collection_method: str  #: mpi, ssh, local, recovered, or what the suite's file says
    ended_by: str  #: what ended the recording: command, duration, signal, recover, ...
    hosts: list[str]  #: keys of the hosts that are in the file
    hosts_requested: list[str]  #: keys of all hosts
    hosts_partial: dict[str, str]  #: key -> why the host is missing or incomplete
    missing_ranks: list[int]  #: ranks that never answered
    t0_ns: int  #: tick 0 on the coordinator's monotonic clock
    start_ns: int  #: tick 0, UTC
    end_ns: int  #: the end of the recording, UTC
    interval_ns: int  #: > 0
    capacity: int  #: rows of each host's table
    options: dict[str, Any]  #: SamplingOptions.to_dict()
    warnings: dict[str, list[str]]  #: key -> warnings of the host, hosts without any left out
    clock_bound_ns: dict[str, int | None]  #: key -> error bound of the host's clock; None: unknown
    facts: dict[str, HostFacts]  #: key -> facts of each of ``hosts``
    marks: list[Mark]  #: by time
    marks_lost: int  #: marks for which there was no room, on all hosts; 0 in files of old versions
    command: list[str] | None  #: COMMAND without secrets
    command_exit_code: int | None
    verdict: Verdict


class RunDocument(_Always, total=False):
    """The run document. Keys are written in the order of ``run_document``'s arguments."""

    verdict_remarks: list[str]  #: it stays what it is; earlier versions have no remarks
    command_ns: list[int] | None  #: begin and end of COMMAND, UTC; absent: its author cannot know
    environment: dict[str, str]  #: launcher and scheduler variables of the coordinator
    written_ns: int  #: when the document was made, UTC
    window_ns: list[int]  #: begin and end of a part of a recording, UTC; never in a file


def marks_of(facts: Mapping[str, HostFacts]) -> list[Mark]:
    """Return the marks of all hosts, host by host."""
    return [
        cast(Mark, {**mark, "host": key}) for key, f in facts.items() for mark in f.get("marks", [])
    ]


class _Absent(Enum):
    ABSENT = "absent"


#: value of a key that the author of a document cannot know: the document has no such key
ABSENT: Final = _Absent.ABSENT


def run_document(
    *,
    program: str = PROGRAM,
    run: str,
    stem: str | None,
    benchmark: str,
    collection_method: str,
    ended_by: str,
    hosts: Iterable[str],
    hosts_requested: Iterable[str],
    hosts_partial: Mapping[str, str],
    missing_ranks: Sequence[int] = (),
    t0_ns: int,
    start_ns: int,
    end_ns: int,
    interval_ns: int,
    capacity: int,
    options: Mapping[str, Any],
    warnings: Mapping[str, list[str]],
    clock_bound_ns: Mapping[str, int | None],
    facts: Mapping[str, HostFacts],
    marks: Iterable[Mark],
    outside_marks_lost: int = 0,
    hosts_in_run: int = 0,
    end_known: bool = True,
    command: list[str] | None = None,
    command_exit_code: int | None = None,
    command_ns: list[int] | Literal[_Absent.ABSENT] | None = ABSENT,
    environment: Mapping[str, str] | Literal[_Absent.ABSENT] = ABSENT,
    written_ns: int | Literal[_Absent.ABSENT] = ABSENT,
    launch_side_cpu_ns: int | None = None,
) -> RunDocument:
    """Return the document with its verdict; ``marks`` in any order. Meanings: ``RunDocument``.

    ``hosts_in_run``, ``outside_marks_lost``, ``end_known``, ``launch_side_cpu_ns``: see
    ``verdict_of``.
    """
    lost = outside_marks_lost + sum(f.get("marks_lost", 0) for f in facts.values())
    known: dict[str, object] = {
        "format": FORMAT,
        "program": program,
        "run": run,
        "stem": stem,
        "benchmark": benchmark,
        "collection_method": collection_method,
        "ended_by": ended_by,
        "hosts": list(hosts),
        "hosts_requested": (requested := list(hosts_requested)),
        "hosts_partial": dict(hosts_partial),
        "missing_ranks": list(missing_ranks),
        "t0_ns": t0_ns,
        "start_ns": start_ns,
        "end_ns": end_ns,
        "interval_ns": interval_ns,
        "capacity": capacity,
        "options": dict(options),
        "warnings": dict(warnings),
        "clock_bound_ns": dict(clock_bound_ns),
        "facts": dict(facts),
        "marks": sorted(marks, key=lambda m: m["utc_ns"]),
        "marks_lost": lost,
        "command": command,
        "command_exit_code": command_exit_code,
        "command_ns": command_ns,
        "environment": environment,
        "written_ns": written_ns,
        "verdict": verdict_of(
            facts=facts,
            interval_ns=interval_ns,
            hosts_requested=len(requested),
            hosts_in_run=hosts_in_run,
            outside_marks_lost=outside_marks_lost,
            end_known=end_known,
            hosts_partial=hosts_partial,
            missing_ranks=missing_ranks,
            clock_bound_ns=clock_bound_ns,
            warnings=warnings,
            launch_side_cpu_ns=launch_side_cpu_ns,
        ),
        "verdict_remarks": remarks_of(facts, warnings),
    }
    return cast(RunDocument, {k: v for k, v in known.items() if v is not ABSENT})


def checked(document: object) -> RunDocument:
    """Return ``document`` when it is a run document. ValueError names the key that is unusable."""
    RUN.check(document)
    run = cast(RunDocument, document)
    if run.get("format", FORMAT) > FORMAT:
        raise ValueError(f"format {run['format']}, this program reads {FORMAT}")
    if len(set(run["hosts"])) < len(run["hosts"]):
        raise ValueError("a host comes twice in field 'hosts'")
    for host in run["hosts"]:
        if host not in run["facts"]:
            raise ValueError(f"no facts of host {host!r}")
        if run["start_ns"] + run["facts"][host]["last_tick"] * run["interval_ns"] > INT64_MAX:
            raise ValueError(f"the last tick of host {host!r} is after the year 2262")
    return run
