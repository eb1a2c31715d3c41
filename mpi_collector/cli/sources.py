"""``sources``: every source and column, whether it is here, and what it costs here."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from typing import TypedDict

from mpi_collector.benchmark.exit_codes import OK
from mpi_collector.cli.parser import make_parser
from mpi_collector.cli.result import Mistake, explain_errors, standard_output
from mpi_collector.node.read.probe import Probe
from mpi_collector.node.row.decode import RowDecoder, make_layout
from mpi_collector.node.row.layout import Field
from mpi_collector.node.sources import ALL, GROUPS, select
from mpi_collector.node.sources.base import Source
from mpi_collector.node.status import STATUS_NAMES

_EPILOG = """\
examples:
  mpi_collector sources                  # all of them in a line each, with their cost on this host
  mpi_collector sources nfs pressure     # these, with every column
  mpi_collector sources --json           # for scripts
  mpi_collector sources processes:tree:dlio_benchmark    # what a source with an option sees now

options, here and in --sources:
"""
_EPILOG += "".join(
    f"  {line.strip()}\n" for s in ALL if s.option_doc for line in s.option_doc.splitlines()
)
_READS = 20
_APART_S = 0.05  #: between two reads, so that caches are not at their warmest
_INDENT = " " * 12


class FieldReport(TypedDict):
    """A field or a column as --json tells it."""

    name: str
    unit: str
    kind: str
    doc: str


class SourceReport(TypedDict, total=False):
    """A source as --json tells it. ``reason`` is there when the source is not."""

    name: str
    doc: str
    file: str
    since: str
    groups: list[str]
    privileged: bool
    every: int
    budget_us: float
    options: str
    status: str
    reason: str
    cost_us: float | None
    columns: list[FieldReport]
    fields: list[FieldReport]


@explain_errors
def main(words: Sequence[str]) -> int:
    """Print what there is; MISTAKE for a name that no source has."""
    parser = make_parser("sources", __doc__, _EPILOG)
    parser.add_argument("names", nargs="*", metavar="NAME", help="sources or groups; none: all")
    parser.add_argument("--json", action="store_true", help="as JSON on stdout")
    args = parser.parse_args(words)
    try:
        chosen = select(",".join(args.names)) if args.names else [s() for s in ALL]
    except ValueError as e:
        raise Mistake(str(e)) from e
    found = [about(source) for source in chosen]
    with standard_output() as out:
        if args.json:
            print(json.dumps(found, indent=1), file=out)
        for report in () if args.json else found:
            for line in _lines(report, with_columns=bool(args.names)):
                print(line, file=out)
    return OK


def about(source: Source) -> SourceReport:
    """Return what a source declares, and what was found and measured on this host."""
    name = source.name
    report: SourceReport = {
        "name": name,
        "doc": source.doc,
        "file": source.location(),
        "since": source.since,
        "groups": [g for g, names in GROUPS.items() if name in names],
        "privileged": source.privileged,
        "every": source.every,
        "budget_us": source.budget_us,
        "options": source.option_doc,
    }
    fields = [_field(f) for f in source.fields]
    probe = Probe([source])
    try:
        if name in probe.absent:
            return {
                **report,
                "status": STATUS_NAMES[probe.absent[name]],
                "reason": probe.reasons[name],
                "cost_us": None,
                "columns": [],
                "fields": fields,
            }
        return {
            **report,
            "status": "ok",
            "cost_us": cost_us(probe),
            "columns": _columns(name, probe),
            "fields": fields,
        }
    finally:
        probe.close()


def _field(f: Field) -> FieldReport:
    return {"name": f.name, "unit": f.unit, "kind": f.kind, "doc": f.doc}


def _columns(source: str, probe: Probe) -> list[FieldReport]:
    """Return the columns that a source has on this host now."""
    found: list[FieldReport] = []
    for table in probe.layout.tables:
        if table.source != source:
            continue
        for device in table.devices:
            if device is None:  # a spare slot
                continue
            for f in table.fields:
                name = ".".join(part for part in (source, device, f.name) if part)
                found.append({**_field(f), "name": name})
    return found


def cost_us(probe: Probe) -> float:
    """Return the median CPU time of reading and decoding the source of ``probe``, in us."""
    (kernel_file,) = probe.files
    view = memoryview(bytearray(kernel_file.capacity))
    layout = make_layout(probe.sources, [kernel_file.first()])
    decoder = RowDecoder(probe.sources, layout, lambda event: None)
    costs_ns = []
    for _ in range(_READS):
        time.sleep(_APART_S)
        begin_ns = time.process_time_ns()
        n = kernel_file.read_into(view, 0)
        if n >= 0:
            decoder.decode([bytes(view[:n])], 0)
        costs_ns.append(time.process_time_ns() - begin_ns)
    return sorted(costs_ns)[_READS // 2] / 1000


def _lines(s: SourceReport, with_columns: bool) -> Iterable[str]:
    """Return a line about a source, and with its columns more of them."""
    here = f"{s['cost_us']:6.0f} us" if s["cost_us"] is not None else f"{s['status']:>9}"
    group = next((g for g in ("basic", "default") if g in s["groups"]), "all")
    every = f", every {s['every']} ticks" if s["every"] > 1 else ""
    yield f"{s['name']:11} {group:8} {here} {len(s['columns']):5} columns  {s['doc']}{every}"
    if not with_columns:
        return
    for line in s["options"].splitlines():
        yield f"{_INDENT}{line}"
    if s.get("reason"):
        yield f"{_INDENT}{s['status']}: {s['reason']}"
    since = f", since Linux {s['since']}" if s["since"] else ""
    privilege = ", needs privilege" if s["privileged"] else ""
    budget = f", time budget {s['budget_us'] / 1000:g} ms a tick" if s["budget_us"] else ""
    yield f"{_INDENT}{s['file']}{since}{privilege}{budget}"
    for c in s["columns"] or s["fields"]:
        yield f"    {c['name']:44} {c['unit']:12} {c['kind']:8} {c['doc']}"
