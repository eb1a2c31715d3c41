"""Recordings side by side: figures with intervals, phases, differences of the machines."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from mpi_collector.formats.host_changes import CONSTANT_PARTS, changes
from mpi_collector.report.cluster import Cluster, aggregate_hosts
from mpi_collector.report.comparable import ComparedRun, doubts
from mpi_collector.report.compared import (
    BYTES,
    DURATION,
    WHOLE_RUN_FIGURES,
    ComparedFigure,
    ComparedPhase,
    Comparison,
)
from mpi_collector.report.noise import RunValue, TickError, ratio_interval, tick_error
from mpi_collector.report.phases import STORAGE, moved_bytes
from mpi_collector.report.summary import document
from mpi_collector.store.figures import BY_NAME, cpu, network
from mpi_collector.store.recording import Recording

#: the parts of a snapshot that say which machine it is and how it is set; the others always move
_SETTINGS = (*CONSTANT_PARTS, "nics", "infiniband", "drives", "mounts")
_NAMED = 3  #: hosts in a line
_LATENCY = re.compile(r"\w+_ms")
_NETWORK = (network.RX_BYTES.name, network.TX_BYTES.name)
_CPU = (cpu.BUSY.name,)


def align(recording: Recording, mark: str) -> Recording:
    """Return the part that the phase ``mark`` covers, or all that comes after the moment ``mark``.

    KeyError names the marks there are.
    """
    found = [p for p in recording.marks if p.name == mark]
    if found and all(p.moment for p in found):
        return recording.between(found[0].begin_ns, int(recording.run["end_ns"]))
    return recording.during(mark)


class _Run:
    """What is kept of a run: its summary, and its figures over time."""

    def __init__(self, recording: Recording, side: str) -> None:
        cluster = aggregate_hosts(recording)
        self.summary = document(recording, cluster)
        self._cluster = cluster
        self._start_ns = recording.run["start_ns"]
        moved = moved_bytes(cluster)
        self.about = ComparedRun(side, str(recording.path), self.summary, moved)
        self._whole = {DURATION: self.summary["span_s"], BYTES: moved}

    @cached_property
    def whole(self) -> _Part:
        means = {name: total.mean for name, total in self._cluster.totals.items()}
        slots = np.ones(len(self._cluster.begin_ns), dtype=np.bool_)
        return _Part(self._cluster, slots, self._start_ns, {**means, **self._whole})

    def phase(self, name: str) -> _Part | None:
        """Return a phase of the run; None: it has none of this name."""
        found = next((p for p in self.summary["phases"] if p["name"] == name), None)
        if found is None:
            return None
        means = {figure: values["mean"] for figure, values in found["figures"].items()}
        whole = {DURATION: found["duration_s"], BYTES: found["bytes"]}
        slots = np.zeros(len(self._cluster.begin_ns), dtype=np.bool_)
        for begin_ns, end_ns in found["stretches"]:
            slots |= (self._cluster.begin_ns < end_ns) & (self._cluster.end_ns > begin_ns)
        return _Part(self._cluster, slots, self._start_ns, {**means, **whole})

    def peak(self, name: str) -> float | None:
        total = self.summary["cluster"].get(name)
        return total["peak"] if total else None


class _Part:
    """A run, or a phase of it: ``means`` of its figures, and their values in ``slots``."""

    def __init__(
        self,
        cluster: Cluster,
        slots: npt.NDArray[np.bool_],
        start_ns: int,
        means: Mapping[str, float | None],
    ) -> None:
        self._cluster = cluster
        self._slots = slots
        self._start_ns = start_ns
        self._means = means

    @cached_property
    def _speed(self) -> TickError | None:
        """The error of the mean speed of the work."""
        return _work_error(self._cluster, self._slots)

    def value(self, name: str) -> RunValue | None:
        """Return a figure; None: not known."""
        mean = self._means.get(name)
        if mean is None or not math.isfinite(mean):
            return None
        total = self._cluster.totals.get(name)
        ticks = np.zeros(0) if total is None else total.values[self._slots]
        # known as well as the speed of the work at most
        least = self._speed if total is None or _LATENCY.fullmatch(name) else None
        return RunValue(mean, ticks, self._start_ns, least)


def _work_error(cluster: Cluster, slots: npt.NDArray[np.bool_]) -> TickError | None:
    """Return the error of the mean speed: bytes of storage, else of the network, else CPU time."""
    for names in (STORAGE, _NETWORK, _CPU):
        totals = [cluster.totals[name].values[slots] for name in names if name in cluster.totals]
        speed = np.nansum(totals, axis=0)[np.isfinite(totals).any(axis=0)] if totals else ()
        if np.any(speed):
            return tick_error(RunValue(float(np.mean(speed)), np.asarray(speed)))
    return None


def compare(
    a: Sequence[Recording], b: Sequence[Recording], confidence: float | None = None
) -> Comparison:
    """Compare runs. RecordingError when one cannot be read.

    ``confidence``: of the intervals, by default that of ``noise``.
    """
    left, right = _sides(a, "A"), _sides(b, "B")
    names = [*WHOLE_RUN_FIGURES, *BY_NAME]
    figures = [_figure(n, left, right, confidence) for n in names]
    phases = dict.fromkeys(p["name"] for r in (*left, *right) for p in r.summary["phases"])
    runs = [run.about for run in (*left, *right)]
    return Comparison(
        runs,
        {f.name: f for f in figures if f.a is not None or f.b is not None},
        [_phase(name, left, right, confidence) for name in phases],
        differences(a[0], b[0]),
        doubts(runs),
    )


def _sides(recordings: Sequence[Recording], side: str) -> list[_Run]:
    several = len(recordings) > 1
    return [_Run(r, f"{side}{n if several else ''}") for n, r in enumerate(recordings, 1)]


def _phase(
    name: str, left: Sequence[_Run], right: Sequence[_Run], confidence: float | None
) -> ComparedPhase:
    parts = [[run.phase(name) for run in side] for side in (left, right)]
    found: dict[str, ComparedFigure] = {}
    for figure in (*WHOLE_RUN_FIGURES, *BY_NAME):
        a, b = ([None if part is None else part.value(figure) for part in side] for side in parts)
        compared = _compared(figure, a, b, confidence)
        if compared.a is not None or compared.b is not None:
            found[figure] = compared
    return ComparedPhase(name, found)


def _figure(
    name: str, left: Sequence[_Run], right: Sequence[_Run], confidence: float | None
) -> ComparedFigure:
    a, b = ([run.whole.value(name) for run in side] for side in (left, right))
    peaks = [_greatest(run.peak(name) for run in side) for side in (left, right)]
    return _compared(name, a, b, confidence, *peaks)


def _compared(
    name: str,
    a: Sequence[RunValue | None],
    b: Sequence[RunValue | None],
    confidence: float | None,
    a_peak: float | None = None,
    b_peak: float | None = None,
) -> ComparedFigure:
    known_a, known_b = ([v for v in side if v is not None] for side in (a, b))
    interval = None
    if len(known_a) == len(a) and len(known_b) == len(b):
        how = {} if confidence is None else {"confidence": confidence}
        interval = ratio_interval(known_a, known_b, **how)
    means = [_mean(known, of) for known, of in ((known_a, a), (known_b, b))]
    return ComparedFigure(name, means[0], means[1], a_peak, b_peak, interval)


def _mean(known: Sequence[RunValue], of: Sequence[object]) -> float | None:
    """Return the mean of the runs, None unless all of them know it."""
    return sum(v.mean for v in known) / len(known) if known and len(known) == len(of) else None


def _greatest(values: Iterable[float | None]) -> float | None:
    return max((v for v in values if v is not None), default=None)


def differences(a: Recording, b: Recording) -> list[str]:
    """Return what differs between the machines, one line per difference.

    Hosts of the same name are compared, or else the first host of each recording. A line names the
    hosts unless all have the difference.
    """
    pairs = [(k, k) for k in a if k in b] or list(zip(a, b))[:1]
    found: dict[str, list[str]] = {}
    for left, right in pairs:
        one = a[left].meta.get("snapshot")
        two = b[right].meta.get("snapshot")
        if one and two:
            for text in changes(_settings(one), _settings(two)):
                found.setdefault(text, []).append(left)
    return [text + ("" if len(h) == len(pairs) else _where(h)) for text, h in found.items()]


def _settings(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    return {k: snapshot.get(k) for k in _SETTINGS}


def _where(hosts: Sequence[str]) -> str:
    return f" ({', '.join(hosts[:_NAMED])}{' ...' if len(hosts) > _NAMED else ''})"
