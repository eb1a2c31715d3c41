"""``recover``: build the files of a run whose processes died, from the spools on its hosts."""

from __future__ import annotations

import argparse
import os
import secrets
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mpi_collector.benchmark.console import print_message
from mpi_collector.benchmark.exit_codes import MISTAKE, OK
from mpi_collector.benchmark.plan import LifecyclePlan
from mpi_collector.cli.hosts import check_host_options, named_hosts
from mpi_collector.cli.offered_spools import OfferedSpool, Spools, list_runs, runs_of, still_alive
from mpi_collector.cli.options import (
    RESCUE_VARIABLE,
    add_host_options,
    add_launcher_options,
    add_results_directory,
    add_ssh_options,
    add_transport_option,
)
from mpi_collector.cli.parser import make_parser
from mpi_collector.cli.rank_process import RankResult, run_rank, run_worker
from mpi_collector.cli.result import explain_errors
from mpi_collector.errors import HostsError
from mpi_collector.node.errors import RunClaimedError
from mpi_collector.node.host.identity import boot_id
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.spool.claim import RunClaim
from mpi_collector.node.spool.directory import find_spools
from mpi_collector.node.spool.retention import remove_unsampled
from mpi_collector.transport.hosts import from_scheduler
from mpi_collector.transport.launch.detect import detect

if TYPE_CHECKING:
    from mpi_collector.benchmark.found_spools import LocalSpool, RemoteSpool
    from mpi_collector.transport.base import RecoveryTransport
    from mpi_collector.transport.ranks.world import World

_EPILOG = """\
examples:
  mpi_collector recover                       # list runs on this host (in an allocation: on all)
  mpi_collector recover --hosts node[01-16]   # and on these, over ssh
  # build the files of a run, then remove its spools
  mpi_collector recover --hosts node[01-16] host_20260105_120000
  # the same over MPI
  mpirun -np 16 --hostfile hosts python -m mpi_collector recover host_20260105_120000
  mpi_collector recover --hosts node[01-16] --transport mpi host_20260105_120000

It can be run again: what was recovered is gone from the hosts (without --keep), and files are never
overwritten.
"""


@explain_errors
def main(words: Sequence[str]) -> int:
    """List the runs, or recover those that are named; spools without a sample are removed.

    MISTAKE when a named run is not there or is still alive.
    """
    args = _parse(words)
    launch = detect()
    if launch is not None and launch.size > 1:
        return run_rank(launch, lambda world: _run_part(args, world))
    from mpi_collector.benchmark.spool_access import choose_access, open_spool_access

    plan, allocation = _plan(args)
    choice = choose_access(plan, allocation)
    if choice.transport == "local":
        places = plan.sampling.places
        for place in places:
            for text in remove_unsampled(place, "", boot_id()):
                print_message(text)
        return _act(args, {"": [s for place in places for s in find_spools(place)]}, {}, None)
    with open_spool_access(plan, choice, print_message) as access:
        return _warn_and_act(args, access.spools, access.unreached, access.reach)


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = make_parser("recover", __doc__, _EPILOG)
    add = parser.add_argument
    add(
        "run", nargs="?", default="", help="name of the run, or a prefix of it; none: list the runs"
    )
    add_host_options(parser, action="extend")
    add_transport_option(
        parser,
        help="how to reach the hosts (auto: ssh; in an allocation, without --hosts, its launcher)",
    )
    add_launcher_options(parser)
    add_ssh_options(parser, fanout=False)
    add_results_directory(parser)
    add(
        "--spool-dir",
        type=Path,
        default=Path(SamplingOptions.spool_dir),
        metavar="DIR",
        help="where the spools are (%(default)s)",
    )
    add(
        "--rescue-dir",
        default=os.environ.get(RESCUE_VARIABLE) or None,
        metavar="DIR",
        help=f"and where the run wrote its backups (its --rescue-dir; {RESCUE_VARIABLE})",
    )
    add("--keep", action="store_true", help="do not remove the spools")
    args = parser.parse_args(words)
    check_host_options(parser, args)
    launch = detect()
    if (args.hosts or args.hostfile) and launch is not None and launch.size > 1:
        parser.error("--hosts under a launcher: recover looks on the hosts of its ranks")
    if args.hosts and not args.run and _is_run(args.hosts[-1]):
        args.run = args.hosts.pop()  # "--hosts a b RUN": nargs took it
    return args


def _is_run(word: str) -> bool:
    """Tell a run (``host_20260105_120000-3fa2c1``, or the beginning of one) from a host name."""
    parts = word.split("_")
    return len(parts) >= 3 and parts[-2].isdigit() and len(parts[-2]) == 8


def _options(args: argparse.Namespace) -> SamplingOptions:
    rescue_dir = os.path.abspath(args.rescue_dir) if args.rescue_dir else None
    return SamplingOptions(spool_dir=str(args.spool_dir), rescue_dir=rescue_dir)


def _plan(args: argparse.Namespace) -> tuple[LifecyclePlan, bool]:
    """Return where to look and how, and whether the hosts are those of an allocation."""
    allocation = None
    hosts = named_hosts(args)
    if not hosts:
        allocation = from_scheduler() if args.transport != "local" else None
        hosts = allocation[0] if allocation else []
    if not hosts and args.transport in ("mpi", "ssh"):
        raise HostsError(f"--transport {args.transport} needs --hosts or --hostfile")
    plan = LifecyclePlan(
        _options(args),
        results_dir=args.results_dir,
        hosts=hosts,
        transport=args.transport,
        mpi_bin=args.mpi_bin,
        mpi_params=args.mpi_params,
        ssh_username=args.ssh_username,
        ssh_timeout_s=args.ssh_timeout,
    )
    return plan, allocation is not None


def _run_part(args: argparse.Namespace, world: World) -> RankResult:
    """Do this rank's part: each host's first rank offers its spools, rank 0 builds the files."""
    if world.rank:
        return run_worker(world)
    from mpi_collector.transport.ranks.recovery import RankRecovery

    ranks = RankRecovery(_options(args), f"recover-{secrets.token_hex(3)}", world)
    found = ranks.spools()
    code = _warn_and_act(args, found, ranks.unreached, ranks)
    return RankResult(code, ranks.close(False))


def _warn_and_act(
    args: argparse.Namespace, found: Spools, unreached: dict[str, str], reach: RecoveryTransport
) -> int:
    """Tell which hosts could not be reached, then act on what was found on the others."""
    for host, error in unreached.items():
        print_message(f"warning: {host}: {error}")
    return _act(args, found, unreached, reach)


def _act(
    args: argparse.Namespace, found: Spools, errors: dict[str, str], reach: RecoveryTransport | None
) -> int:
    """List all runs, or recover every run whose name begins with what was asked for.

    ``found``: the spools of each host, "" for this one. ``reach``: None for this host alone.
    """
    runs = runs_of(found, args.run, str(args.spool_dir))
    if runs and args.run:
        codes = [_recover(args, run, list(found), errors, reach) for run in sorted(runs)]
        return max(codes)
    if runs:
        list_runs(runs)
        return OK
    where = "these hosts" if reach is not None else "this host (--hosts: on others)"
    what = f"no spool of {args.run}" if args.run else "no spool"
    print_message(f"{what} under {' or '.join(_options(args).places)} on {where}")
    return MISTAKE if args.run else OK


def _recover(
    args: argparse.Namespace,
    run: str,
    hosts: list[str],
    errors: dict[str, str],
    reach: RecoveryTransport | None,
) -> int:
    """Build the files of one run from its spools on ``hosts``.

    Not while a process still writes one of them, or somebody else recovers it.
    """
    local = None
    try:
        if reach is None:
            token = f"recover-{os.getpid()}-{secrets.token_hex(3)}"
            local = RunClaim(_options(args).places, run, token)
            claimed = {"": local.spools()}
        else:
            claimed = reach.claim(run)
            errors = {**errors, **reach.unreached}
        return _recover_claimed(args, run, hosts, claimed, errors, reach)
    except RunClaimedError as e:
        where = f" on {e}" if reach is not None else ""
        print_message(f"{run} is being recovered by another process{where}: nothing was changed")
        return MISTAKE
    finally:
        if local is not None:
            local.release()


def _recover_claimed(
    args: argparse.Namespace,
    run: str,
    hosts: list[str],
    claimed: Spools,
    errors: dict[str, str],
    reach: RecoveryTransport | None,
) -> int:
    """Build the files of a run that nobody else recovers. claimed: its spools on each host."""
    from mpi_collector.benchmark.found_spools import FoundSpool
    from mpi_collector.benchmark.recover import recover_run

    spools = runs_of(claimed, run, str(args.spool_dir)).get(run, [])
    if not spools:
        print_message(f"{run} was recovered by another process meanwhile")
        return MISTAKE
    if still_alive(run, spools):
        return MISTAKE
    missing = dict(errors)
    if reach is not None:
        with_spools = {spool.host for spool in spools}
        none = [host for host in hosts if host not in with_spools and host not in missing]
        missing.update(dict.fromkeys(none, "no spool of this run"))
    offered = [FoundSpool(spool.key, partial(_open, spool, reach)) for spool in spools]
    return recover_run(run, offered, args.results_dir, args.keep, missing)


def _open(spool: OfferedSpool, reach: RecoveryTransport | None) -> LocalSpool | RemoteSpool:
    """Take hold of a spool on this host, or on another one through ``reach``."""
    from mpi_collector.benchmark.found_spools import LocalSpool, RemoteSpool

    if reach is None:
        return LocalSpool(spool.directory, spool.run, spool.key)
    return RemoteSpool(reach, spool.host, spool.directory, spool.run, spool.key)
