"""``check``: can these hosts be recorded? All of them at once, as a table."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mpi_collector.benchmark.console import print_message
from mpi_collector.cli.parser import QuietParser
from mpi_collector.cli.sampling import seconds, sessions
from mpi_collector.cli.terminal import Terminal
from mpi_collector.node.options import SamplingOptions
from mpi_collector.terminal_text import LINE_CHARACTERS, safe_text

_OFFSET_NS = 1_000_000_000
_ROOM_BYTES = (
    16 << 20
)  #: half of what is free becomes the spool; less than this is not worth a file
_EPILOG = """\
examples:
  mpi_collector check --hosts node[01-16]
  mpi_collector check --hostfile hosts --spool-dir /dev/shm
"""


def main(words: Sequence[str]) -> int:
    """0 only when every host is fit; 1 when one is not; 2 for a mistake."""
    from mpi_collector.errors import HostsError
    from mpi_collector.transport.hosts import (
        from_scheduler,
        mark_local,
        parse_hostfile,
        parse_hosts,
    )
    from mpi_collector.transport.ssh import HostQueries

    args = _parse(words)
    try:
        if args.hosts or args.hostfile:
            hosts = parse_hosts(args.hosts) if args.hosts else parse_hostfile(args.hostfile)
        else:
            hosts = (from_scheduler() or (parse_hosts(["localhost"]), ""))[0]
    except HostsError as e:
        print_message(str(e))
        return 2
    options, run = SamplingOptions(spool_dir=args.spool_dir), f"check-{secrets.token_hex(4)}"
    root = HostQueries(
        options,
        run,
        mark_local(hosts),
        args.ssh_username,
        args.ssh_fanout,
        args.ssh_timeout,
        Terminal().progress,
    )
    found = root.check()
    rows = [(h.key, h.error, found.get(h.key)) for h in root.hosts]
    return _table(rows)


def _parse(words: Sequence[str]) -> argparse.Namespace:
    from mpi_collector.transport.hosts import valid_user

    parser = QuietParser(prog="mpi_collector check", description=__doc__, epilog=_EPILOG, allow_abbrev=False,
                         formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    add = parser.add_argument
    add(
        "--hosts", "-s", nargs="+", default=None, metavar="HOST", help="names, node sets, addresses"
    )
    add("--hostfile", type=Path, default=None, metavar="FILE", help="hosts from a file")
    add(
        "--spool-dir",
        default=SamplingOptions.spool_dir,
        metavar="DIR",
        help=f"where the recording would be spooled ({SamplingOptions.spool_dir})",
    )
    add("--ssh-username", default=None, metavar="USER", help="user on the hosts")
    add(
        "--ssh-fanout", type=sessions, default=8, metavar="N", help="sessions started at a time (8)"
    )
    add(
        "--ssh-timeout",
        type=seconds(0.1),
        default=30.0,
        metavar="S",
        help="wait for a host's answer (30)",
    )
    args = parser.parse_args(words)
    if args.hosts and args.hostfile:
        parser.error("--hosts and --hostfile: give one of them")
    if args.ssh_username is not None and not valid_user(args.ssh_username):
        parser.error(f"--ssh-username: {args.ssh_username[:40]!r} is no user name")
    return args


def _table(rows: list[tuple[str, str | None, dict[str, Any] | None]]) -> int:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout)
    table = Table(box=None, pad_edge=False)
    for title in ("host", "state", "python", "clock", "round trip", "free spool", "remarks"):
        table.add_column(title, overflow="fold")
    bad = 0
    for key, error, doc in rows:
        remarks = [error] if error else list(doc["hazards"]) if doc else []
        cells = ["", "", "", ""]
        fit = error is None and doc is not None and (doc["free_bytes"] or 0) >= _ROOM_BYTES
        if doc:
            off = doc["wall_offset_ns"]
            if abs(off) > _OFFSET_NS:
                remarks.append("the wall clock is off (recordings do not mind)")
            if doc["free_bytes"] is not None and not fit:
                remarks.append("too little room for a recording that survives a crash")
            free = "?" if doc["free_bytes"] is None else f"{doc['free_bytes'] / 1e6:.0f} MB"
            cells = [doc["python"], f"{off / 1e6:+.1f} ms", f"{doc['rtt_ns'] / 1e6:.2f} ms", free]
        bad += not fit
        table.add_row(
            *(
                Text(safe_text(c, keep=LINE_CHARACTERS))
                for c in (key, "ok" if fit else "FAILED", *cells, "; ".join(remarks))
            )
        )
    console.print(table)
    console.print(f"{len(rows) - bad} of {len(rows)} hosts are fit")
    return 1 if bad else 0
