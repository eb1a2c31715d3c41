"""Pressure stall information (PSI, Documentation/accounting/psi.rst)."""

from __future__ import annotations

from mpi_collector.store.figures.base import Deriver, Subject
from mpi_collector.store.figures.figure import DRAWN, Chart, Figure, NoChart

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


def _full(resource: str, label: str) -> Figure:
    return PRESSURE.figure(
        f"pressure_{resource}_full_percent",
        f"{label} pressure, full",
        "%",
        "mean",
        f"time in which all tasks that were not idle waited for {label} (PSI full)",
        chart=NoChart("the time in which some task waited is drawn"),
        hidden_when_zero=True,
    )


BY_RESOURCE = {
    "cpu": _figure("cpu", "CPU", DRAWN),
    "io": _figure("io", "I/O", Chart(order=89)),  # the first chart of these
    "memory": _figure("memory", "memory", DRAWN),
}
#: of CPUs it is 0 but in a cgroup (Linux 5.13)
_FULL = {"io": _full("io", "I/O"), "memory": _full("memory", "memory")}


@PRESSURE.computed_by
def derive_pressure(host: Deriver) -> None:
    """Add the share of time under pressure for each resource that was recorded."""
    for line, figures in (("some", BY_RESOURCE), ("full", _FULL)):
        for resource, figure in figures.items():
            name = f"pressure.{resource}.{line}_us"
            if name in host.columns:
                host.add(figure, host.growth(name) / (host.seconds * 1e4))
