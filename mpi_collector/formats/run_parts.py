"""The run document of a part of a recording, and of a recording of which parts are missing.

Above a number of hosts a recording is in several files. The array ``shards`` of
``*_timeseries.npz`` has the file of each host, relative to it: ``*_timeseries/part-0000.npz``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from mpi_collector.formats.run_document import RunDocument
from mpi_collector.formats.verdict import remarks_of, verdict_of

SHARDS = "shards"
_FILE = re.compile(r"[^/\0.][^/\0]*/part-[0-9]{4,6}\.npz")
_T = TypeVar("_T")


def part_file(series: str, number: int) -> str:
    """Return the file of a part. ``series``: name of the recording without ``.npz``."""
    return f"{series}/part-{number:04}.npz"


def checked_files(pairs: Iterable[tuple[str, str]], run: RunDocument) -> dict[str, str]:
    """Return {host: file} of the array ``shards``. ValueError when it is not that of ``run``."""
    files: dict[str, str] = {}
    for host, file in pairs:
        if not _FILE.fullmatch(file):
            raise ValueError(f"{file[:80]!a} where DIRECTORY/part-NNNN.npz is due")
        if host in files:
            raise ValueError(f"host {host!r} comes twice")
        files[host] = file
    if files.keys() != set(run["hosts"]):
        odd = sorted(files.keys() ^ set(run["hosts"]))[0]
        raise ValueError(f"host {odd!r} is in only one of 'run' and 'shards'")
    return files


def part_of(run: RunDocument, hosts: list[str], name: str) -> RunDocument:
    """Return the document of the part ``name`` that holds ``hosts``: one that stands by itself.

    It keeps the marks of the whole run, since those of one host are phases of all.
    """
    facts = {host: run["facts"][host] for host in hosts}
    partial = _of(hosts, run["hosts_partial"])
    warnings = _of(hosts, run.get("warnings", {}))
    bounds = _of(hosts, run.get("clock_bound_ns", {}))
    said = (
        f"{name} of {run.get('stem') or run.get('run')}: {len(hosts)} of {len(run['hosts'])} hosts"
    )
    return {
        **run,
        "hosts": hosts,
        "hosts_requested": hosts,
        "hosts_partial": partial,
        "missing_ranks": [],
        "warnings": warnings,
        "clock_bound_ns": bounds,
        "facts": facts,
        "marks_lost": sum(f.get("marks_lost", 0) for f in facts.values()),
        "verdict": verdict_of(
            facts=facts,
            interval_ns=run["interval_ns"],
            hosts_requested=len(hosts),
            hosts_partial=partial,
            missing_ranks=(),
            clock_bound_ns=bounds,
            warnings=warnings,
        ),
        "verdict_remarks": [said, *remarks_of(facts, warnings)],
    }


def without(run: RunDocument, missing: Mapping[str, str]) -> RunDocument:
    """Return the document without the hosts in ``missing``: {host: why}."""
    facts = {host: f for host, f in run["facts"].items() if host not in missing}
    partial = {**run["hosts_partial"], **missing}
    warnings = run.get("warnings", {})
    of_hosts = sum(f.get("marks_lost", 0) for f in run["facts"].values())
    return {
        **run,
        "hosts": [host for host in run["hosts"] if host not in missing],
        "hosts_partial": partial,
        "facts": facts,
        "verdict": verdict_of(
            facts=facts,
            interval_ns=run["interval_ns"],
            hosts_requested=len(run["hosts_requested"]),
            hosts_in_run=run["verdict"]["hosts_requested"],
            outside_marks_lost=max(run.get("marks_lost", 0) - of_hosts, 0),
            hosts_partial=partial,
            missing_ranks=run.get("missing_ranks", ()),
            clock_bound_ns=run.get("clock_bound_ns", {}),
            warnings=warnings,
        ),
        "verdict_remarks": remarks_of(facts, warnings),
    }


def _of(hosts: list[str], values: Mapping[str, _T]) -> dict[str, _T]:
    return {host: values[host] for host in hosts if host in values}
