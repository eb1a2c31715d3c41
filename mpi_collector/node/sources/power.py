"""Energy and temperature: RAPL (/sys/class/powercap) and hwmon (Documentation/hwmon/sysfs-interface.rst)."""

import os
import re

from ..row.layout import Field
from .base import Source, is_number, labelled, scan_cells

_HWMON = re.compile(r"(power\d+_(average|input)|temp1_input|energy\d+_input)\Z")
_DRIVE = re.compile(r"nvme\d+\Z")


class Power(Source):
    """Devices: ``package-0`` and its parts, and sensors as ``coretemp:hwmon3``, ``nvme0:hwmon1``.

    The kernel shows RAPL to root only since 5.10; the sensors to everybody.
    """

    name = "power"
    order = 25
    kernel_file = "/sys/class/powercap/*/energy_uj, /sys/class/hwmon/*"
    doc = "energy of packages and memory (RAPL), power and temperature sensors, NVMe drives among them"
    several = True
    may_block = True  # sensors may sit behind a slow bus
    budget_us = 20000
    every = 4
    default = False
    privileged = True

    def files(self, root: str) -> list:
        out = []
        for zone in _names(root, "sys/class/powercap"):
            at = "sys/class/powercap/" + zone
            name = _word(root, at + "/name")
            if name:
                out.append(("%s:%s:energy_uj" % (name, zone.replace(":", ".")), at + "/energy_uj"))
        for chip in _names(root, "sys/class/hwmon"):
            at = "sys/class/hwmon/" + chip
            # a drive by its own name, with its composite temperature (temp1)
            target = os.path.basename(os.path.realpath(os.path.join(root, at, "device")))
            name = target if _DRIVE.match(target) else _word(root, at + "/name") or "sensor"
            out += [
                ("%s:%s:%s" % (name, chip, f), at + "/" + f)
                for f in _names(root, at)
                if _HWMON.match(f)
            ]
        return [(label, path) for label, path in out if " " not in label]

    def field(self, table: str, name: str) -> "Field":
        if name.startswith("energy"):
            return Field(name, "uJ", "counter", "energy used")
        if name.startswith("power"):
            return Field(name, "uW", "gauge", "power drawn")
        return Field(name, "mC", "gauge", "temperature in thousandths of a degree Celsius")

    def prepare(self, raw: bytes) -> bytes:
        out = []
        for label, lines in labelled(raw):
            device, _, name = label.rpartition(b":")
            value = lines[0].strip() if lines else b""
            if is_number(value) and device:
                out.append(b"%s %s %s" % (device, name, value))
        return b"\n".join(out)

    def scan(self, text: bytes) -> tuple:
        roles: list = []
        problems: list = []
        for line in text.split(b"\n"):
            words = line.split(b" ")
            kind = (
                words[1].split(b"_")[0].rstrip(b"0123456789").decode("ascii", "replace")
                if len(words) == 3
                else ""
            )
            scan_cells([line], roles, problems, kind)
        return roles, problems


def _names(root: str, path: str) -> list:
    try:
        return sorted(os.listdir(os.path.join(root, path)))
    except OSError:
        return []


def _word(root: str, path: str) -> str:
    try:
        with open(os.path.join(root, path)) as f:
            return f.read(256).strip()
    except (OSError, ValueError):
        return ""
