"""Figures as OpenMetrics text, from which ``promtool tsdb create-blocks-from`` fills Prometheus.

A figure is a gauge ``mpi_collector_FIGURE`` with the labels ``host``, ``run`` and ``benchmark``, at
the end of each interval; what is unknown has no sample. ``mpi_collector_phase`` is 1 from the begin
of a phase on and 0 from its end on.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, BinaryIO

import numpy as np

from mpi_collector.store.figure_table import FigureTable
from mpi_collector.store.host import Float64, Int64

_PREFIX = "mpi_collector_"
_PHASE = f"{_PREFIX}phase"
_IN_MEMORY = 1 << 18  #: bytes of a family; what is more goes to a temporary file


def write(figures: FigureTable, about: Mapping[str, Any], file: BinaryIO) -> None:
    """Write the text: a family of samples a figure, of all hosts, then the phases.

    The samples of a family follow each other, so each family has a temporary file beside ``file``
    while hosts are read one by one.
    """
    of_run = {name: about[name] for name in ("run", "benchmark") if about[name] is not None}
    with ExitStack() as stack:
        families: dict[str, Any] = {}
        for figure in figures.figures:
            families[figure.name] = family = stack.enter_context(
                tempfile.SpooledTemporaryFile(_IN_MEMORY)
            )
            doc = f"{figure.doc}, {figure.unit}"
            family.write(_head(_PREFIX + figure.name, doc))
        for rows in figures:
            labels = _labels({"host": rows.host, **of_run})
            for name, values in rows.values.items():
                families[name].writelines(_samples(_PREFIX + name, labels, rows.end_ns, values))
        for family in families.values():
            family.seek(0)
            shutil.copyfileobj(family, file)
    if about["phases"]:
        file.write(_head(_PHASE, "1 during a phase"))
        file.writelines(_phase_samples(about["phases"], of_run))
    file.write(b"# EOF\n")


def _head(name: str, doc: str) -> bytes:
    return f"# HELP {name} {_escaped(doc)}\n# TYPE {name} gauge\n".encode()


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _labels(labels: Mapping[str, str]) -> str:
    shown = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + ",".join(shown) + "}"


def _samples(name: str, labels: str, times_ns: Int64, values: Float64) -> Iterator[bytes]:
    known = np.isfinite(values)
    for at, value in zip(times_ns[known].tolist(), values[known].tolist()):
        yield _line(name, labels, value, at)


def _line(name: str, labels: str, value: float, at_ns: int) -> bytes:
    seconds, ns = divmod(at_ns, 10**9)
    return f"{name}{labels} {value!r} {seconds}.{ns:09d}\n".encode(errors="backslashreplace")


def _phase_samples(
    phases: Iterable[Mapping[str, Any]], of_run: Mapping[str, str]
) -> Iterator[bytes]:
    """Yield the edges of all phases: a series per name, on any host."""
    edges: dict[str, dict[int, int]] = {}
    for phase in phases:
        changes = edges.setdefault(phase["name"], {})
        if phase["begin_ns"] < phase["end_ns"]:
            for at, change in ((phase["begin_ns"], 1), (phase["end_ns"], -1)):
                changes[at] = changes.get(at, 0) + change
    for name, changes in edges.items():
        labels = _labels({"phase": name, **of_run})
        depth, shown = 0, 0
        for at in sorted(changes):
            depth += changes[at]
            if (now := int(depth > 0)) != shown:
                shown = now
                yield _line(_PHASE, labels, now, at)
