"""Tables of single devices and of phases, as rows of text: for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from mpi_collector.report.figure_tables import shown_in_tables
from mpi_collector.report.quantity import NOTHING, duration, number, quantity, ranges, scale
from mpi_collector.report.summary_document import (
    DeviceName,
    DeviceSummary,
    PhaseSummary,
    SummaryDocument,
)
from mpi_collector.store.figures import BY_NAME
from mpi_collector.store.figures.cpu import BUSY
from mpi_collector.store.figures.disk import READ_LATENCY, WRITE_LATENCY

DEVICE_TITLES = {
    "disk": "disks",
    "interface": "interfaces",
    "mount": "mounts",
    "gpu": "GPUs",
    "fabric": "fabric ports",
}
_LATENCIES = (READ_LATENCY.name, WRITE_LATENCY.name)


class TextTable(NamedTuple):
    """``headings``: a line break divides the name of a figure from its unit."""

    title: str
    headings: list[str]
    rows: list[list[str]]


def device_tables(doc: SummaryDocument) -> Iterator[TextTable]:
    """Yield a table for each kind of device: a row per device, a column per figure.

    Figures that are 0 or unknown of all devices of the kind are left out.
    """
    several = len(doc["hosts"]) > 1
    for kind, title in DEVICE_TITLES.items():
        devices = [d for d in doc["devices"] if d["kind"] == kind]
        if devices:
            yield _device_table(title, devices, several)


def _device_table(title: str, devices: Sequence[DeviceSummary], several: bool) -> TextTable:
    headings = [title]
    rows = [[f"{d['host']}: {d['name']}" if several else d["name"]] for d in devices]
    for name in dict.fromkeys(n for d in devices for n in d["figures"]):
        values = [d["figures"].get(name) for d in devices]
        means = [v["mean"] if v else None for v in values]
        if any(means):
            _add_column(headings, rows, name, "", means)
        if BY_NAME[name].unit == "bytes/s" and any(means):
            _add_column(headings, rows, name, " peak", [v["peak"] if v else None for v in values])
    headings.append("in totals")
    for row, device in zip(rows, devices):
        row.append("yes" if device["counted"] else "no")
    return TextTable(title, headings, rows)


def _add_column(
    headings: list[str], rows: list[list[str]], name: str, what: str, values: list[float | None]
) -> None:
    about = BY_NAME[name]
    unit, by = scale(about.unit, max((abs(v) for v in values if v is not None), default=0.0))
    headings.append(f"{about.label}{what}\n{unit}")
    for row, value in zip(rows, values):
        row.append(number(value, by))


def left_out(reasons: Mapping[str, str]) -> str:
    """Return ``loop0-7 (a loop device: ...), lo (loopback)``, or ``none``; {device: reason}."""
    names: dict[str, list[str]] = {}
    for name, why in reasons.items():
        names.setdefault(why, []).append(name)
    return ", ".join(f"{ranges(some)} ({why})" for why, some in names.items()) or "none"


def not_counted(doc: SummaryDocument) -> list[str]:
    """Return why devices are in no total, those with the same reason together."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for device in doc["devices"]:
        if device["why_not"]:
            found.setdefault((device["kind"], device["why_not"]), {})[device["name"]] = None
    return [
        f"{DEVICE_TITLES[kind]} not counted: {ranges(names)}: {why}"
        for (kind, why), names in found.items()
    ]


# ---- phases
def phase_table(doc: SummaryDocument) -> TextTable | None:
    """Return the table of phases: duration, bytes, rates, latency, busiest device, CPU, limit."""
    phases = doc["phases"]
    if not phases:
        return None
    several = len(doc["hosts"]) > 1
    rates = [n for n in doc["figures"] if _is_rate_of_phases(n, phases)]
    limited = any(p["limited_by"] for p in phases)
    headings = ["phase", "duration", "bytes", *(BY_NAME[n].label for n in rates)]
    headings += [BY_NAME[n].label for n in _LATENCIES] + ["busiest disk", "CPU busy", "busiest CPU"]
    headings += ["limited by"] if limited else []
    rows = []
    for phase in phases:
        row = [phase["name"] or "(no text)", _lasted(phase), _bytes(phase["bytes"])]
        row += [_mean(phase, n) for n in (*rates, *_LATENCIES)]
        row += [_named(phase["busiest"], several), _mean(phase, BUSY.name)]
        row += [_named(phase["busiest_cpu"], several)]
        row += [phase["limited_by"] or NOTHING] if limited else []
        rows.append(row)
    return TextTable("phases", headings, rows)


def _is_rate_of_phases(name: str, phases: Sequence[PhaseSummary]) -> bool:
    """Return whether a figure of bytes per second moved in any of the phases."""
    means = [p["figures"][name]["mean"] for p in phases if name in p["figures"]]
    return BY_NAME[name].unit == "bytes/s" and any(means) and shown_in_tables(name, max(means))


def _lasted(phase: PhaseSummary) -> str:
    times = len(phase["stretches"])
    return duration(phase["duration_s"]) + (f" ({times} x)" if times > 1 else "")


def _bytes(amount: float | None) -> str:
    return quantity(amount, "bytes")


def _mean(phase: PhaseSummary, name: str) -> str:
    values = phase["figures"].get(name)
    return quantity(values["mean"] if values else None, BY_NAME[name].unit)


def _named(device: DeviceName | None, several: bool) -> str:
    if device is None:
        return NOTHING
    return f"{device['name']} on {device['host']}" if several else device["name"]
