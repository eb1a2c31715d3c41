"""``sources``: every source and column, whether it is here, and what it costs here."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

from mpi_collector.benchmark.console import print_message
from mpi_collector.cli.parser import QuietParser
from mpi_collector.node.read.probe import Probe
from mpi_collector.node.row.decode import RowDecoder, make_layout
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
_APART_S = 0.05  #: so that caches are not at their warmest


def main(words: Sequence[str]) -> int:
    """0; 2 for a source that there is not."""
    parser = QuietParser(prog="mpi_collector sources", description=__doc__, epilog=_EPILOG, allow_abbrev=False,
                         formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("names", nargs="*", metavar="NAME", help="sources or groups; none: all")
    parser.add_argument("--json", action="store_true", help="as JSON on stdout")
    args = parser.parse_args(words)
    try:
        chosen = select(",".join(args.names)) if args.names else [s() for s in ALL]
    except ValueError as e:
        print_message(str(e))
        return 2
    found = [about(source) for source in chosen]
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    _print(found, bool(args.names))
    return 0


def about(source: Source) -> dict[str, Any]:
    """What is to say of a source: declared, and found and measured on this host."""
    name = source.name
    out: dict[str, Any] = {
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
    probe = Probe([source])
    try:
        if name in probe.absent:
            status = STATUS_NAMES[probe.absent[name]]
            fields = [_field(f) for f in source.fields]
            return {
                **out,
                "status": status,
                "reason": probe.reasons[name],
                "cost_us": None,
                "columns": [],
                "fields": fields,
            }
        columns = [
            {**_field(f), "name": ".".join(part for part in (name, device, f.name) if part)}
            for table in probe.layout.tables if table.source == name
            for device in table.devices if device is not None
            for f in table.fields
        ]  # fmt: skip
        fields = [_field(f) for f in source.fields]
        return {
            **out,
            "status": "ok",
            "cost_us": cost_us(probe),
            "columns": columns,
            "fields": fields,
        }
    finally:
        probe.close()


def _field(f: Any) -> dict[str, str]:
    return {"name": f.name, "unit": f.unit, "kind": f.kind, "doc": f.doc}


def cost_us(probe: Probe) -> float:
    """Median CPU of reading and decoding it, microseconds of this process."""
    (kernel_file,) = probe.files
    view = memoryview(bytearray(kernel_file.capacity))
    layout = make_layout(probe.sources, [kernel_file.first()])
    decoder = RowDecoder(probe.sources, layout, lambda event: None)
    costs = []
    for _ in range(_READS):
        time.sleep(_APART_S)
        begin = time.process_time_ns()
        n = kernel_file.read_into(view, 0)
        if n >= 0:
            decoder.decode([bytes(view[:n])], 0)
        costs.append(time.process_time_ns() - begin)
    return sorted(costs)[_READS // 2] / 1000


def _print(found: list[dict[str, Any]], columns: bool) -> None:
    for s in found:
        here = f"{s['cost_us']:6.0f} us" if s["cost_us"] is not None else f"{s['status']:>9}"
        group = (
            "basic" if "basic" in s["groups"] else "default" if "default" in s["groups"] else "all"
        )
        every = f", every {s['every']}th tick" if s["every"] > 1 else ""
        budget = f", time budget {s['budget_us'] / 1000:g} ms a tick" if s["budget_us"] else ""
        print(f"{s['name']:11} {group:8} {here} {len(s['columns']):5} columns  {s['doc']}{every}")
        if columns:
            for line in s["options"].splitlines():
                print(f"            {line}")
            since = f", since Linux {s['since']}" if s["since"] else ""
            if s.get("reason"):
                print(f"            {s['status']}: {s['reason']}")
            print(
                f"            {s['file']}{since}{', needs privilege' if s['privileged'] else ''}{budget}"
            )
            for c in s["columns"] or s["fields"]:
                print(f"    {c['name']:44} {c['unit']:12} {c['kind']:8} {c['doc']}")
