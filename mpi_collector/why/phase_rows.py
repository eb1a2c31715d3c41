"""The rows of one host in one phase: rates per interval, statistics, CPU time and pressure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from mpi_collector.formats.why_document import Evidence
from mpi_collector.node.sources.cgroup import LIMITS
from mpi_collector.store.host import Float64, Host

#: an interval belongs to a phase when this share of it lies inside
_INSIDE = 0.5


class PhaseRows:
    """One host in one phase. ``name``: of the phase. Arrays are (intervals,).

    ``seconds``: exact lengths of the intervals. ``parts``: the stretches of the phase, UTC ns.
    ``is_command``: the phase is COMMAND.
    """

    is_command = False
    reported_read_bytes: int | None = None  #: by the program of the phase

    def __init__(self, host: Host, name: str, stretches: Sequence[tuple[int, int]]) -> None:
        self.host = host
        self.key = host.key
        self.name = name
        self.parts = list(stretches)
        self.begin_ns = stretches[0][0]
        self.end_ns = stretches[-1][1]
        times = host.timestamp_ns
        length = np.diff(times).astype(np.float64)
        inside = np.zeros(len(length))
        for begin, end in stretches:
            overlap = np.minimum(times[1:], end) - np.maximum(times[:-1], begin)
            inside += np.clip(overlap, 0, None)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.kept = (length > 0) & (inside / length > _INSIDE)
        self.seconds: Float64 = length[self.kept] * 1e-9
        self._columns = frozenset(host.columns)
        snapshot = host.meta.get("snapshot")
        self.snapshot: dict[str, Any] = snapshot if isinstance(snapshot, dict) else {}

    def __len__(self) -> int:
        return len(self.seconds)

    # ---- columns
    def has(self, column: str) -> bool:
        return column in self._columns

    def rate(self, column: str) -> Float64 | None:
        """Return the growth of a counter per second; None when there is no such column."""
        if column not in self._columns:
            return None
        return self.host.rate(column)[self.kept]

    def level(self, column: str) -> Float64 | None:
        """Return a gauge at the end of each interval; None when there is no such column."""
        if column not in self._columns:
            return None
        return self.host.value(column)[1:][self.kept]

    def sum_of_rates(self, columns: Sequence[str]) -> Float64 | None:
        """Return the sum of those of ``columns`` that are known; None when there are none."""
        found = [r for c in columns if (r := self.rate(c)) is not None]
        if not found:
            return None
        known = np.logical_or.reduce([np.isfinite(r) for r in found])
        return np.where(known, np.nansum(found, axis=0), np.nan)

    def devices(self, source: str, column: str) -> list[str]:
        """Return the devices of a source that have ``column``."""
        head, tail = f"{source}.", f".{column}"
        return [
            c[len(head) : -len(tail)]
            for c in self.host.columns
            if c.startswith(head) and c.endswith(tail)
        ]

    # ---- statistics
    def mean(self, values: Float64) -> float:
        """Return the mean over time of what is known; NaN where nothing is."""
        known = np.isfinite(values)
        total = float(self.seconds[known].sum())
        return float((values[known] * self.seconds[known]).sum() / total) if total else np.nan

    def amount(self, rate: Float64) -> float:
        """Return what a rate adds up to in the phase, of what is known."""
        return float(np.nansum(rate * self.seconds))

    def amount_between(self, column: str) -> tuple[float, float, float]:
        """Return the growth of a counter in the stretches: the least, the likely and the most.

        An interval that lies partly outside counts nothing, by its part inside, and in full.
        """
        times = self.host.timestamp_ns
        length = np.diff(times).astype(np.float64)
        grown = np.nan_to_num(self.host.rate(column) * length * 1e-9)
        inside = np.zeros(len(length))
        for begin, end in self.parts:
            overlap = np.minimum(times[1:], end) - np.maximum(times[:-1], begin)
            inside += np.clip(overlap, 0, None)
        share = np.divide(inside, length, out=np.zeros(len(length)), where=length > 0)
        return (
            float(grown[share >= 1].sum()),
            float((grown * np.minimum(share, 1)).sum()),
            float(grown[share > 0].sum()),
        )

    def smoothed(self, values: Float64, seconds: float) -> Float64:
        """Return the running mean over about ``seconds`` of what is known."""
        step = float(np.median(self.seconds)) if len(self) else 1.0
        window = np.ones(max(min(round(seconds / step), len(self)), 1))
        known = np.isfinite(values)
        amount = np.convolve(np.where(known, values, 0.0), window, "same")
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(amount / np.convolve(known, window, "same"), dtype=np.float64)

    def share(self, holds: Any) -> float:
        """Return the share of the phase's time in which ``holds``, bool (intervals,)."""
        total = float(self.seconds.sum())
        return float(self.seconds[np.asarray(holds, dtype=bool)].sum() / total) if total else 0.0

    def evidence(self, text: str, figure: str, value: float, unit: str) -> Evidence:
        """Return evidence that holds for the whole phase."""
        return {
            "text": text,
            "figure": figure,
            "value": float(value),
            "unit": unit,
            "begin_ns": self.begin_ns,
            "end_ns": self.end_ns,
        }

    @cached_property
    def limits(self) -> dict[str, Any]:
        """Limits of COMMAND's cgroup where they were read, else of the recorder's."""
        events = self.host.meta.get("events")
        found = [
            e
            for e in (events if isinstance(events, list) else [])
            if isinstance(e, dict) and e.get("type") == LIMITS
        ]
        limits = found[-1] if found else self.snapshot.get("cgroup_limits")
        return limits if isinstance(limits, dict) else {}

    # ---- CPU
    @cached_property
    def cpus(self) -> int:
        """Number of CPUs that the recording has columns of; 0 without."""
        return len(self.devices("stat", "idle")) - 1 if self.has("stat.cpu.idle") else 0

    @cached_property
    def _cpu_modes(self) -> dict[str, Float64]:
        modes = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
        return {m: r for m in modes if (r := self.rate(f"stat.cpu.{m}")) is not None}

    @cached_property
    def cpu_total(self) -> Float64 | None:
        modes = self._cpu_modes
        if "idle" not in modes:
            return None
        total = np.sum([np.nan_to_num(v) for v in modes.values()], axis=0)
        return np.where(total > 0, total, np.nan)

    def cpu_share(self, *modes: str) -> Float64 | None:
        """Return the share of all CPU time that was spent in ``modes``."""
        total = self.cpu_total
        if total is None:
            return None
        found = [self._cpu_modes[m] for m in modes if m in self._cpu_modes]
        return np.sum(found, axis=0) / total if found else np.zeros_like(total)

    @cached_property
    def cpu_busy(self) -> Float64 | None:
        """Share of the CPU time that the host had, without what the hypervisor took."""
        idle, steal = self.cpu_share("idle", "iowait"), self.cpu_share("steal")
        if idle is None or steal is None:
            return None
        had = 1 - steal
        return np.where(had > 0, 1 - idle / had, np.nan)

    @cached_property
    def busiest_cpu(self) -> Float64 | None:
        """Busy share of the busiest CPU in each interval."""
        shares = []
        for n in range(self.cpus):
            found = {
                m: r
                for m in ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
                if (r := self.rate(f"stat.cpu{n}.{m}")) is not None
            }
            if "idle" not in found or len(found) < 3:
                continue
            total = np.sum(list(found.values()), axis=0)
            idle = found["idle"] + found.get("iowait", 0.0)
            with np.errstate(divide="ignore", invalid="ignore"):
                shares.append(np.where(total > 0, 1 - idle / total, np.nan))
        return np.fmax.reduce(shares) if shares else None

    @cached_property
    def runnable(self) -> Float64 | None:
        """Threads that run or wait for a CPU, at the end of each interval."""
        return self.level("stat.procs_running")

    @cached_property
    def blocked(self) -> Float64 | None:
        """Threads in uninterruptible sleep, at the end of each interval."""
        return self.level("stat.procs_blocked")

    def pressure(self, resource: str, kind: str = "some") -> Float64 | None:
        """Return the share of time in which tasks waited for a resource (PSI)."""
        rate = self.rate(f"pressure.{resource}.{kind}_us")
        return None if rate is None else rate / 1e6
