"""``snapshot``: what this host is and its state, for people or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mpi_collector.benchmark.console import print_message
from mpi_collector.benchmark.exit_codes import OK
from mpi_collector.cli.parser import make_parser
from mpi_collector.cli.result import explain_errors, standard_output
from mpi_collector.node.host.snapshot import take
from mpi_collector.node.knobs import file_system_root
from mpi_collector.terminal_text import safe_text

_EPILOG = """\
examples:
  mpi_collector snapshot                                  # this host on one screen
  mpi_collector snapshot --json --directory /mnt/data     # all of it, with the mount of a directory
"""
_UNKNOWN_CHASSIS = "chassis not known"


@explain_errors
def main(words: Sequence[str]) -> int:
    """Print the snapshot; what could not be read is named at the end."""
    parser = make_parser("snapshot", __doc__, _EPILOG)
    parser.add_argument("--json", action="store_true", help="everything, as JSON on stdout")
    parser.add_argument(
        "--directory",
        action="append",
        default=[],
        metavar="DIR",
        help="describe its file system, too",
    )
    args = parser.parse_args(words)
    found = take(args.directory or ["."], file_system_root(), full=args.json)
    with standard_output() as out:
        if args.json:
            json.dump(found, out, indent=1)
            print(file=out)
            return OK
        for name, text in lines(found):
            print(f"{name:12} {safe_text(text, replacement='?')}", file=out)
    for path, error in found["errors"].items():
        print_message(f"{path}: {error}")
    return OK


def lines(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return (what, its description in a line) of a snapshot; what is not known is left out."""
    yield from _machine(found)
    yield from _drives(found)
    yield from _network(found)
    for d in found["directories"] or []:
        room = d["error"]
        if d["size_bytes"]:
            room = f"{d['free_bytes'] / 1e9:.1f} of {d['size_bytes'] / 1e9:.1f} GB free"
        yield "directory", f"{d['path']}: {d['fs_type']} on {d['mount_point']}, {room}"
    limit_bytes = (found["cgroup_limits"] or {}).get("memory_max_bytes")
    if limit_bytes is not None:
        yield "limit", f"memory of the cgroup: {limit_bytes / 2**30:.1f} GiB"


def _machine(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    chassis = found["chassis"] or {}
    product = " ".join(str(chassis[n]) for n in ("vendor", "product") if chassis.get(n))
    yield "host", f"{found['hostname']}, {product or _UNKNOWN_CHASSIS}"
    system = found["os_release"] or {}
    name = system.get("PRETTY_NAME", system.get("NAME", "unknown"))
    yield "system", f"{name}, {found['version'].partition(' (')[0]}"
    cpu = found["cpu"] or {}
    yield (
        "CPU",
        f"{cpu.get('num_sockets')} sockets, {cpu.get('num_cores')} cores, "
        f"{cpu.get('num_logical_cores')} threads, {cpu.get('model')}, "
        f"governor {cpu.get('governor') or 'not known'}",
    )
    memory_gib = found["meminfo"].get("MemTotal", 0) / 2**20
    yield "memory", f"{memory_gib:.1f} GiB in {len(found['numa'] or [])} NUMA nodes"


def _drives(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for d in found["drives"] or []:
        size = f"{d['size_bytes'] / 1e9:.0f} GB" if d["size_bytes"] else "no medium"
        model = d["model"] or "no model"
        yield "drive", f"{d['name']}: {size}, {d['bus']}, {model}, scheduler {d['scheduler']}"


def _network(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for n in found["nics"] or []:
        if n["physical"]:
            speed = f"{n['speed_mbps'] / 1000:g} Gb/s" if n["speed_mbps"] else "speed not known"
            text = f"{n['name']}: {n['kind']}, {speed}, {n['state']}, MTU {n['mtu_bytes']}"
            yield "interface", text
    for p in found["infiniband"] or []:
        text = f"{p['device']}/{p['port']}: {p['link_layer']}, {p['rate']}, {p['state']}"
        yield "port", text
