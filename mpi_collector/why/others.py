"""How full the other resources were while one limited: CPUs, storage, links, quota, memory.

What is not recorded has no entry.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mpi_collector.formats.why_document import Cause, Evidence
from mpi_collector.store.figures.cgroup import THROTTLED
from mpi_collector.store.figures.cpu import BUSY
from mpi_collector.store.figures.disk import QUEUE_DEPTH
from mpi_collector.store.figures.pressure import BY_RESOURCE
from mpi_collector.why.stretch import LinkActivity, Stretch

_NONE = 0.5  #: per cent; less is called none
_FEW = 0.05  #: requests in flight, mean; fewer are called idle
_CPU: tuple[Cause, ...] = ("cpu", "one core", "steal")
_STORAGE: tuple[Cause, ...] = ("device", "latency", "remote storage", "write-back")


def others(stretch: Stretch, cause: Cause) -> list[Evidence]:
    """Return how full the resources were that ``cause`` does not speak of."""
    if cause == "nothing on the hosts":  # its own evidence is these
        return [*_throttling(stretch), *_memory(stretch)]
    out: list[Evidence] = []
    if cause not in _CPU:
        out += _cpu(stretch)
    if cause not in _STORAGE:
        out += _storage(stretch)
    if cause != "network":
        out += _network(stretch)
    if cause != "cgroup":
        out += _throttling(stretch)
    if cause != "memory":
        out += _memory(stretch)
    return out


def _cpu(stretch: Stretch) -> Iterator[Evidence]:
    busy = stretch.cpu_busy
    if busy is not None and np.isfinite(mean := 100 * stretch.mean(busy)):
        yield stretch.evidence(f"CPU {mean:.0f} %", BUSY.name, mean, "%")


def _storage(stretch: Stretch) -> Iterator[Evidence]:
    if not stretch.devices("diskstats", "sectors_read"):
        return
    mean = max([stretch.mean(d.in_flight) for d in stretch.disks], default=0.0)
    if np.isfinite(mean):
        text = "disks idle"
        if mean > 0:
            text = f"disks nearly idle: {mean:.2g} requests in flight"
        if mean >= _FEW:
            text = f"{mean:.1f} requests in flight at disks"
        yield stretch.evidence(text, QUEUE_DEPTH.name, mean, "requests")


def _network(stretch: Stretch) -> Iterator[Evidence]:
    """Yield the fullest link; where no speed is known, the one that moved most."""
    if not stretch.devices("netdev", "rx_bytes"):
        return
    if not stretch.links:
        yield stretch.evidence("network idle", "netdev", 0.0, "bytes/s")
        return

    def used(link: LinkActivity) -> float:
        return max(stretch.mean(link.rx_bytes_per_s), stretch.mean(link.tx_bytes_per_s))

    def share(link: LinkActivity) -> float:
        return used(link) / link.speed_bytes_per_s if link.speed_bytes_per_s else -1.0

    link = max(stretch.links, key=lambda one: (share(one), used(one)))
    figure = f"netdev.{link.name}"
    if link.speed_bytes_per_s:
        percent = 100 * share(link)
        text = f"network {percent:.0f} % of {link.speed_bytes_per_s / 125e6:g} Gb/s"
        yield stretch.evidence(text, figure, percent, "%")
    else:
        text = f"network {used(link) / 1e6:.3g} MB/s of a link of unknown speed"
        yield stretch.evidence(text, figure, used(link), "bytes/s")


def _throttling(stretch: Stretch) -> Iterator[Evidence]:
    periods = stretch.rate("cgroup.cpu.nr_periods")
    throttled = stretch.rate("cgroup.cpu.nr_throttled")
    if periods is None or throttled is None or not np.isfinite(throttled).any():
        return
    all_ = stretch.amount(periods)
    percent = 100 * stretch.amount(throttled) / all_ if all_ > 0 else 0.0
    text = "no throttling of CPU time"
    if percent >= _NONE:
        text = f"throttled in {percent:.0f} % of periods"
    yield stretch.evidence(text, THROTTLED.name, percent, "%")


def _memory(stretch: Stretch) -> Iterator[Evidence]:
    pressure = stretch.pressure("memory")
    if pressure is None or not np.isfinite(percent := 100 * stretch.mean(pressure)):
        return
    text = f"memory pressure {percent:.0f} %" if percent >= _NONE else "no pressure on memory"
    yield stretch.evidence(text, BY_RESOURCE["memory"].name, percent, "%")
