"""Pressure stall information (PSI, Documentation/accounting/psi.rst): the "some" lines."""

from __future__ import annotations

from mpi_collector.store.figures.base import Deriver, Subject
from mpi_collector.store.figures.figure import DRAWN, Chart, Figure

PRESSURE = Subject(order=90, optional=True)


def _figure(resource: str, label: str, chart: Chart) -> Figure:
    return PRESSURE.figure(
        f"pressure_{resource}_percent",
        f"{label} pressure",
        "%",
        "mean",
        f"time in which at least one task waited for {label} (PSI some)",
        chart=chart,
    )


BY_RESOURCE = {
    "cpu": _figure("cpu", "CPU", DRAWN),
    "io": _figure("io", "I/O", Chart(order=89)),  # the first chart of these
    "memory": _figure("memory", "memory", DRAWN),
}


@PRESSURE.computed_by
def derive_pressure(host: Deriver) -> None:
    """Add the share of time under pressure for each resource that was recorded."""
    for resource, figure in BY_RESOURCE.items():
        name = f"pressure.{resource}.some_us"
        if name in host.columns:
            host.add(figure, host.growth(name) / (host.seconds * 1e4))
