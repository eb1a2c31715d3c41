"""The files of AMD GPUs in sysfs (Documentation/gpu/amdgpu)."""

import os
from collections import namedtuple

from .kernel_file import list_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

#: file below device/, field, divisor; of several files for a field the first that is there counts
_AMD = (
    ("gpu_busy_percent", b"busy_percent", 1),
    ("mem_busy_percent", b"memory_busy_percent", 1),
    ("mem_info_vram_used", b"memory_used_bytes", 1),
    ("mem_info_vram_total", b"memory_total_bytes", 1),
    ("hwmon/power1_average", b"power_mw", 1000),
    ("hwmon/power1_input", b"power_mw", 1000),
    ("hwmon/temp1_input", b"temperature_mc", 1),
    ("hwmon/freq1_input", b"clock_mhz", 1000000),
)

if TYPE_CHECKING:

    class AmdFile(NamedTuple):
        device: bytes
        path: str
        field: bytes
        divisor: int

else:
    AmdFile = namedtuple("AmdFile", "device path field divisor")


def amd_files(root: str) -> "list[AmdFile]":
    """Return the files of all AMD cards that there are."""
    base = "sys/class/drm"
    out = []
    for card in list_names(root, base):
        device = os.path.join(root, base, card, "device")
        if not card[4:].isdigit() or not os.path.exists(os.path.join(device, "gpu_busy_percent")):
            continue
        chips = list_names(device, "hwmon")
        found = set()
        for path, field, divisor in _AMD:
            at = os.path.join(device, path.replace("hwmon", "hwmon/" + chips[0]) if chips else path)
            if field not in found and os.path.exists(at):
                found.add(field)
                out.append(AmdFile(card.encode(), at, field, divisor))
    return out
