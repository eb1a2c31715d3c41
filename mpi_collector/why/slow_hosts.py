"""Hosts that stand out of their peers in a phase, and what differs in them.

A host is slow when its rate lies below that of the median host by more than its peers differ among
themselves: the robust z of the rate, with the median absolute deviation as the spread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpi_collector.formats.why_document import SlowHost
from mpi_collector.store.figures.disk import READ_BYTES, WRITE_BYTES
from mpi_collector.store.figures.network import RX_BYTES, TX_BYTES
from mpi_collector.why.stretch import Stretch

LEAST_HOSTS = 4  #: of fewer, the spread says nothing
LEAST_Z = 3.5
LEAST_DIFFERENCE = 0.1  #: of the median; smaller ones do not matter
#: the median absolute deviation of a normal distribution, in standard deviations
_MAD_PER_SIGMA = 0.6745
_LEAST_SPREAD = 0.01  #: of the median: hosts are never more alike than that
_LEAST_RATE = 1e6  #: bytes per second of the median host


@dataclass(frozen=True)
class HostRates:
    """What is kept of a host in a phase. ``facts``: what may differ between hosts."""

    rates: dict[str, float]
    facts: dict[str, str]


def rates_of(stretch: Stretch) -> HostRates:
    """Return the rates by which a host is compared, and the facts of its hardware and settings."""
    disks = stretch.disks
    rates = {
        READ_BYTES.name: sum(stretch.mean(d.read_bytes_per_s) for d in disks),
        WRITE_BYTES.name: sum(stretch.mean(d.write_bytes_per_s) for d in disks),
        RX_BYTES.name: sum(stretch.mean(n.rx_bytes_per_s) for n in stretch.links),
        TX_BYTES.name: sum(stretch.mean(n.tx_bytes_per_s) for n in stretch.links),
    }
    return HostRates(rates, _facts(stretch.snapshot))


def slow_hosts(phase: str, hosts: Mapping[str, HostRates]) -> list[SlowHost]:
    """Return the hosts that are slower than their peers, the slowest first."""
    out: list[SlowHost] = []
    if len(hosts) < LEAST_HOSTS:
        return out
    for figure in (READ_BYTES.name, WRITE_BYTES.name, RX_BYTES.name, TX_BYTES.name):
        values = {k: h.rates[figure] for k, h in hosts.items() if np.isfinite(h.rates[figure])}
        median = float(np.median(list(values.values()))) if values else 0.0
        if median < _LEAST_RATE:
            continue
        deviations = [abs(v - median) for v in values.values()]
        spread = max(float(np.median(deviations)) / _MAD_PER_SIGMA, _LEAST_SPREAD * median)
        for key, value in values.items():
            z = (value - median) / spread
            if z <= -LEAST_Z and value <= (1 - LEAST_DIFFERENCE) * median:
                out.append(
                    {
                        "host": key,
                        "phase": phase,
                        "figure": figure,
                        "ratio": round(value / median, 4),
                        "z": round(z, 2),
                        "differs": _differs(hosts[key].facts, [h.facts for h in hosts.values()]),
                    }
                )
    return sorted(out, key=lambda s: s["ratio"])


def _differs(own: Mapping[str, str], all_hosts: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the facts in which a host differs from most hosts."""
    out = []
    for name, value in own.items():
        values = [f.get(name, "") for f in all_hosts]
        usual = max(set(values), key=values.count)
        if value != usual:
            out.append(f"{name}: {value or 'none'} instead of {usual or 'none'}")
    return out


def _facts(snapshot: Mapping[str, Any]) -> dict[str, str]:
    cpu = snapshot.get("cpu") or {}
    limits = snapshot.get("cgroup_limits") or {}
    drives = snapshot.get("drives") or []
    nics = snapshot.get("nics") or []
    return {
        "kernel": str(snapshot.get("version", "")).split(" (")[0],
        "CPU model": str(cpu.get("model") or ""),
        "governor": str(cpu.get("governor") or ""),
        "drive models": ", ".join(sorted(str(d.get("model") or "") for d in drives)),
        "link speeds": ", ".join(
            sorted(f"{n['speed_mbps'] / 1000:g} Gb/s" for n in nics if n.get("speed_mbps"))
        ),
        "CPU limit": f"{limits['cpus_max']:g} CPUs" if limits.get("cpus_max") else "",
        "I/O limit": "; ".join(map(str, limits.get("io_max") or [])),
        "memory limit": str(limits.get("memory_max_bytes") or ""),
    }
