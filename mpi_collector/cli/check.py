"""``check``: can these hosts be recorded? All of them at once, as a table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from mpi_collector.benchmark.exit_codes import HOST_FAILED, OK
from mpi_collector.benchmark.host_check import CheckedHost, HostsCheck, check_hosts
from mpi_collector.benchmark.plan import LifecyclePlan
from mpi_collector.cli.hosts import check_host_options, named_hosts
from mpi_collector.cli.options import add_host_options, add_ssh_options
from mpi_collector.cli.parser import make_parser
from mpi_collector.cli.result import explain_errors, standard_output
from mpi_collector.cli.terminal import Terminal
from mpi_collector.node.options import SamplingOptions
from mpi_collector.terminal_text import LINE_CHARACTERS, safe_text

_COLUMNS = ("host", "state", "python", "MPI", "clock", "round trip", "free spool", "remarks")
_EPILOG = """\
examples:
  mpi_collector check --hosts node[01-16]
  mpi_collector check --hostfile hosts --spool-dir /dev/shm
  mpi_collector check --hosts node[01-16] --transport mpi --json
"""


@explain_errors
def main(words: Sequence[str]) -> int:
    """Check all hosts; HOST_FAILED when one cannot be recorded."""
    args = _parse(words)
    from mpi_collector.transport.hosts import from_scheduler, parse_hosts

    hosts = named_hosts(args)
    if not hosts:
        allocation = from_scheduler()
        hosts = allocation[0] if allocation else parse_hosts(["localhost"])
    plan = LifecyclePlan(
        SamplingOptions(spool_dir=args.spool_dir),
        hosts=hosts,
        transport=args.transport,
        mpi_bin=args.mpi_bin,
        ssh_username=args.ssh_username,
        ssh_fanout=args.ssh_fanout,
        ssh_timeout_s=args.ssh_timeout,
    )
    found = check_hosts(plan, Terminal().progress)
    if args.json:
        with standard_output() as out:
            json.dump(found.document(), out, indent=1, allow_nan=False)
            print(file=out)
    else:
        print_check(found)
    return OK if all(host.fit for host in found.hosts) else HOST_FAILED


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = make_parser("check", __doc__, _EPILOG)
    add = parser.add_argument
    add_host_options(parser)
    add(
        "--spool-dir",
        default=SamplingOptions.spool_dir,
        metavar="DIR",
        help="where the recording would be spooled (%(default)s)",
    )
    add(
        "--transport",
        choices=("auto", "mpi", "ssh"),
        default=LifecyclePlan.transport,
        help="auto: also what ranks would find there, as a remark; mpi: without that a host fails; "
        "ssh: agents only (%(default)s)",
    )
    add("--mpi-bin", default=None, metavar="PATH", help="launcher, or the directory that holds it")
    add_ssh_options(parser)
    add("--json", action="store_true", help="for scripts, on stdout")
    args = parser.parse_args(words)
    check_host_options(parser, args)
    return args


def cells(host: CheckedHost) -> list[str]:
    """Return the cells of a host's row of the table."""
    state = "ok" if host.fit else "FAILED"
    said = "; ".join([*host.failures, *host.remarks])
    answer = host.answer
    if answer is None:
        return [host.key, state, "", "", "", "", "", said]
    free_bytes = answer["free_bytes"]
    return [
        host.key,
        state,
        answer["python"],
        host.versions.get("MPI", ""),
        f"{answer['wall_offset_ns'] / 1e6:+.1f} ms",
        f"{answer['rtt_ns'] / 1e6:.2f} ms",
        "?" if free_bytes is None else f"{free_bytes / 1e6:.0f} MB",
        said,
    ]


def print_check(found: HostsCheck) -> None:
    """Print a row for each host, what differs between them, and how many of them are fit."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in _COLUMNS:
        table.add_column(title, overflow="fold")
    for host in found.hosts:
        table.add_row(*(Text(safe_text(c, keep=LINE_CHARACTERS)) for c in cells(host)))
    fit = sum(host.fit for host in found.hosts)
    lines = [*found.differences, *([f"MPI: {found.ranks}"] if found.ranks else [])]
    lines += [found.doorbells] if found.doorbells else []
    with standard_output() as out:
        console = Console(file=out)
        console.print(table)
        for line in lines:
            console.print(Text(safe_text(line, keep=LINE_CHARACTERS)))
        console.print(f"{fit} of {len(found.hosts)} hosts can be recorded")
