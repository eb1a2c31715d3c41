"""GPUs: utilisation, memory, power, traffic, from gpu (NVML; amdgpu's files)."""

from __future__ import annotations

import numpy as np

from mpi_collector.store.figures.base import Deriver, DeviceList, Subject, known_sum
from mpi_collector.store.figures.figure import Chart, Column, Figure, Group, NoChart
from mpi_collector.store.host import Float64

_DETAIL = NoChart("of interest where the GPUs' utilisation is not enough")

GPU = Subject(
    order=110,
    group=Group.GPU,
    optional=True,
    lists=(DeviceList("gpu", "gpu", lambda host: host.all_devices("gpu")),),
)
BUSY = GPU.figure(
    "gpu_busy_percent",
    "GPU busy",
    "%",
    "mean",
    "time in which a kernel ran, mean of the GPUs; not how much of a GPU it used",
    chart=Chart(heat=True),
    columns=(Column("GPU/busy"), Column("peak", "peak")),
)
BUSY_MAX = GPU.figure(
    "gpu_busy_max_percent",
    "busiest GPU",
    "%",
    "mean",
    "the same, of the GPU that was busiest in the interval",
    chart=NoChart("the GPUs of a host are drawn one by one"),
    of_devices=False,
)
MEMORY_BUSY = GPU.figure(
    "gpu_memory_busy_percent",
    "GPU memory busy",
    "%",
    "mean",
    "time in which GPU memory was read or written, mean of the GPUs",
    chart=_DETAIL,
)
MEMORY = GPU.figure(
    "gpu_memory_used_bytes",
    "GPU memory used",
    "bytes",
    "sum",
    "memory that is allocated, all GPUs",
    columns=(Column("GPU/memory", "peak"),),
)
POWER = GPU.figure(
    "gpu_power_watts",
    "GPU power",
    "W",
    "sum",
    "power drawn, all GPUs: by their energy counters, else as it was at the end of the interval",
    columns=(Column("GPU/power"),),
)
TEMPERATURE = GPU.figure(
    "gpu_temperature_celsius", "hottest GPU", "C", "mean", "the hottest GPU", chart=_DETAIL
)
PCIE_RX = GPU.figure(
    "gpu_pcie_rx_bytes_per_s", "GPU PCIe in", "bytes/s", "sum", "received over PCIe, all GPUs"
)
PCIE_TX = GPU.figure(
    "gpu_pcie_tx_bytes_per_s", "GPU PCIe out", "bytes/s", "sum", "sent over PCIe, all GPUs"
)
NVLINK_RX = GPU.figure(
    "gpu_nvlink_rx_bytes_per_s", "NVLink in", "bytes/s", "sum", "received over NVLink, all GPUs"
)
NVLINK_TX = GPU.figure(
    "gpu_nvlink_tx_bytes_per_s", "NVLink out", "bytes/s", "sum", "sent over NVLink, all GPUs"
)
_TRAFFIC = (
    (PCIE_RX, "pcie_rx_bytes"),
    (PCIE_TX, "pcie_tx_bytes"),
    (NVLINK_RX, "nvlink_rx_bytes"),
    (NVLINK_TX, "nvlink_tx_bytes"),
)


@GPU.computed_by
def derive_gpu(host: Deriver) -> None:
    """Add the figures of all GPUs."""
    busy = _levels(host, "busy_percent")
    if busy is not None:
        host.add(BUSY, _mean(busy))
        host.add(BUSY_MAX, np.fmax.reduce(busy))
    memory_busy = _levels(host, "memory_busy_percent")
    host.add(MEMORY_BUSY, None if memory_busy is None else _mean(memory_busy))
    host.add(MEMORY, known_sum(list(_or_none(_levels(host, "memory_used_bytes")))))
    host.add(POWER, gpu_watts(host))
    temperature = _levels(host, "temperature_mc")
    host.add(TEMPERATURE, None if temperature is None else np.fmax.reduce(temperature) / 1000)
    for figure, column in _TRAFFIC:
        _add_traffic(host, figure, column)


def gpu_watts(host: Deriver) -> Float64 | None:
    """Return the power of all GPUs of a host in W, (intervals,); None where none is known."""
    parts = []
    for gpu in dict.fromkeys(host.devices("gpu", "energy_mj") + host.devices("gpu", "power_mw")):
        by_energy = [mj / (1000 * host.seconds) for mj in host.growths("gpu", [gpu], "energy_mj")]
        if not any(np.isfinite(watts).any() for watts in by_energy):
            name = f"gpu.{gpu}.power_mw"
            by_energy = [host.level(name) / 1000] if name in host.columns else []
        parts += by_energy
    return known_sum(parts)


def _add_traffic(host: Deriver, figure: Figure, column: str) -> None:
    """Add a rate, unless no GPU has ever counted these bytes."""
    total = host.total("gpu", host.devices("gpu", column), column)
    if total is not None and np.isfinite(total).any():
        host.add_rate(figure, total)


def _levels(host: Deriver, column: str) -> Float64 | None:
    """Return (GPUs, intervals) of a gauge; None when no GPU has a value."""
    gpus = host.devices("gpu", column)
    found = np.array([host.level(f"gpu.{gpu}.{column}") for gpu in gpus])
    return found if np.isfinite(found).any() else None


def _or_none(found: Float64 | None) -> Float64:
    return np.empty((0, 0)) if found is None else found


def _mean(levels: Float64) -> Float64:
    """Return the mean of the GPUs that are known, (intervals,)."""
    known = np.isfinite(levels).sum(axis=0)
    return np.where(known, np.nansum(levels, axis=0) / np.maximum(known, 1), np.nan)
