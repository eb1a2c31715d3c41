"""GPUs: NVIDIA through NVML (the package nvidia-ml-py, extra ``gpu``), AMD through sysfs (Documentation/gpu/amdgpu).

NVML is asked only where the driver is, and nothing of it is imported before. What takes long is left out: NVML's PCIe
throughput measures for 20 ms a call, AMD's pcie_bw for a second. The driver's own PCIe and NVLink counters are read instead.
"""

import importlib
import os
import threading

from ..read.process_files import read_once
from ..row.layout import Field
from .base import Source, is_number, scan_cells

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_INIT_S = 10  #: NVML wakes every GPU; without the persistence daemon that takes seconds, with a broken one for ever
_DRIVER = ("proc/driver/nvidia/version", "dev/nvidiactl", "dev/dxg")
_ALL_LINKS = 0xFFFFFFFF
#: NVML_FI_DEV_PCIE_COUNT_{TX,RX}_BYTES, NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_{TX,RX} (KiB), by number (nvml.h)
_VALUES = ((197, 0, "pcie_tx_bytes", 1), (198, 0, "pcie_rx_bytes", 1), (138, _ALL_LINKS, "nvlink_tx_bytes", 1024),
           (139, _ALL_LINKS, "nvlink_rx_bytes", 1024))  # fmt: skip
_WIDE = (
    2,
    3,
)  #: NVML_VALUE_TYPE_UNSIGNED_LONG(_LONG): 32 bits of bytes wrap several times a second
#: file below device/ -> field, divisor; the first that is there counts
_AMD = (("gpu_busy_percent", "busy_percent", 1), ("mem_busy_percent", "memory_busy_percent", 1),
        ("mem_info_vram_used", "memory_used_bytes", 1), ("mem_info_vram_total", "memory_total_bytes", 1),
        ("hwmon/power1_average", "power_mw", 1000), ("hwmon/power1_input", "power_mw", 1000),
        ("hwmon/temp1_input", "temperature_mc", 1), ("hwmon/freq1_input", "clock_mhz", 1000000))  # fmt: skip


class Gpu(Source):
    """Devices ``nvidia0`` in NVML's order, ``card1`` for AMD."""

    name = "gpu"
    order = 23
    kernel_file = "NVML; /sys/class/drm/card*/device"
    doc = "GPUs: busy, memory, power, energy, temperature, clock, PCIe and NVLink traffic (NVIDIA: with the extra gpu)"
    makes_its_text = True
    may_block = True
    start_s = _INIT_S + 3.0
    budget_us = 20000
    default = False  # calls into a driver, some milliseconds with many GPUs
    fields = (
        Field(
            "busy_percent",
            "%",
            "gauge",
            "time in which a kernel ran, in the driver's last period (up to 1 s)",
        ),
        Field("memory_busy_percent", "%", "gauge", "time in which memory was read or written"),
        Field("memory_used_bytes", "bytes", "gauge", "memory that is allocated"),
        Field("memory_total_bytes", "bytes", "gauge", "memory there is"),
        Field("power_mw", "mW", "gauge", "power drawn"),
        Field("energy_mj", "mJ", "counter", "energy used since the driver was loaded"),
        Field("temperature_mc", "mC", "gauge", "temperature in thousandths of a degree Celsius"),
        Field("clock_mhz", "MHz", "gauge", "clock of the processors"),
        Field("pcie_tx_bytes", "bytes", "counter", "sent over PCIe"),
        Field("pcie_rx_bytes", "bytes", "counter", "received over PCIe"),
        Field("nvlink_tx_bytes", "bytes", "counter", "data sent over NVLink, all links"),
        Field("nvlink_rx_bytes", "bytes", "counter", "data received over NVLink, all links"),
    )

    def reader(self, root: str) -> "Any":
        return _Reader(root)

    def scan(self, text: bytes) -> tuple:
        roles: list = []
        problems: list = []
        scan_cells(text.split(b"\n"), roles, problems)
        return roles, problems

    def spare_slots(self, table: str, devices: int) -> int:
        return 0


class _Reader:
    def __init__(self, root: str) -> None:
        self._nvidia, why = _nvidia(root)
        self._amd = _amd(root)
        if not self._nvidia and not self._amd:
            raise FileNotFoundError(
                2, "NVIDIA: %s; AMD: no /sys/class/drm/card*/device/gpu_busy_percent" % why
            )

    def read(self) -> bytes:
        out = []
        for gpu in self._nvidia:
            out += [b"%s %s %d" % (gpu.name, field, value) for field, value in gpu.values()]
        for name, path, field, divisor in self._amd:
            word = read_once(path).strip()
            if is_number(word):
                out.append(b"%s %s %d" % (name, field, int(word) // divisor))
        return b"\n".join(out)

    def close(self) -> None:
        if self._nvidia:
            self._nvidia[0].nvml.nvmlShutdown()
        self._nvidia = []


def _amd(root: str) -> list:
    """[(device, path, field, divisor)] of the files there are."""
    base = os.path.join(root, "sys/class/drm")
    out = []
    for card in sorted(os.listdir(base)) if os.path.isdir(base) else []:
        device = os.path.join(base, card, "device")
        if not card[4:].isdigit() or not os.path.exists(os.path.join(device, "gpu_busy_percent")):
            continue
        hwmon = os.path.join(device, "hwmon")
        chips = sorted(os.listdir(hwmon)) if os.path.isdir(hwmon) else []
        found: set = set()
        for path, field, divisor in _AMD:
            at = os.path.join(device, path.replace("hwmon", "hwmon/" + chips[0]) if chips else path)
            if field not in found and os.path.exists(at):
                found.add(field)
                out.append((card.encode(), at, field.encode(), divisor))
    return out


def _nvidia(root: str) -> tuple:
    """([GPUs], why there are none)."""
    if not any(os.path.exists(os.path.join(root, path)) for path in _DRIVER):
        return [], "no driver"
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return [], "no pynvml for this Python (pip install 'mpi-collector[gpu]', or nvidia-ml-py)"
    done: list = []

    def begin() -> None:
        try:
            nvml.nvmlInit()
            done.append([_Nvidia(nvml, i) for i in range(nvml.nvmlDeviceGetCount())])
        except Exception as e:  # noqa: BLE001 - whatever a driver of another version may answer
            done.append(e)

    thread = threading.Thread(target=begin, name="nvml", daemon=True)
    thread.start()
    thread.join(_INIT_S)
    if not done:
        return [], "NVML did not begin within %d s" % _INIT_S
    if isinstance(done[0], Exception):
        return [], "NVML: %s" % done[0]
    return done[0], "NVML lists none"


class _Nvidia:
    """One GPU. Calls that it does not know are not made again."""

    def __init__(self, nvml: "Any", index: int) -> None:
        self.nvml = nvml
        self.name = b"nvidia%d" % index
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        calls = (
            lambda: _pairs(
                nvml.nvmlDeviceGetUtilizationRates(handle),
                gpu="busy_percent",
                memory="memory_busy_percent",
            ),
            lambda: _pairs(
                nvml.nvmlDeviceGetMemoryInfo(handle),
                used="memory_used_bytes",
                total="memory_total_bytes",
            ),
            lambda: [(b"power_mw", nvml.nvmlDeviceGetPowerUsage(handle))],
            lambda: [(b"energy_mj", nvml.nvmlDeviceGetTotalEnergyConsumption(handle))],
            lambda: [(b"temperature_mc", 1000 * nvml.nvmlDeviceGetTemperature(handle, 0))],
            lambda: [(b"clock_mhz", nvml.nvmlDeviceGetClockInfo(handle, 1))],
            lambda: self._fields(handle),
        )
        self._calls = [call for call in calls if self._ask(call, True) is not None]

    def values(self) -> list:
        """[(field, value)] of what it tells now."""
        out: list = []
        for call in self._calls:
            out += self._ask(call, False) or []
        return out

    def _ask(self, call: "Any", first: bool) -> "Any":
        """None where it does not know the call, or does not answer now."""
        try:
            return call()
        except (self.nvml.NVMLError, AttributeError):  # an older pynvml lacks some of the calls
            return None

    def _fields(self, handle: "Any") -> "Any":
        answers = self.nvml.nvmlDeviceGetFieldValues(
            handle, [(number, scope) for number, scope, _name, _factor in _VALUES]
        )
        out = []
        for (_number, _scope, name, factor), answer in zip(_VALUES, answers):
            if answer.nvmlReturn == 0 and answer.valueType in _WIDE:
                out.append((name.encode(), answer.value.ullVal * factor))
        return out or None


def _pairs(answer: "Any", **names: str) -> list:
    return [(field.encode(), getattr(answer, name)) for name, field in sorted(names.items())]
