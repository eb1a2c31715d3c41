"""``snapshot``: what this host is and how it stands, for people or as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from mpi_collector.benchmark.console import print_message
from mpi_collector.cli.parser import QuietParser
from mpi_collector.node.host.snapshot import take
from mpi_collector.terminal_text import safe_text

_EPILOG = """\
examples:
  mpi_collector snapshot                                  # this host in a screen
  mpi_collector snapshot --json --directory /mnt/data     # all of it, with the mount of a directory
"""


def main(words: Sequence[str]) -> int:
    """0; what could not be read is named at the end."""
    parser = QuietParser(prog="mpi_collector snapshot", description=__doc__, epilog=_EPILOG, allow_abbrev=False,
                         formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--json", action="store_true", help="everything, as JSON on stdout")
    parser.add_argument(
        "--directory",
        action="append",
        default=[],
        metavar="DIR",
        help="tell of its file system, too",
    )
    args = parser.parse_args(words)
    found = take(args.directory or ["."], full=args.json)
    if args.json:
        json.dump(found, sys.stdout, indent=1)
        print()
        return 0
    for name, text in lines(found):
        print(f"{name:12} {text}")
    for path, why in found["errors"].items():
        print_message(f"{path}: {why}")
    return 0


def lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    """(what, in a line) of a snapshot; what is not known is left out."""
    cpu, system = found["cpu"] or {}, found["os_release"] or {}
    out = [
        ("host", f"{found['hostname']}, {_known(found['chassis'] or {}, 'vendor', 'product')}"),
        ("system", f"{system.get('PRETTY_NAME', system.get('NAME', 'unknown'))}, {found['version'].partition(' (')[0]}"),
        ("CPU", f"{cpu.get('num_sockets')} sockets, {cpu.get('num_cores')} cores, {cpu.get('num_logical_cores')} threads, "
                f"{cpu.get('model')}, governor {cpu.get('governor') or 'not known'}"),
        ("memory", f"{found['meminfo'].get('MemTotal', 0) / 2**20:.1f} GiB in {len(found['numa'] or [])} NUMA nodes"),
    ]  # fmt: skip
    for d in found["drives"] or []:
        size = f"{d['size_bytes'] / 1e9:.0f} GB" if d["size_bytes"] else "no medium"
        out.append(
            (
                "drive",
                f"{d['name']}: {size}, {d['bus']}, {d['model'] or 'no model'}, scheduler {d['scheduler']}",
            )
        )
    for n in found["nics"] or []:
        if n["physical"]:
            speed = f"{n['speed_mbps'] / 1000:g} Gb/s" if n["speed_mbps"] else "speed not known"
            out.append(
                (
                    "interface",
                    f"{n['name']}: {n['kind']}, {speed}, {n['state']}, MTU {n['mtu_bytes']}",
                )
            )
    for p in found["infiniband"] or []:
        out.append(
            ("port", f"{p['device']}/{p['port']}: {p['link_layer']}, {p['rate']}, {p['state']}")
        )
    for d in found["directories"] or []:
        room = (
            f"{d['free_bytes'] / 1e9:.1f} of {d['size_bytes'] / 1e9:.1f} GB free"
            if d["size_bytes"]
            else d["error"]
        )
        out.append(("directory", f"{d['path']}: {d['fs_type']} on {d['mount_point']}, {room}"))
    limit = (found["cgroup_limits"] or {}).get("memory_max_bytes")
    if limit is not None:
        out.append(("limit", f"memory of the cgroup: {limit / 2**30:.1f} GiB"))
    return [(name, safe_text(text, replacement="?")) for name, text in out]


def _known(values: dict[str, Any], *names: str) -> str:
    return " ".join(str(values[n]) for n in names if values.get(n)) or "chassis not known"
