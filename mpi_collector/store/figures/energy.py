"""Power and energy of hosts: RAPL and sensors (power), GPUs (gpu); bytes moved per joule.

The energy of a package includes that of its cores, and not that of its memory. A meter of the whole
host is better than a sum of parts, where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from mpi_collector.store.figures.base import Deriver, Subject, known_sum, not_negative, positive
from mpi_collector.store.figures.disk import SECTOR_BYTES
from mpi_collector.store.figures.figure import Chart, Column, Figure, Group, NoChart
from mpi_collector.store.figures.gpu import gpu_watts
from mpi_collector.store.host import Float64

#: of a whole host; without _average or _input it names one sensor
_METER = re.compile(r"(power\.[^.]*(?:power_meter|bmc|ipmi)[^.]*\.power\d+)_(?:average|input)")
_CPU_CHIPS = re.compile(r"(coretemp|k10temp|zenpower|cpu_thermal|acpitz):")
_DRIVES = re.compile(r"(nvme\d+|drivetemp):")
_MICRO = 1e-6

ENERGY = Subject(order=115, group=Group.ENERGY, optional=True)
CPU_POWER = ENERGY.figure(
    "cpu_power_watts",
    "CPU power",
    "W",
    "sum",
    "power of the CPU packages, by their energy counters (RAPL)",
)
DRAM_POWER = ENERGY.figure(
    "dram_power_watts",
    "memory power",
    "W",
    "sum",
    "power of the memory, by its energy counters (RAPL)",
    chart=NoChart("the power of the CPUs is drawn"),
)
HOST_POWER = ENERGY.figure(
    "host_power_watts",
    "host power",
    "W",
    "sum",
    "power of the hosts: by their meters, else the sum of what is known of CPUs, memory and GPUs",
    chart=Chart(heat=True),
    columns=(Column("power"), Column("peak", "peak")),
)
BYTES_PER_JOULE = ENERGY.figure(
    "bytes_per_joule",
    "moved per joule",
    "bytes/J",
    "mean",
    "bytes that the counted drives and the NFS and Lustre mounts read and wrote, per joule",
    chart=NoChart("a mean over a phase says more"),
)
CPU_TEMPERATURE = ENERGY.figure(
    "cpu_temperature_celsius",
    "hottest CPU",
    "C",
    "mean",
    "the hottest CPU package",
    chart=NoChart("limits show in the clock and the power of CPUs"),
)
DRIVE_TEMPERATURE = ENERGY.figure(
    "drive_temperature_celsius",
    "hottest drive",
    "C",
    "mean",
    "the hottest drive (composite temperature)",
    chart=NoChart("drives slow down at some 80 degrees; the mean and the peak show it"),
)


@ENERGY.computed_by
def derive_energy(host: Deriver) -> None:
    """Add watts, bytes per joule, and the highest temperatures."""
    packages = _watts(host, "package")
    memory = _watts(host, "dram")
    host.add(CPU_POWER, packages)
    host.add(DRAM_POWER, memory)
    watts = _metered(host)
    if watts is None:
        watts = known_sum([w for w in (packages, memory, gpu_watts(host)) if w is not None])
    host.add(HOST_POWER, watts)
    moved = _moved(host)
    if watts is not None and moved is not None:
        joules = watts * host.seconds
        host.add(BYTES_PER_JOULE, moved / positive(joules), not_negative(joules))
    _add_hottest(host, CPU_TEMPERATURE, _CPU_CHIPS)
    _add_hottest(host, DRIVE_TEMPERATURE, _DRIVES)


def _watts(host: Deriver, what: str) -> Float64 | None:
    """Return the power of RAPL zones whose name begins so, (intervals,)."""
    zones = [z for z in host.devices("power", "energy_uj") if z.startswith(what)]
    energy_uj = host.total("power", zones, "energy_uj")
    return None if energy_uj is None else energy_uj * _MICRO / host.seconds


def _metered(host: Deriver) -> Float64 | None:
    """Return the power that the meters of the host show, (intervals,); None without a meter."""
    found: dict[str, str] = {}
    for column in sorted(host.columns):
        meter = _METER.fullmatch(column)
        if meter:
            found.setdefault(meter[1], column)  # the average before the value of the moment
    return known_sum([host.level(column) * _MICRO for column in found.values()])


def _moved(host: Deriver) -> Float64 | None:
    """Return the bytes read and written by drives and remote mounts, (intervals,)."""
    drives = host.derived.block.devices
    parts = [
        None if sectors is None else sectors * SECTOR_BYTES
        for sectors in (
            host.total("diskstats", drives, "sectors_read"),
            host.total("diskstats", drives, "sectors_written"),
        )
    ]
    for column in ("server_read_bytes", "server_write_bytes"):
        parts.append(host.total("nfs", host.devices("nfs", column), column))
    for column in ("read_bytes_sum", "write_bytes_sum"):
        mounts = [m for m in host.devices("lustre", column) if m.startswith("llite/")]
        parts.append(host.total("lustre", mounts, column))
    return known_sum([part for part in parts if part is not None])


def _add_hottest(host: Deriver, figure: Figure, chips: re.Pattern[str]) -> None:
    sensors: Iterable[str] = (s for s in host.devices("power", "temp1_input") if chips.match(s))
    levels = [host.level(f"power.{sensor}.temp1_input") for sensor in sensors]
    if levels:
        host.add(figure, np.fmax.reduce(levels) / 1000)
