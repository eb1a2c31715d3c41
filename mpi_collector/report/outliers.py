"""Hosts that stand out from the others, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpi_collector.report.cluster import HostFigures
from mpi_collector.store.figures import FIGURES
from mpi_collector.store.figures.figure import Figure, Scale

_MIN_HOSTS = 3  #: of two hosts nobody can say which one is the outlier
_LOW = 0.7  #: times the median
_HIGH = 1.4
_DEVIATIONS = 5.0  #: times the median absolute deviation, scaled to a standard deviation
_MAD_SCALE = 1.4826


@dataclass(frozen=True)
class Outlier:
    """A figure of a host that is far from that of most hosts.

    ``value``, ``median``: means over time of the host and of the median host. ``ratio``: value /
    median, None where the median is 0.
    """

    host: str
    figure: str
    value: float
    median: float
    ratio: float | None

    @property
    def severity(self) -> float:
        return 100.0 if not self.ratio else max(self.ratio, 1 / self.ratio)


def outliers(hosts: Sequence[HostFigures]) -> list[Outlier]:
    """Return the outliers: the worst host first, the figures of a host in their order."""
    found: list[Outlier] = []
    for figure in FIGURES:
        means = {h.key: h.figures[figure.name].mean for h in hosts if figure.name in h.figures}
        known = {key: mean for key, mean in means.items() if np.isfinite(mean)}
        if len(known) >= _MIN_HOSTS:
            found += _of_figure(figure, known)
    worst: dict[str, float] = {}
    for o in found:
        worst[o.host] = max(worst.get(o.host, 0.0), o.severity)
    return sorted(found, key=lambda o: (-worst[o.host], o.host))  # stable: figures stay in order


def _of_figure(figure: Figure, means: dict[str, float]) -> list[Outlier]:
    """Percentages are compared by their difference from the median, others by the ratio too."""
    values = np.array(list(means.values()))
    median = float(np.median(values))
    far = _DEVIATIONS * _MAD_SCALE * float(np.median(np.abs(values - median)))
    out = []
    for key, value in means.items():
        apart = abs(value - median)
        ratio = value / median if median else None
        odd = figure.scale is Scale.PERCENT or ratio is None or ratio <= _LOW or ratio >= _HIGH
        if odd and apart > far and apart >= figure.outlier_floor:
            out.append(Outlier(key, figure.name, value, median, ratio))
    return out
