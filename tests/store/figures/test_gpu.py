"""GPUs: power by energy, GPUs that are lost, traffic that is not counted."""

from __future__ import annotations

import numpy as np
import pytest
from derived_host import derived, host

from mpi_collector.node.row.layout import MISSING

TIMES = [0, 10, 20]


def test_power_by_energy_where_it_is_counted() -> None:
    """A burst between two samples shows in the energy, not in the power of the moment."""
    columns = {
        "gpu.nvidia0.energy_mj": [0, 7_000_000, 8_000_000],
        "gpu.nvidia0.power_mw": [100_000] * 3,
        "gpu.nvidia1.energy_mj": [MISSING] * 3,
        "gpu.nvidia1.power_mw": [50_000] * 3,
    }
    series = derived(host(columns, TIMES)).series["gpu_power_watts"]
    assert series.values.tolist() == pytest.approx([750, 150])


def test_a_gpu_that_is_lost() -> None:
    """The mean is of those that are known."""
    columns = {
        "gpu.nvidia0.busy_percent": [80, 80, 80],
        "gpu.nvidia1.busy_percent": [40, 40, MISSING],
    }
    series = derived(host(columns, TIMES)).series
    assert series["gpu_busy_percent"].values.tolist() == [60, 80]
    assert series["gpu_busy_max_percent"].values.tolist() == [80, 80]


def test_what_no_gpu_counts_is_no_figure() -> None:
    """Columns that are there for GPUs that may come, without a value."""
    columns = {
        "gpu.card0.busy_percent": [1, 2, 3],
        "gpu.card0.pcie_rx_bytes": [MISSING] * 3,
        "gpu.card0.energy_mj": [MISSING] * 3,
        "gpu.card0.memory_used_bytes": [MISSING] * 3,
        "gpu.card0.temperature_mc": [MISSING] * 3,
    }
    names = {n for n in derived(host(columns, TIMES)).series if n.startswith("gpu_")}
    assert names == {"gpu_busy_percent", "gpu_busy_max_percent"}


def test_traffic() -> None:
    columns = {
        "gpu.nvidia0.pcie_rx_bytes": [0, 10**10, 2 * 10**10],
        "gpu.nvidia1.pcie_rx_bytes": [0, 10**10, 2 * 10**10],
        "gpu.nvidia0.nvlink_tx_bytes": [5, 5, 10**9 + 5],
    }
    series = derived(host(columns, TIMES)).series
    assert series["gpu_pcie_rx_bytes_per_s"].mean == pytest.approx(2e9)
    assert np.isclose(series["gpu_nvlink_tx_bytes_per_s"].peak, 1e8)
