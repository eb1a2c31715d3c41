"""Which hosts stand out from the others, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpi_collector.report.cluster import HostFigures
from mpi_collector.store.figures.derive import BY_NAME, FIGURES

_FEWEST = 3  #: hosts; of two nobody can say which one is the odd one
_LOW, _HIGH = 0.7, 1.4  #: times the median
_DEVIATIONS = 5.0  #: times the median absolute deviation, scaled to a standard deviation
_MAD_SCALE = 1.4826
_POINTS = 10.0  #: percent figures are compared by their difference
#: differences below these are of no interest, by unit
_FLOOR = {
    "bytes/s": 1e6,
    "1/s": 10.0,
    "ms": 0.1,
    "bytes": 256 * 2**20,
    "requests": 1.0,
    "%": _POINTS,
}
_IGNORED = {"dirty_bytes", "utilisation_percent"}


@dataclass(frozen=True)
class Outlier:
    """``ratio``: the host's mean over that of the median host; None where that is 0."""

    host: str
    figure: str
    value: float
    median: float
    ratio: float | None

    @property
    def severity(self) -> float:
        return 100.0 if not self.ratio else max(self.ratio, 1 / self.ratio)


def outliers(hosts: Sequence[HostFigures]) -> list[Outlier]:
    """Hosts whose mean of some figure is far from that of most: the worst host first, its figures in their order."""
    found: list[Outlier] = []
    for figure in FIGURES:
        rows = [(h.key, h.figures[figure.name][0]) for h in hosts if figure.name in h.figures]
        rows = [(k, v) for k, v in rows if np.isfinite(v)]
        if len(rows) >= _FEWEST and figure.name not in _IGNORED:
            found += _of_figure(figure.name, rows)
    worst: dict[str, float] = {}
    for o in found:
        worst[o.host] = max(worst.get(o.host, 0.0), o.severity)
    return sorted(found, key=lambda o: (-worst[o.host], o.host))  # stable: figures stay in order


def _of_figure(name: str, rows: list[tuple[str, float]]) -> list[Outlier]:
    values = np.array([v for _, v in rows])
    median = float(np.median(values))
    far = _DEVIATIONS * _MAD_SCALE * float(np.median(np.abs(values - median)))
    unit = BY_NAME[name].unit
    out = []
    for key, value in rows:
        apart = abs(value - median)
        ratio = value / median if median else None
        odd = unit == "%" or ratio is None or ratio <= _LOW or ratio >= _HIGH
        if odd and apart > far and apart >= _FLOOR[unit]:
            out.append(Outlier(key, name, value, median, ratio))
    return out
