"""Figures: what a host did, derived from its columns. The registry of all subjects.

``derive(host)`` turns the rows of a host into intervals. Interval i lies between rows i and i + 1.
A rate is the growth of a counter over the exact time between the two rows; where a source was not
due at some rows, over the time between the rows at which it was read. A level (memory) is the value
at the end of the interval. A figure is absent when its columns were not recorded, and NaN in
intervals where it is unknown. No value is clamped.

A subject is a module of this folder with a ``Subject`` in it; see ``base``.
"""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np

from mpi_collector.store.figures.base import Deriver, Subject
from mpi_collector.store.figures.derived import Derived, DeviceFigures
from mpi_collector.store.figures.figure import Chart, Figure, NoChart
from mpi_collector.store.host import Host
from mpi_collector.store.notices import source_notices
from mpi_collector.store.throttling import throttling_notes


def _subjects() -> tuple[Subject, ...]:
    """Import the modules of this folder and return the subjects found there, by ``order``."""
    found: list[Subject] = []
    for name in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        module = importlib.import_module(f"{__name__}.{name}")
        found += [s for s in vars(module).values() if isinstance(s, Subject)]
    return tuple(sorted(found, key=lambda s: s.order))


def _chart_order(figure: Figure) -> int:
    chart = figure.chart
    return figure.order if not isinstance(chart, Chart) or chart.order is None else chart.order


SUBJECTS = _subjects()
#: in the order of tables
FIGURES = tuple(sorted((f for s in SUBJECTS for f in s.figures), key=lambda f: f.order))
BY_NAME = {f.name: f for f in FIGURES}
#: those that have a chart, in the order of the page
CHARTED = tuple(sorted((f for f in FIGURES if isinstance(f.chart, Chart)), key=_chart_order))
#: {name: why it has no chart}
UNCHARTED = {f.name: f.chart.reason for f in FIGURES if isinstance(f.chart, NoChart)}
#: those that the map of hosts over time offers
HEAT_MAPPED = tuple(f for f in CHARTED if isinstance(f.chart, Chart) and f.chart.heat)


def derive_devices(host: Host) -> list[DeviceFigures]:
    """Return the devices of a host, each with the figures that it has by itself.

    Disks, interfaces, mounts, GPUs and ports, counted ones and others.
    """
    out = []
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = Deriver(host)
        for subject in SUBJECTS:
            for listed in subject.lists:
                left_out = listed.why_not(whole)
                for name in listed.names(whole):
                    alone = whole.only(listed.source, name)
                    if alone.intervals:
                        subject.derive(alone)
                    series = alone.derived.series.items()
                    figures = {n: s for n, s in series if BY_NAME[n].of_devices}
                    why_not = left_out.get(name, "")
                    out.append(DeviceFigures(listed.kind, listed.source, name, why_not, figures))
    return out


def derive(host: Host) -> Derived:
    """Return all figures of a host. Reads its ``values``; ``host.release()`` lets go of them."""
    with np.errstate(divide="ignore", invalid="ignore"):
        deriver = Deriver(host)
        deriver.derived.notes += throttling_notes(host.meta) + source_notices(host.meta)
        if deriver.intervals:
            for subject in SUBJECTS:
                subject.derive(deriver)
        deriver.note_unknown()
    return deriver.derived
