"""What is said of the hosts when a recording begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpi_collector.benchmark.console import described

if TYPE_CHECKING:
    from mpi_collector.benchmark.collection import Collection


def announce_recording(collection: Collection) -> None:
    """Tell the warnings of the hosts, which are left out and why, and how the run is called."""
    hosts = collection.transport.hosts
    console = collection.console
    for host in hosts:
        for warning in host.ready.get("warnings", []):
            console.warn(f"{host.key}: {warning}")
    _tell_missing(collection)
    for host in hosts:
        console.debug(described(host))
    good = sum(h.error is None for h in hosts)
    count = f"{good} host{'s' if good != 1 else ''}"
    method = collection.transport.method
    if collection.plan.skip_timeseries:
        console.info(f"snapshots of {count} ({method}), no time series, run {collection.run}")
        return
    interval_s = collection.plan.sampling.interval_s
    console.info(f"recording {count} every {interval_s:g} s ({method}), run {collection.run}")
    console.info(f"if this process dies: mpi_collector recover {collection.run}")


def _tell_missing(collection: Collection) -> None:
    """Tell which hosts and ranks are not recorded, and which names mean one host."""
    transport = collection.transport
    warn = collection.console.warn
    errors = [(h.key, h.error) for h in transport.hosts if h.error]
    for key, error in [*collection.unusable.items(), *errors]:
        warn(f"warning: {key} is not recorded: {error}")
    for name, other in {**collection.aliases, **getattr(transport, "aliases", {})}.items():
        warn(f"warning: {name} is the same host as {other}: recorded once, as {other}")
    for rank in transport.missing_ranks:
        timeout_s = collection.plan.sampling.start_timeout_s
        warn(f"warning: rank {rank} sent no hello within {timeout_s:g} s")
