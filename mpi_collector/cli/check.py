"""``check``: can these hosts be recorded? All of them at once, as a table."""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mpi_collector.benchmark.exit_codes import HOST_FAILED, OK
from mpi_collector.cli.hosts import check_host_options, named_hosts
from mpi_collector.cli.options import add_host_options, add_ssh_options
from mpi_collector.cli.parser import make_parser
from mpi_collector.cli.result import explain_errors, standard_output
from mpi_collector.cli.terminal import Terminal
from mpi_collector.node.options import SamplingOptions
from mpi_collector.terminal_text import LINE_CHARACTERS, safe_text

_CLOCK_OFF_NS = 1_000_000_000  #: a greater offset of the wall clock is a remark
#: half of what is free becomes the spool; with less than this the recording stays in plain memory
_ROOM_BYTES = 16 << 20
_COLUMNS = ("host", "state", "python", "clock", "round trip", "free spool", "remarks")
_EPILOG = """\
examples:
  mpi_collector check --hosts node[01-16]
  mpi_collector check --hostfile hosts --spool-dir /dev/shm
"""


@dataclass(frozen=True)
class CheckedHost:
    """What was found out about a host. ``answer``: its agent's, None when it did not answer."""

    key: str
    error: str | None
    answer: dict[str, Any] | None

    @property
    def fit(self) -> bool:
        """True when the host answered and has room for a spool."""
        if self.error is not None or self.answer is None:
            return False
        return (self.answer["free_bytes"] or 0) >= _ROOM_BYTES

    def cells(self) -> list[str]:
        """Return the cells of its row of the table."""
        state = "ok" if self.fit else "FAILED"
        if self.answer is None:
            return [self.key, state, "", "", "", "", self.error or ""]
        free_bytes = self.answer["free_bytes"]
        return [
            self.key,
            state,
            self.answer["python"],
            f"{self.answer['wall_offset_ns'] / 1e6:+.1f} ms",
            f"{self.answer['rtt_ns'] / 1e6:.2f} ms",
            "?" if free_bytes is None else f"{free_bytes / 1e6:.0f} MB",
            "; ".join(self._remarks(self.answer)),
        ]

    def _remarks(self, answer: dict[str, Any]) -> list[str]:
        remarks = [self.error] if self.error else list(answer["hazards"])
        if abs(answer["wall_offset_ns"]) > _CLOCK_OFF_NS:
            remarks.append("the wall clock is off (recordings do not depend on it)")
        if answer["free_bytes"] is not None and not self.fit:
            remarks.append("too little room for a recording that survives a crash")
        return remarks


@explain_errors
def main(words: Sequence[str]) -> int:
    """Check all hosts; HOST_FAILED when one cannot be recorded."""
    args = _parse(words)
    from mpi_collector.transport.hosts import from_scheduler, mark_local, parse_hosts
    from mpi_collector.transport.ssh import HostQueries

    hosts = named_hosts(args)
    if not hosts:
        allocation = from_scheduler()
        hosts = allocation[0] if allocation else parse_hosts(["localhost"])
    queries = HostQueries(
        SamplingOptions(spool_dir=args.spool_dir),
        f"check-{secrets.token_hex(4)}",
        mark_local(hosts),
        args.ssh_username,
        args.ssh_fanout,
        args.ssh_timeout,
        Terminal().progress,
    )
    answers = queries.check()
    checked = [CheckedHost(h.key, h.error, answers.get(h.key)) for h in queries.hosts]
    print_table(checked)
    return OK if all(host.fit for host in checked) else HOST_FAILED


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = make_parser("check", __doc__, _EPILOG)
    add_host_options(parser)
    parser.add_argument(
        "--spool-dir",
        default=SamplingOptions.spool_dir,
        metavar="DIR",
        help="where the recording would be spooled (%(default)s)",
    )
    add_ssh_options(parser)
    args = parser.parse_args(words)
    check_host_options(parser, args)
    return args


def print_table(hosts: Sequence[CheckedHost]) -> None:
    """Print a row for each host, and how many of them are fit."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in _COLUMNS:
        table.add_column(title, overflow="fold")
    for host in hosts:
        table.add_row(*(Text(safe_text(c, keep=LINE_CHARACTERS)) for c in host.cells()))
    fit = sum(host.fit for host in hosts)
    with standard_output() as out:
        console = Console(file=out)
        console.print(table)
        console.print(f"{fit} of {len(hosts)} hosts can be recorded")
