"""The machines of a run and its single devices, as sections of the page."""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple

from markupsafe import Markup

from mpi_collector.report.device_tables import DEVICE_TITLES
from mpi_collector.report.machine import Facts, by_machine
from mpi_collector.report.page.data import PageData
from mpi_collector.report.page.device_lines import VALUES_MOST, DeviceLines
from mpi_collector.report.page.downsample import FEW_HOSTS
from mpi_collector.report.page.templates import render
from mpi_collector.report.quantity import quantity, ranges

_GROUPS = 8  #: of hosts that are alike, beside each other


class Machines(NamedTuple):
    """Hosts that are alike."""

    hosts: str
    facts: Facts


def machines(page: PageData) -> Markup:
    """Return what the hosts are: a column for those that are alike, differences marked."""
    known = {key: h["machine"] for key, h in page.summary["hosts"].items() if h["machine"]}
    found = by_machine(known)
    groups = [Machines(ranges(hosts), facts) for hosts, facts in found[:_GROUPS]]
    rows = list(dict.fromkeys(chain.from_iterable(group.facts for group in groups)))
    return render("machines.html", groups=groups, rows=rows, beyond=len(found) - len(groups))


def devices(page: PageData) -> Markup:
    """Return the list from which the devices with charts are chosen."""
    lines = page.devices
    if lines is None:
        about = (
            f"With more than {FEW_HOSTS} hosts the page has no charts of single devices: "
            "see summary --devices, or export."
        )
        return render("devices.html", about=about, kinds=[])
    several = len(page.hosts) > 1
    kinds: dict[str, list[tuple[int, str]]] = {}
    for number, device in enumerate(lines.devices):
        name = f"{device.host}: {device.name}" if several else device.name
        rest = "" if device.counted else ", not in totals"
        text = f"{name}  ({quantity(device.rate, device.unit)}{rest})"
        kinds.setdefault(DEVICE_TITLES[device.kind], []).append((number, text))
    return render("devices.html", about=_about(lines), kinds=list(kinds.items()))


def _about(lines: DeviceLines) -> str:
    texts = ["Choose devices; the busiest of each kind come first."]
    if not lines.devices:
        texts = ["No recorded device showed any activity."]
    if lines.idle:
        texts.append(f"{lines.idle} of which all figures are zero are left out.")
    if lines.unknown:
        texts.append(f"Of {lines.unknown} no figure is known.")
    if lines.beyond:
        texts.append(
            f"{lines.beyond} less active ones are left out, since the page holds at most "
            f"{VALUES_MOST:,} values of devices: export has their columns."
        )
    if lines.bin_s:
        texts.append(f"Each point covers {lines.bin_s:g} s: its lowest and highest value.")
    return " ".join(texts)
