"""``recover``: the files of a run whose processes died, from the spools they left on this host or on many."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpi_collector.cli.main import QuietParser
from mpi_collector.node.salvage import find
from mpi_collector.transport.options import SamplingOptions

if TYPE_CHECKING:
    from mpi_collector.benchmark.recover import Reach

_EPILOG = """\
examples:
  mpi_collector recover                                            # list what there is on this host
  mpi_collector recover --hosts node[01-16]                        # and on these, over ssh
  mpi_collector recover --hosts node[01-16] host_20260105_120000   # build its files, then remove its spools

Run again it does no harm: what was recovered is gone from the hosts, and the files are never overwritten.
"""


def main(words: Sequence[str]) -> int:
    """0 when everything asked for was recovered (or listed), 2 when there is nothing or a run is still alive."""
    args = _parse(words)
    if not args.hosts and not args.hostfile:
        here = {"": [s for place in _options(args).places for s in find(place)]}
        return _act(args, here, {}, None)
    from mpi_collector.transport.hosts import HostsError, local_names, parse_hostfile, parse_hosts
    from mpi_collector.transport.ssh import SshRoot

    try:
        hosts = [h.name for h in (parse_hosts(args.hosts) if args.hosts else parse_hostfile(args.hostfile))]
    except (HostsError, OSError) as e:
        print(f"mpi_collector: {e}", file=sys.stderr)
        return 2
    own = local_names(hosts)
    pairs = [(h, h in own) for h in hosts]
    root = SshRoot(_options(args), f"recover-{secrets.token_hex(3)}", pairs, args.ssh_username, 8, args.ssh_timeout)
    try:
        found = root.spools()
        errors = {h.key: h.error or "no answer" for h in root.hosts if h.key not in found}
        for host, why in errors.items():
            print(f"mpi_collector: warning: {host}: {why}", file=sys.stderr)
        return _act(args, found, errors, root)
    finally:
        root.dismiss(False)


def _options(args: argparse.Namespace) -> SamplingOptions:
    rescue_dir = os.path.abspath(args.rescue_dir) if args.rescue_dir else None
    return SamplingOptions(spool_dir=str(args.spool_dir), rescue_dir=rescue_dir)


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = QuietParser(prog="mpi_collector recover", description=__doc__, epilog=_EPILOG, allow_abbrev=False,
                         formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    add = parser.add_argument
    add("run", nargs="?", default="", help="name of the run, or its beginning; none: list the runs")
    add("--hosts", "-s", action="extend", nargs="+", default=None, metavar="HOST", help="hosts to look on, over ssh")
    add("--hostfile", type=Path, default=None, metavar="FILE", help="the same from a file")
    add("--ssh-username", default=None, metavar="USER", help="user on the hosts")
    add("--ssh-timeout", type=float, default=30.0, metavar="S", help="wait for a host (30)")
    add("--results-dir", type=Path, default=Path("results"), metavar="DIR", help="where the files go")
    add("--spool-dir", type=Path, default=Path("/dev/shm"), metavar="DIR", help="where the spools are")
    add("--rescue-dir", default=os.environ.get("MPI_COLLECTOR_RESCUE_DIR") or None, metavar="DIR",
        help="and where the run set its recording down (its --rescue-dir; MPI_COLLECTOR_RESCUE_DIR)")  # fmt: skip
    add("--keep", action="store_true", help="do not remove the spools")
    args = parser.parse_args(words)
    if args.hosts and not args.run and _is_run(args.hosts[-1]):
        args.run = args.hosts.pop()  # "--hosts a b RUN": nargs took it
    return args


def _is_run(word: str) -> bool:
    """Like ``host_20260105_120000-3fa2c1``, or a part of that which no host is called by."""
    parts = word.split("_")
    return len(parts) >= 3 and parts[-2].isdigit() and len(parts[-2]) == 8


def _act(args: argparse.Namespace, found: dict[str, list[dict[str, Any]]], errors: dict[str, str], root: Reach | None) -> int:
    """List, or recover every run that begins with what was asked for. ``found``: by host, "" for this one."""
    runs: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    seen = set()
    for host, spools in found.items():
        for spool in spools:
            file = tuple(spool[name] for name in ("dir", "run", "key", "bytes", "mtime"))
            shared = spool["dir"] != str(args.spool_dir) and file in seen  # --rescue-dir on a file system of many hosts
            seen.add(file)
            if spool["run"].startswith(args.run) and not shared:
                runs.setdefault(spool["run"], []).append((host, spool))
    if not args.run:
        for run, places in sorted(runs.items()):
            print(_listed(run, places))
        return 0
    if not runs:
        where = "these hosts" if root is not None else "this host; --hosts looks on others"
        print(f"mpi_collector: no spool of {args.run} under {' or '.join(_options(args).places)} on {where}", file=sys.stderr)
        return 2
    from mpi_collector.benchmark.recover import Here, There, recover_run

    codes = []
    for run, places in sorted(runs.items()):
        sources = []
        for host, spool in places:
            make = partial(There, root, host, spool["dir"], run, spool["key"]) if root is not None else partial(
                Here, spool["dir"], run, spool["key"])  # fmt: skip
            sources.append((spool["key"], make))
        without = {h: "no spool of this run" for h in found if root is not None and h not in {host for host, _ in places}}
        codes.append(recover_run(run, sources, args.results_dir, args.keep, {**errors, **without}))
    return max(codes)


def _listed(run: str, places: list[tuple[str, dict[str, Any]]]) -> str:
    keys = ", ".join(dict.fromkeys(spool["key"] for _host, spool in places))
    size = sum(spool["bytes"] for _host, spool in places) / 1e6
    age_h = (time.time() - max(spool["mtime"] for _host, spool in places)) / 3600
    alive = " (still alive)" if any(spool["alive"] for _host, spool in places) else ""
    count = len({spool["key"] for _host, spool in places})
    return f"{run}: {count} host{'s' if count != 1 else ''}: {keys}; {size:.1f} MB, {age_h:.1f} h old{alive}"
