"""The live state of a run on the launch side, and the document that its door gives (``--live``)."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from mpi_collector.formats.live_document import (
    HOSTS_MOST,
    VERSION,
    LiveDocument,
    LiveFigure,
    LiveHost,
    LivePhase,
)
from mpi_collector.node.agent.live import NO_VECTOR
from mpi_collector.node.compat import mono_ns, wall_ns
from mpi_collector.node.spool import marks

if TYPE_CHECKING:
    from mpi_collector.benchmark.run_state import RunState
    from mpi_collector.transport.base import HostState

_STALE_PERIODS = 3  #: a host without growth for so many of them, and so many seconds, is late
_STALE_S = 5.0
_PHASES_MOST = 256


class LiveRun:
    """Keeps the newest vector of every host; figures are derived when somebody asks for them."""

    def __init__(self, run: RunState) -> None:
        self._run = run
        self._status: dict[str, dict[str, Any]] = {}  # newest vector of each host
        self._grown: dict[str, dict[str, Any]] = {}  # newest vector with growth
        self._came_ns: dict[str, int] = {}  # when that came
        self._built: tuple[int, bytes] = (0, b"")
        self._version = 0

    def _take(self) -> None:
        """Take the vectors that have come."""
        for key, (vector, came_ns) in self._run.transport.live.take().items():
            self._version += 1
            if vector["tick"] >= 0:
                self._status[key] = vector
            if vector["ns"]:
                self._grown[key] = vector
                self._came_ns[key] = came_ns

    def document(self) -> bytes:
        """Return the live document as JSON."""
        self._take()
        version, data = self._built
        now = mono_ns()
        if not data or version != self._version or not self._run.plan.sampling.live_s:
            data = json.dumps(self._document(now), allow_nan=False).encode()
            self._built = self._version, data
        return data

    def _document(self, now: int) -> LiveDocument:
        run = self._run
        transport = run.transport
        hosts = transport.hosts
        figures = self._figures(hosts, now)
        shown = hosts[:HOSTS_MOST]
        status = transport.status()
        return {
            "version": VERSION,
            "run": run.run,
            "utc_ns": wall_ns(),
            "elapsed_s": (now - run.started_ns) * 1e-9,
            "interval_s": float(run.plan.sampling.interval_s),
            "live_s": float(run.plan.sampling.live_s),
            "hosts": len(hosts),
            "sampling": status["sampling"],
            "phases": self._phases(),
            "figures": {name: _across(name, values) for name, values in figures.items()},
            "by_host": {
                host.key: self._host(host, i, figures, now) for i, host in enumerate(shown)
            },
        }

    def _figures(self, hosts: list[HostState], now: int) -> dict[str, list[float]]:
        """Return {figure: value of each host}; NaN where unknown, or of long ago."""
        if not self._grown:
            return {}
        from mpi_collector.store.live_figures import live_figures  # imports numpy

        vectors = [
            self._grown[h.key] if self._is_fresh(h.key, now) else dict(NO_VECTOR) for h in hosts
        ]
        return {name: values.tolist() for name, values in live_figures(vectors).items()}

    def _is_fresh(self, key: str, now: int) -> bool:
        limit_s = max(_STALE_PERIODS * self._run.plan.sampling.live_s, _STALE_S)
        return key in self._grown and now - self._came_ns[key] <= limit_s * 1e9

    def _host(self, host: HostState, i: int, figures: dict[str, list[float]], now: int) -> LiveHost:
        vector = self._status.get(host.key, NO_VECTOR)
        came = self._came_ns.get(host.key)
        return {
            "state": self._state(host, now),
            "tick": vector["tick"],
            "missed": vector["missed"],
            "age_s": None if came is None else (now - came) * 1e-9,
            "figures": {name: _known(values[i]) for name, values in figures.items()},
        }

    def _state(self, host: HostState, now: int) -> str:
        if host.error or host.cut_off:
            return str(host.error or host.cut_off)[:1000]
        if not host.sampling:
            return "not sampling"
        late = host.key in self._grown and not self._is_fresh(host.key, now)
        return "late" if late else "sampling"

    def _phases(self) -> list[LivePhase]:
        """Return the phases that are open, by the marks that were made on this host."""
        open_ones: dict[str, list[int]] = {}
        for mark in marks.read(self._run.run_directory.marks_path):
            if mark["edge"] == "begin":
                open_ones.setdefault(mark["text"], []).append(mark["mono_ns"])
            elif mark["edge"] == "end" and open_ones.get(mark["text"]):
                open_ones[mark["text"]].pop()
        found: list[LivePhase] = [
            {"name": name, "since_s": (times[0] - self._run.started_ns) * 1e-9}
            for name, times in open_ones.items()
            if times
        ]
        return found[-_PHASES_MOST:]


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _across(name: str, values: list[float]) -> LiveFigure:
    """Return a figure of all hosts together, unknown ones apart."""
    from mpi_collector.store.figures import BY_NAME

    figure = BY_NAME[name]
    known = [v for v in values if math.isfinite(v)]
    total = sum(known)
    whole = total if figure.across == "sum" else total / max(len(known), 1)
    return {
        "label": figure.label,
        "unit": figure.unit,
        "across": figure.across,
        "value": whole if known else None,
        "least": min(known, default=None),
        "most": max(known, default=None),
        "hosts": len(known),
    }
