"""``recover``: the files of a run whose processes died, from the spools they left on this host or on many."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpi_collector.benchmark.console import error_text, print_message
from mpi_collector.cli.parser import QuietParser
from mpi_collector.cli.sampling import seconds, shell_words
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.spool.directory import find_spools
from mpi_collector.terminal_text import LINE_CHARACTERS, safe_text
from mpi_collector.transport.launch.detect import Launch, detect

if TYPE_CHECKING:
    from mpi_collector.benchmark.lifecycle import LifecyclePlan
    from mpi_collector.benchmark.recover import Reach
    from mpi_collector.transport.ranks.world import World

Spools = dict[str, list[dict[str, Any]]]

_EPILOG = """\
examples:
  mpi_collector recover                                            # list what there is on this host (of an allocation: on all)
  mpi_collector recover --hosts node[01-16]                        # and on these, over ssh
  mpi_collector recover --hosts node[01-16] host_20260105_120000   # build its files, then remove its spools
  mpirun -np 16 --hostfile hosts python -m mpi_collector recover host_20260105_120000   # the same over MPI, or:
  mpi_collector recover --hosts node[01-16] --transport mpi host_20260105_120000

Run again it does no harm: what was recovered is gone from the hosts, and the files are never overwritten.
"""


def main(words: Sequence[str]) -> int:
    """0 when everything asked for was recovered (or listed), 2 when there is nothing or a run is still alive."""
    args = _parse(words)
    launch = detect()
    if launch is not None and launch.size > 1:
        return _launched(args, launch)
    from mpi_collector.benchmark.spool_access import chosen, open_spool_access
    from mpi_collector.errors import HostsError, TransportError

    try:
        plan, allocation = _plan(args)
        choice = chosen(plan, allocation)
        if choice.transport == "local":
            return _act(
                args,
                {"": [s for place in plan.sampling.places for s in find_spools(place)]},
                {},
                None,
            )
        with open_spool_access(plan, choice, print_message) as (way, found, unreached):
            return _tell_and_act(args, found, unreached, way)
    except (HostsError, TransportError, OSError) as e:
        print_message(error_text(e))
        return 2


def _tell_and_act(
    args: argparse.Namespace, found: Spools, unreached: dict[str, str], way: Reach
) -> int:
    for host, why in unreached.items():
        print_message(f"warning: {host}: {why}")
    return _act(args, found, unreached, way)


def _plan(args: argparse.Namespace) -> tuple[LifecyclePlan, bool]:
    """What to look at and how; are its hosts those of an allocation?"""
    from mpi_collector.benchmark.lifecycle import LifecyclePlan
    from mpi_collector.errors import HostsError
    from mpi_collector.transport.hosts import from_scheduler, parse_hostfile, parse_hosts

    allocation = None
    if args.hosts or args.hostfile:
        hosts = parse_hosts(args.hosts) if args.hosts else parse_hostfile(args.hostfile)
    else:
        allocation = from_scheduler() if args.transport != "local" else None
        hosts = allocation[0] if allocation else []
        if not hosts and args.transport in ("mpi", "ssh"):
            raise HostsError(
                [f"--transport {args.transport}: to which hosts? --hosts or --hostfile names them"]
            )
    plan = LifecyclePlan(
        _options(args), args.results_dir, hosts=hosts, transport=args.transport, mpi_bin=args.mpi_bin,
        mpi_params=args.mpi_params, ssh_username=args.ssh_username, ssh_timeout_s=args.ssh_timeout,
    )  # fmt: skip
    return plan, allocation is not None


def _launched(args: argparse.Namespace, launch: Launch) -> int:
    """As one of several ranks: every host's first one offers its spools, rank 0 builds the files."""
    from mpi_collector.errors import WrongMPIError
    from mpi_collector.transport.ranks.world import World

    try:
        world = World(launch)
    except WrongMPIError as e:
        if launch.rank == 0:
            print_message(str(e))
        return 2
    try:
        code, everybody = _offer(world) if world.rank else _collect(args, world)
    except Exception:  # noqa: BLE001 - one rank that fails must not leave the others waiting
        traceback.print_exc()
        world.abort(1)
        return 1
    if not everybody:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # Finalize would wait for who is missing
    world.finish(True)
    return code


def _offer(world: World) -> tuple[int, bool]:
    from mpi_collector.transport.ranks.worker import Worker

    return 0, Worker(world).run()


def _collect(args: argparse.Namespace, world: World) -> tuple[int, bool]:
    from mpi_collector.transport.ranks.recovery import RankRecovery

    ranks = RankRecovery(_options(args), f"recover-{secrets.token_hex(3)}", world)
    found = ranks.spools()
    code = _tell_and_act(args, found, ranks.unreached, ranks)
    return code, ranks.close(False)


def _options(args: argparse.Namespace) -> SamplingOptions:
    rescue_dir = os.path.abspath(args.rescue_dir) if args.rescue_dir else None
    return SamplingOptions(spool_dir=str(args.spool_dir), rescue_dir=rescue_dir)


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = QuietParser(prog="mpi_collector recover", description=__doc__, epilog=_EPILOG, allow_abbrev=False,
                         formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    add = parser.add_argument
    add("run", nargs="?", default="", help="name of the run, or its beginning; none: list the runs")
    add(
        "--hosts",
        "-s",
        action="extend",
        nargs="+",
        default=None,
        metavar="HOST",
        help="hosts to look on",
    )
    add("--hostfile", type=Path, default=None, metavar="FILE", help="the same from a file")
    add("--transport", choices=("auto", "mpi", "ssh", "local"), default="auto",
        help="how to reach them (auto: ssh; the launcher inside an allocation whose hosts were not named)")  # fmt: skip
    add("--mpi-bin", default=None, metavar="PATH", help="launcher, or the directory that holds it")
    add(
        "--mpi-params",
        type=shell_words,
        default="",
        metavar="WORDS",
        help="further options for the launch",
    )
    add("--ssh-username", default=None, metavar="USER", help="user on the hosts")
    add("--ssh-timeout", type=seconds(0.1), default=30.0, metavar="S", help="wait for a host (30)")
    add(
        "--results-dir",
        type=Path,
        default=Path("results"),
        metavar="DIR",
        help="where the files go",
    )
    add(
        "--spool-dir",
        type=Path,
        default=Path(SamplingOptions.spool_dir),
        metavar="DIR",
        help="where the spools are",
    )
    add("--rescue-dir", default=os.environ.get("MPI_COLLECTOR_RESCUE_DIR") or None, metavar="DIR",
        help="and where the run set its recording down (its --rescue-dir; MPI_COLLECTOR_RESCUE_DIR)")  # fmt: skip
    add("--keep", action="store_true", help="do not remove the spools")
    args = parser.parse_args(words)
    if args.hosts and args.hostfile:
        parser.error("--hosts and --hostfile: give one of them")
    if (args.hosts or args.hostfile) and (detect() or _ALONE).size > 1:
        parser.error("--hosts under a launcher: the hosts of its ranks are looked on")
    if args.hosts and not args.run and _is_run(args.hosts[-1]):
        args.run = args.hosts.pop()  # "--hosts a b RUN": nargs took it
    return args


_ALONE = Launch("", 0, 1)


def _is_run(word: str) -> bool:
    """Like ``host_20260105_120000-3fa2c1``, or a part of that which no host is called by."""
    parts = word.split("_")
    return len(parts) >= 3 and parts[-2].isdigit() and len(parts[-2]) == 8


def _act(
    args: argparse.Namespace, found: Spools, errors: dict[str, str], root: Reach | None
) -> int:
    """List, or recover every run that begins with what was asked for. ``found``: by host, "" for this one."""
    runs: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    seen = set()
    for host, spools in found.items():
        for spool in spools:
            file = tuple(spool[name] for name in ("dir", "run", "key", "bytes", "mtime"))
            shared = (
                spool["dir"] != str(args.spool_dir) and file in seen
            )  # --rescue-dir on a file system of many hosts
            seen.add(file)
            if spool["run"].startswith(args.run) and not shared:
                runs.setdefault(spool["run"], []).append((host, spool))
    if not args.run:
        for run, places in sorted(runs.items()):
            print(safe_text(_listed(run, places), keep=LINE_CHARACTERS))
        if not runs:
            print_message(
                f"no run left anything under {' or '.join(_options(args).places)} on {_where(root)}"
            )
        return 0
    if not runs:
        print_message(
            f"no spool of {args.run} under {' or '.join(_options(args).places)} on {_where(root)}"
        )
        return 2
    from mpi_collector.benchmark.recover import Here, There, recover_run

    codes = []
    for run, places in sorted(runs.items()):
        if _still_alive(run, places):
            codes.append(2)
            continue
        sources = []
        for host, spool in places:
            make = partial(There, root, host, spool["dir"], run, spool["key"]) if root is not None else partial(
                Here, spool["dir"], run, spool["key"])  # fmt: skip
            sources.append((spool["key"], make))
        without = {
            h: "no spool of this run"
            for h in found
            if root is not None and h not in {host for host, _ in places}
        }
        codes.append(recover_run(run, sources, args.results_dir, args.keep, {**errors, **without}))
    return max(codes)


def _where(root: Reach | None) -> str:
    return "these hosts" if root is not None else "this host; --hosts looks on others"


def _still_alive(run: str, places: list[tuple[str, dict[str, Any]]]) -> bool:
    """Report whether a process still writes one of the spools of ``run``.

    Nothing is taken from the other hosts either: what recover removes there would be in two pieces.
    """
    alive = list(dict.fromkeys(host or spool["key"] for host, spool in places if spool["alive"]))
    if alive:
        print_message(
            f"{run} is still alive on {', '.join(alive)}: wait for its end, a minute at most when "
            "its launcher is gone, or do not name the hosts where it hangs"
        )
    return bool(alive)


def _listed(run: str, places: list[tuple[str, dict[str, Any]]]) -> str:
    keys = ", ".join(dict.fromkeys(spool["key"] for _host, spool in places))
    size = sum(spool["bytes"] for _host, spool in places) / 1e6
    age_h = (time.time() - max(spool["mtime"] for _host, spool in places)) / 3600
    alive = " (still alive)" if any(spool["alive"] for _host, spool in places) else ""
    count = len({spool["key"] for _host, spool in places})
    return f"{run}: {count} host{'s' if count != 1 else ''}: {keys}; {size:.1f} MB, {age_h:.1f} h old{alive}"
