"""GPUs: NVIDIA through NVML (the package nvidia-ml-py, extra ``gpu``), AMD through sysfs.

NVML is called only where the driver is, and nothing of it is imported before. AMD: files of
Documentation/gpu/amdgpu. Slow calls are left out: NVML's PCIe throughput measures for 20 ms a call,
AMD's pcie_bw for a second. The driver's own PCIe and NVLink counters are read instead.
"""

import errno
import importlib
import os
import threading

from ..read.amd_gpu import amd_files
from ..read.kernel_file import read_once
from ..read.look_again import ListingPace
from ..read.reader import Reader
from ..row.layout import Field
from ..row.scan import is_number
from .base import ReaderSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    _Call = Callable[[], "list[tuple[bytes, int]] | None"]

_INIT_S = 10  #: NVML wakes every GPU: without the persistence daemon that takes seconds
_DRIVER = ("proc/driver/nvidia/version", "dev/nvidiactl", "dev/dxg")
_SPARE = 4  #: GPUs that give no value at the start, and come later
_MANY = 16  #: GPUs of a host, where none gives a value at the start
_ALL_LINKS = 0xFFFFFFFF
#: number in nvml.h, scope, field, factor. NVML_FI_DEV_PCIE_COUNT_TX_BYTES, ..._RX_BYTES,
#: NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX and ..._RX (KiB)
_VALUES = (
    (197, 0, b"pcie_tx_bytes", 1),
    (198, 0, b"pcie_rx_bytes", 1),
    (138, _ALL_LINKS, b"nvlink_tx_bytes", 1024),
    (139, _ALL_LINKS, b"nvlink_rx_bytes", 1024),
)
#: NVML_VALUE_TYPE_UNSIGNED_LONG and ..._LONG_LONG; 32 bits of bytes wrap several times a second
_WIDE_TYPES = (2, 3)


class Gpu(ReaderSource):
    """Devices ``nvidia0`` in NVML's order, ``card1`` for AMD."""

    name = "gpu"
    order = 23
    kernel_file = "NVML; /sys/class/drm/card*/device"
    doc = (
        "GPUs: busy, memory, power, energy, temperature, clock, PCIe and NVLink traffic "
        "(NVIDIA: with the extra gpu)"
    )
    may_block = True
    start_s = _INIT_S + 3.0
    budget_us = 20000
    fields_from_start = True
    lists_devices = True
    may_be_empty = True  # none answers at the start
    default = False  # calls into a driver, some milliseconds with many GPUs
    fields = (
        Field(
            "busy_percent",
            "%",
            "gauge",
            "time in which a kernel ran, over the driver's last period (up to 1 s)",
        ),
        Field("memory_busy_percent", "%", "gauge", "time in which memory was read or written"),
        Field("memory_used_bytes", "bytes", "gauge", "memory that is allocated"),
        Field("memory_total_bytes", "bytes", "gauge", "memory of the GPU"),
        Field("power_mw", "mW", "gauge", "power drawn"),
        Field("energy_mj", "mJ", "counter", "energy used since the driver was loaded"),
        Field("temperature_mc", "mC", "gauge", "temperature in thousandths of a degree Celsius"),
        Field("clock_mhz", "MHz", "gauge", "clock of the processors"),
        Field("pcie_tx_bytes", "bytes", "counter", "bytes sent over PCIe"),
        Field("pcie_rx_bytes", "bytes", "counter", "bytes received over PCIe"),
        Field("nvlink_tx_bytes", "bytes", "counter", "data sent over NVLink, all links"),
        Field("nvlink_rx_bytes", "bytes", "counter", "data received over NVLink, all links"),
    )

    def reader(self, root: str) -> "GpuReader":
        return GpuReader(root)

    def is_there(self, root: str) -> bool:
        """See Source; NVML is not started for it."""
        return _has_driver(root) or bool(amd_files(root))

    def spare_slots(self, table: str, devices: int) -> int:
        return _SPARE if devices else _MANY


class GpuReader(Reader):
    """Reads all GPUs. FileNotFoundError, with the reasons, when there are none.

    A GPU of NVML's that gives an error is left out and named; it is asked again, as are calls that
    failed, and NVML where it did not begin, at the pace of ``ListingPace``. ``init_s``: time for
    the start of NVML.
    """

    def __init__(self, root: str, init_s: float = _INIT_S) -> None:
        super().__init__()
        self._nvidia: "list[_Nvidia]" = []
        self._pace = ListingPace()
        self._root = root
        self._init_s = init_s
        self._reads = 0
        self._failed = ""  #: why NVML did not begin, where it may begin later
        self._amd = amd_files(root)
        why = self._start()
        if not self._nvidia and not self._amd and not self._failed:
            amd = "no /sys/class/drm/card*/device/gpu_busy_percent"
            raise FileNotFoundError(2, "NVIDIA: %s; AMD: %s" % (why, amd))

    def _start(self) -> str:
        """Begin with NVML, and name what does not answer. Return why there are no GPUs."""
        before = self._failed
        why, may_begin = _start_nvidia(self._root, self._init_s, self._nvidia)
        self._failed = "" if self._nvidia or not may_begin else why
        if self._failed and self._failed != before:
            self.notices.append("GPUs are left out: %s" % self._failed)
        lost = [gpu for gpu in self._nvidia if gpu.error]
        self.notices += ["%s is left out: %s" % (gpu.label, gpu.error) for gpu in lost]
        return why

    def read(self) -> bytes:
        """Return ``device field value`` lines. OSError when no GPU answers, but at the start."""
        out = []
        self._reads += 1
        again = self._pace.due()
        if again and self._failed and self._reads > 1:
            self._start()
        for gpu in self._nvidia:
            if again:
                self._ask_again(gpu)
            out += [b"%s %s %d" % (gpu.name, field, value) for field, value in gpu.values()]
        for f in self._amd:
            word = read_once(f.path).strip()
            if is_number(word):
                out.append(b"%s %s %d" % (f.device, f.field, int(word) // f.divisor))
        if not out and self._reads > 1:
            raise OSError(errno.EIO, self._failed or "no GPU answers")
        return b"\n".join(out)

    def _ask_again(self, gpu: "_Nvidia") -> None:
        was_lost = gpu.error
        gpu.look()
        if was_lost and not gpu.error:
            self.notices.append("%s answers again" % gpu.label)

    def close(self) -> None:
        if self._nvidia:
            self._nvidia[0].nvml.nvmlShutdown()
        self._nvidia = []


def _has_driver(root: str) -> bool:
    return any(os.path.exists(os.path.join(root, path)) for path in _DRIVER)


def _start_nvidia(root: str, init_s: float, found: "list[_Nvidia]") -> "tuple[str, bool]":
    """Start NVML and append its GPUs to ``found``. Return why there are none, and if some may come.

    NVML that does not answer at all is not asked again: each time would cost a thread.
    """
    if not _has_driver(root):
        return "no driver", False
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        why = "no pynvml for this Python (pip install 'mpi-collector[gpu]', or nvidia-ml-py)"
        return why, False
    gpus: "list[list[_Nvidia]]" = []
    errors: "list[Exception]" = []

    def begin() -> None:
        try:
            nvml.nvmlInit()
            gpus.append([_Nvidia(nvml, i) for i in range(nvml.nvmlDeviceGetCount())])
        except Exception as e:  # noqa: BLE001 - a driver of another version may raise anything
            errors.append(e)

    thread = threading.Thread(target=begin, name="nvml", daemon=True)
    thread.start()
    thread.join(init_s)
    if errors:
        return "NVML: %s" % errors[0], True
    if not gpus:
        return "NVML did not initialise within %d s" % init_s, False
    found += gpus[0]
    return "NVML lists no GPU", False


class _Nvidia:
    """One GPU. A call that it does not support, or that fails at once, is made at ``look`` only.

    ``error``: why it cannot be asked at all, "" when it can.
    """

    def __init__(self, nvml: "Any", index: int) -> None:
        self.nvml = nvml
        self.label = "nvidia%d" % index
        self.name = self.label.encode()
        self.error = ""
        self._index = index
        self._calls: "list[_Call]" = []
        self.look()

    def look(self) -> None:
        """Find out which calls it answers."""
        try:
            handle = self.nvml.nvmlDeviceGetHandleByIndex(self._index)
        except self.nvml.NVMLError as e:
            self.error = str(e)
            self._calls = []
            return
        self.error = ""
        self._calls = [call for call in self._all_calls(handle) if self._ask(call) is not None]

    def _all_calls(self, handle: "Any") -> "tuple[_Call, ...]":
        nvml = self.nvml
        return (
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
            lambda: self._counters(handle),
        )

    def values(self) -> "list[tuple[bytes, int]]":
        """Return (field, value) of what it answers now."""
        out = []
        for call in self._calls:
            out += self._ask(call) or []
        return out

    def _ask(self, call: "_Call") -> "list[tuple[bytes, int]] | None":
        """Return None where it does not support the call, or does not answer now."""
        try:
            return call()
        except (self.nvml.NVMLError, AttributeError):  # an older pynvml lacks some of the calls
            return None

    def _counters(self, handle: "Any") -> "list[tuple[bytes, int]] | None":
        answers = self.nvml.nvmlDeviceGetFieldValues(
            handle, [(number, scope) for number, scope, _field, _factor in _VALUES]
        )
        out = []
        for (_number, _scope, field, factor), answer in zip(_VALUES, answers):
            if answer.nvmlReturn == 0 and answer.valueType in _WIDE_TYPES:
                out.append((field, answer.value.ullVal * factor))
        return out or None


def _pairs(answer: "Any", **names: str) -> "list[tuple[bytes, int]]":
    """Return (field, value) of the attributes of an answer."""
    return [(field.encode(), getattr(answer, name)) for name, field in sorted(names.items())]
