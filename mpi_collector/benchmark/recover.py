"""A run's files from the spools that its dead processes left on this host."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mpi_collector import __version__
from mpi_collector.benchmark.recorder import packed
from mpi_collector.mlpstorage.samples import utc_text
from mpi_collector.node.clock import Timeline
from mpi_collector.node.layout import STOP_TICK
from mpi_collector.node.pack import Table, facts_of
from mpi_collector.node.spool import SpoolError, open_reader, remove_spool
from mpi_collector.output.files import ResultsError, release, reserve
from mpi_collector.output.sink import FileSink
from mpi_collector.report.verdict import line, verdict


def recover_run(run: str, spools: Sequence[Path], results_dir: Path, keep: bool) -> int:
    """Write the files of ``run`` and remove its spools. 0, or 2 when nothing could be recovered."""
    tables: dict[str, Table] = {}
    errors: dict[str, str] = {}
    for path in spools:
        try:
            tables[path.name] = Table(open_reader(str(path)))
        except (SpoolError, ValueError) as e:
            errors[path.name] = str(e)
            _say(str(e))
    usable = {k: t for k, t in tables.items() if t.grid}
    for key in tables.keys() - usable.keys():
        errors[key] = "sampling never started"
    if not usable:
        _say(f"nothing of {run} can be recovered")
        return 2
    try:
        result = _write(run, usable, errors, results_dir)
    except (ResultsError, OSError) as e:
        _say(f"{e}; the spools are kept")
        return 2
    if not keep:
        for key in usable:
            remove_spool(next(str(p) for p in spools if p.name == key))
    _say(line(result))
    return 0


def _say(text: str) -> None:
    print(f"mpi_collector: {text}", file=sys.stderr)


def _write(run: str, tables: dict[str, Table], errors: dict[str, str], results_dir: Path) -> dict[str, Any]:
    first = next(iter(tables.values()))
    meta = first.reader.meta
    files = reserve(results_dir, meta["benchmark"], {"run": run})
    sink = FileSink(files, json=True)
    try:
        for key, table in tables.items():
            sink.begin_host(key)
            for member in packed(table, key, json=True):
                sink.begin(member.head())
                for chunk in member.chunks:
                    sink.write(chunk)
            sink.end_host()
        document = run_document(run, tables, errors)
        sink.finish(document, _suite_facts(document))
    except BaseException:
        sink.abandon()
        raise
    finally:
        release(files)
    for path in sorted(files.directory.glob(f"{files.stem}_*")):
        _say(f"wrote {path}")
    return document


def run_document(run: str, tables: dict[str, Table], errors: dict[str, str]) -> dict[str, Any]:
    """What a finished run would have said of itself, as far as the spools know."""
    first = next(iter(tables.values()))
    meta, grid = first.reader.meta, first.grid or {}
    ends = [Timeline.from_events(t.events).utc_ns(t.head("begin_mono_ns")[-1]) for t in tables.values() if len(t)]
    doc: dict[str, Any] = {
        "format": 1, "program": f"mpi_collector {__version__}", "run": run, "stem": meta.get("stem"),
        "benchmark": meta["benchmark"], "collection_method": "recovered", "ended_by": "recover",
        "hosts": list(tables), "hosts_requested": [*tables, *errors], "hosts_partial": errors, "missing_ranks": [],
        "t0_ns": grid["t0_ns"], "start_ns": grid["epoch_ns"], "end_ns": max(ends, default=grid["epoch_ns"]),
        "interval_ns": grid["interval_ns"], "capacity": grid["capacity"], "options": meta["options"],
        "warnings": {}, "clock_bound_ns": {k: _bound(t) for k, t in tables.items()},
        "facts": {k: facts_of(t) for k, t in tables.items()}, "command": None, "command_exit_code": None,
    }  # fmt: skip
    doc["verdict"] = verdict(doc)
    return doc


def _bound(table: Table) -> int:
    timeline = Timeline.from_events(table.events)
    rows = [b for b, t in zip(table.head("begin_mono_ns"), table.ticks) if t != STOP_TICK]
    return max((timeline.bound_ns(b) for b in rows), default=0)


def _suite_facts(run: dict[str, Any]) -> dict[str, Any]:
    return {
        "collection_interval_seconds": run["interval_ns"] / 1e9,
        "start_time": utc_text(run["start_ns"]),
        "end_time": utc_text(run["end_ns"]),
        "num_samples": sum(f["samples"] for f in run["facts"].values()),
        "collection_method": "local",
        "hosts_requested": run["hosts_requested"],
        "hosts_collected": [k for k, f in run["facts"].items() if f["samples"]],
    }
