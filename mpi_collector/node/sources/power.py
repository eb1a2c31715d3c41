"""Energy and temperature: RAPL and sensors.

/sys/class/powercap (Documentation/power/powercap), /sys/class/hwmon
(Documentation/hwmon/sysfs-interface.rst).
"""

import os
import re

from ..read.kernel_file import list_names, read_once
from ..row.layout import Field
from .base import FileGroupSource

_HWMON = re.compile(r"(power\d+_(average|input)|temp1_input|energy\d+_input)\Z")
_DRIVE = re.compile(r"nvme\d+\Z")
_WORD_MAX = 256
_POWERCAP = "sys/class/powercap"


class Power(FileGroupSource):
    """Devices: ``package-0`` and its parts; sensors as ``coretemp:hwmon3``, ``nvme0:hwmon1``.

    The kernel shows RAPL to root only since 5.10; the sensors to everybody. Of a package that is
    there twice, through registers of the CPU and through memory (intel-rapl, intel-rapl-mmio,
    intel-rapl-tpmi), one is read: the first in this order that may be.
    """

    name = "power"
    order = 25
    copies_numbers = True
    in_one_piece = True
    kernel_file = "/sys/class/powercap/*/energy_uj, /sys/class/hwmon/*"
    doc = (
        "energy of packages and memory (RAPL), power and temperature sensors, "
        "NVMe drives among them"
    )
    may_block = True  # sensors may be behind a slow bus
    budget_us = 20000
    every = 4
    default = False
    privileged = True

    def files(self, root: str) -> "list[tuple[str, str]]":
        out = []
        for name, zone in _zones(root):
            device = "%s:%s:" % (name, zone.replace(":", "."))
            at = "%s/%s/" % (_POWERCAP, zone)
            out.append((device + "energy_uj", at + "energy_uj"))
            out.append((device + "max_energy_range_uj", at + "max_energy_range_uj"))
        for chip in list_names(root, "sys/class/hwmon"):
            at = "sys/class/hwmon/" + chip
            # a drive by its own name, with its composite temperature (temp1)
            target = os.path.basename(os.path.realpath(os.path.join(root, at, "device")))
            name = target if _DRIVE.match(target) else _word(root, at + "/name") or "sensor"
            out += [
                ("%s:%s:%s" % (name, chip, file), at + "/" + file)
                for file in list_names(root, at)
                if _HWMON.match(file)
            ]
        return [(label, path) for label, path in out if " " not in label]

    def field(self, table: str, name: str) -> Field:
        if name == "max_energy_range_uj":
            return Field(name, "uJ", "gauge", "value at which energy_uj begins again at 0")
        if name.startswith("energy"):
            return Field(name, "uJ", "counter", "energy used")
        if name.startswith("power"):
            return Field(name, "uW", "gauge", "power drawn")
        return Field(name, "mC", "gauge", "temperature in thousandths of a degree Celsius")

    def known_fields(self, raw: bytes) -> "dict[str, tuple[str, ...]]":
        return {"energy": ("energy_uj", "max_energy_range_uj")} if b":energy_uj\n" in raw else {}

    def later_fields(self) -> "dict[str, tuple[str, ...]]":
        return {
            "energy": ("energy_uj", "max_energy_range_uj"),
            "power": ("power1_average", "power1_input"),
            "temp": ("temp1_input",),
        }

    def table_of(self, line: bytes) -> str:
        """Return what is measured: energy, power or temp."""
        words = line.split(b" ")
        if len(words) != 3:
            return ""
        if words[1] == b"max_energy_range_uj":
            return "energy"
        return words[1].split(b"_")[0].rstrip(b"0123456789").decode("ascii", "replace")


def _zones(root: str) -> "list[tuple[str, str]]":
    """Return (name, zone) of the RAPL zones to read: ``package-0``, ``intel-rapl:0``."""
    names = {zone: _word(root, "%s/%s/name" % (_POWERCAP, zone)) for zone in _rapl(root)}
    same: "dict[tuple[str, str], list[str]]" = {}
    for zone, name in names.items():
        if name:
            package = names.get(zone.rpartition(":")[0], "")  # both packages have a dram
            same.setdefault((package, name), []).append(zone)
    return [
        (name, next((zone for zone in zones if _is_readable(root, zone)), zones[0]))
        for (_package, name), zones in same.items()
    ]


def _rapl(root: str) -> "list[str]":
    """Return the zones, those of the registers of CPUs first."""
    zones = list_names(root, _POWERCAP)
    return sorted(zones, key=lambda zone: (zone.partition(":")[0], zone))


def _is_readable(root: str, zone: str) -> bool:
    return os.access(os.path.join(root, _POWERCAP, zone, "energy_uj"), os.R_OK)


def _word(root: str, path: str) -> str:
    """Return the text of a file of one word, "" when it cannot be read."""
    try:
        return read_once(os.path.join(root, path))[:_WORD_MAX].decode("utf-8").strip()
    except ValueError:
        return ""
