"""The messages at the begin of a recording."""

from __future__ import annotations

import shlex

from mpi_collector.benchmark.console import described
from mpi_collector.benchmark.plan import CollectPlan
from mpi_collector.benchmark.run_state import RunState


def announce_recording(run: RunState) -> None:
    """Report the warnings of the hosts, the hosts that are left out, and the name of the run."""
    hosts = run.transport.hosts
    console = run.console
    for host in hosts:
        for warning in host.ready.get("warnings", []):
            console.warn(f"{host.key}: {warning}")
    _report_missing(run)
    for host in hosts:
        console.debug(described(host))
    good = sum(h.error is None for h in hosts)
    count = f"{good} host{'s' if good != 1 else ''}"
    method = run.transport.method
    if run.plan.skip_timeseries:
        console.info(f"snapshots of {count} ({method}), no time series, run {run.run}")
        return
    interval_s = run.plan.sampling.interval_s
    console.info(f"recording {count} every {interval_s:g} s ({method}), run {run.run}")
    if run.plan.sampling.live_s:
        console.info(_live(run.plan))
    console.info(
        _death(run, [h.key for h in hosts if h.error is None and not h.ready.get("spool")])
    )
    console.info(_power_loss(len(hosts), method, run.plan.sampling.replicate_s))


def announce_doorbells(run: RunState) -> None:
    """Report, in detail only, whether the ranks wake each other; called when all of them sample."""
    known = {h.key: h.woken for h in run.transport.hosts if h.woken is not None and h.error is None}
    silent = [key for key, woken in known.items() if not woken]
    if silent:
        run.console.debug(
            f"doorbells: rank 0 has no connection from {', '.join(silent)}: both look for messages"
            " every 0.4 to 1 s instead"
        )
    elif known:
        run.console.debug(f"doorbells: rank 0 and the ranks of {len(known)} hosts wake each other")


def _live(plan: CollectPlan) -> str:
    """Return how often figures come, and how to see them."""
    every = f"every {plan.sampling.live_s:g} s"
    if plan.live_asked_s < plan.sampling.live_s:
        every += f" (--live {plan.live_asked_s:g} is shorter than --timeseries-interval)"
    where = shlex.quote(str(plan.results_dir))
    return f"live figures {every}; watch them with: mpi_collector top --results-dir {where}"


def _death(run: RunState, spoolless: list[str]) -> str:
    """Return what to do when the process that records has died; no more than can be kept."""
    if len(spoolless) == sum(host.error is None for host in run.transport.hosts):
        return "if this process dies, the recording is lost: no host has a spool"
    but = f" (not {', '.join(spoolless)}: no spool)" if spoolless else ""
    return f"if this process dies: mpi_collector recover {run.run}{but}"


def _power_loss(hosts: int, method: str, replicate_s: float) -> str:
    """Return what a host costs that loses power: nothing else of it can be recovered."""
    if hosts < 2 or method == "local":
        return "if this host loses power, the recording is lost"
    if replicate_s:
        return f"a host that loses power loses its rows of the last {replicate_s:g} s, about"
    return (
        "a host that loses power loses all its rows; --replicate 60 copies them here every minute"
    )


def _report_missing(run: RunState) -> None:
    """Report the hosts and ranks that are not recorded, and names of one host."""
    transport = run.transport
    warn = run.console.warn
    errors = [(h.key, h.error) for h in transport.hosts if h.error]
    for key, error in [*run.unusable.items(), *errors]:
        warn(f"warning: {key} is not recorded: {error}")
    for name, other in {**run.aliases, **transport.aliases}.items():
        warn(f"warning: {name} is the same host as {other}: recorded once, as {other}")
    for rank in transport.missing_ranks:
        timeout_s = run.plan.sampling.start_timeout_s
        warn(f"warning: rank {rank} did not report within {timeout_s:g} s")
