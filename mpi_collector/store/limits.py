"""What no device can do: growth in one interval beyond any link, bus or number of CPUs.

A counter that jumps so far was not counting: a driver was reloaded, a hypervisor resumed a guest,
a file was misread. The interval is unknown for the whole device.

==========================  ========================================================================
counter                     largest possible growth
==========================  ========================================================================
CPU time (stat)             CPUs online x time x USER_HZ; 10 % or 2 ticks per CPU more
netdev, infiniband          1.1 x the speed of the link, else 1 Tbit/s
diskstats                   1.1 x the PCI Express link of the drive, else 128 GB/s; a request has a
                            sector at least
other counters of bytes     10 TB/s
==========================  ========================================================================

Speeds that a virtual machine sees are not used: they say nothing about what the host lets through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

USER_HZ = 100  #: of every architecture but Alpha and IA-64 (asm-generic/param.h)
SECTOR_BYTES = 512
_MARGIN = 1.1
_NETWORK = 1e12 / 8  #: bytes/s
_DISK = 128e9
_ANY = 10e12
_PACKET_BYTES = 20  #: smaller ones do not exist
_CPU_MARGIN = 0.1
_CPU_TICKS = 2.0  #: per CPU; times are rounded, and counted by ticks
#: of the time of a CPU; guest time is part of user time
_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_LAG_S = 2.0
"""Longest time between two updates of counters that an adapter keeps itself (bnxt_en, tg3: 1 s),
and of those of a virtual CPU."""


class Limits:
    """Greatest growth per second of the counters of one host.

    ``meta``: its metadata; the speeds come from the snapshot and the topology in it.
    """

    def __init__(self, meta: Mapping[str, Any]) -> None:
        snapshot = _dict(meta.get("snapshot"))
        real = not _dict(snapshot.get("cpu")).get("hypervisor")
        self._links: dict[tuple[str, str], float] = {}
        if not real:
            return
        for nic in _dicts(snapshot.get("nics")):
            if nic.get("physical") and _positive(nic.get("speed_mbps")):
                self._links["netdev", str(nic.get("name"))] = nic["speed_mbps"] * 1e6 / 8
        for port in _dicts(snapshot.get("infiniband")):
            if rate := _rate(port.get("rate")):
                self._links["infiniband", f"{port.get('device')}/{port.get('port')}"] = rate
        for drive in _dicts(snapshot.get("drives")):
            if _positive(drive.get("link_bytes_per_s")):
                name = str(drive.get("name")).replace("!", "/")
                self._links["diskstats", name] = float(drive["link_bytes_per_s"])

    def per_second(self, source: str, device: str, field: str, unit: str) -> float | None:
        """Return the greatest growth per second of a counter; None when any is possible."""
        link = self._links.get((source, device))
        if source == "diskstats":
            most = _DISK if link is None else _MARGIN * link
            counted = field.startswith("sectors_") or field in _REQUESTS
            return most / SECTOR_BYTES if counted and "discard" not in field else None
        if unit == "packets" and source in ("netdev", "infiniband"):
            return (_NETWORK if link is None else _MARGIN * link) / _PACKET_BYTES
        if unit != "bytes":
            return None
        if source in ("netdev", "infiniband", "slingshot"):
            return _NETWORK if link is None else _MARGIN * link
        return _ANY


_REQUESTS = ("reads_completed", "writes_completed")


def settled(growth: Float64, seconds: Float64, per_second: float) -> Float64:
    """Return growth with what an adapter reported late spread over the time it stands for.

    An adapter that updates its counters once a second shows nothing in short intervals and then
    more than its link can carry. Such growth is spread over the intervals without growth before it,
    up to two seconds.
    """
    with np.errstate(invalid="ignore"):
        late = np.flatnonzero(growth > per_second * seconds)
    if not len(late):
        return growth
    out: Float64 = growth.copy()
    for at in late:
        first = int(at)
        time = float(seconds[at])
        while first > 0 and out[first - 1] == 0 and time + seconds[first - 1] <= _LAG_S:
            first -= 1
            time += float(seconds[first])
        if growth[at] <= per_second * time:
            out[first : at + 1] = growth[at] * seconds[first : at + 1] / time
    return out


def impossible_cpu_time(
    change: Callable[[str], Float64 | None], cpus: Float64, seconds: Float64
) -> Bool:
    """Return the intervals whose CPU time no machine can have had.

    ``change``: of a mode by its name, None where there is none. ``cpus``: (intervals,) online.

    A kernel may count the ticks of a virtual CPU later that did not run, and a sample may be read
    later than its row began: more time than there was is possible in an interval where it makes up
    for less in those beside it.
    """
    changes = [c for mode in _MODES if (c := change(mode)) is not None]
    expected = cpus * seconds * USER_HZ
    tolerance = np.maximum(_CPU_MARGIN * expected, _CPU_TICKS * cpus)
    out = np.zeros(len(seconds), dtype=bool)
    if not changes:
        return out
    total: Float64 = np.nansum(changes, axis=0)
    total[np.isnan(changes).all(axis=0)] = np.nan
    with np.errstate(invalid="ignore"):
        for c in changes:
            out |= c < -tolerance
        over = np.fmax.reduce([total, *changes]) - expected
        for at in np.flatnonzero((over > tolerance) & ~out):
            left = over[at] - tolerance[at]
            out[at] = not _made_up(left, total - expected, seconds, int(at))
    return out


def _made_up(too_much: float, over: Float64, seconds: Float64, at: int) -> bool:
    """Return whether the intervals before ``at``, or those behind it, lack what it has too much."""
    for step in (-1, 1):
        left, time, n = too_much, float(seconds[at]), at + step
        while 0 <= n < len(over) and (time := time + float(seconds[n])) <= _LAG_S:
            left += float(over[n])
            if left <= 0:
                return True
            n += step  # NaN stays NaN: what is not known makes up for nothing
    return False


def _rate(text: object) -> float | None:
    """Return bytes/s of ``200 Gb/sec (4X HDR)``."""
    match = re.match(r"([0-9.]+) Gb/sec", text) if isinstance(text, str) else None
    return float(match[1]) * 1e9 / 8 if match and float(match[1]) > 0 else None


def _positive(value: object) -> bool:
    return isinstance(value, (int, float)) and value > 0


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []
