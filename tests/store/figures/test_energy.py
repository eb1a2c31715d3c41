"""Power and energy: meters, parts, sensors."""

from __future__ import annotations

import pytest
from derived_host import derived, host

TIMES = [0, 10, 20]


def zone(name: str, *energy_uj: int) -> dict[str, list[int]]:
    return {f"power.{name}.energy_uj": list(energy_uj)}


def test_a_meter_is_better_than_a_sum() -> None:
    """It shows fans and disks, too; the average before the value of the moment."""
    columns = zone("package-0:intel-rapl.0", 0, 10**9, 2 * 10**9)
    columns |= {
        "power.power_meter:hwmon3.power1_average": [400_000_000] * 3,
        "power.power_meter:hwmon3.power1_input": [900_000_000] * 3,
    }
    series = derived(host(columns, TIMES)).series
    assert series["cpu_power_watts"].mean == pytest.approx(100)
    assert series["host_power_watts"].mean == pytest.approx(400)


def test_zones_that_count() -> None:
    """Two packages and the memory of each; cores and the platform are parts, or the whole."""
    columns = zone("package-0:intel-rapl.0", 0, 10**9, 2 * 10**9)
    columns |= zone("package-1:intel-rapl.1", 5, 10**9 + 5, 2 * 10**9 + 5)
    columns |= zone("core:intel-rapl.0.0", 0, 9 * 10**8, 18 * 10**8)
    columns |= zone("dram:intel-rapl.0.1", 0, 10**8, 2 * 10**8)
    columns |= zone("psys:intel-rapl.2", 0, 9 * 10**9, 18 * 10**9)
    series = derived(host(columns, TIMES)).series
    assert series["cpu_power_watts"].mean == pytest.approx(200)
    assert series["dram_power_watts"].mean == pytest.approx(10)
    assert series["host_power_watts"].mean == pytest.approx(210)


def test_the_hottest() -> None:
    """CPU packages and drives; the sensor of a network card is neither."""
    columns = {
        "power.coretemp:hwmon2.temp1_input": [50_000, 60_000, 70_000],
        "power.coretemp:hwmon4.temp1_input": [50_000, 65_000, 60_000],
        "power.nvme0:hwmon0.temp1_input": [40_000] * 3,
        "power.nvme11:hwmon1.temp1_input": [44_000] * 3,
        "power.mlx5:hwmon9.temp1_input": [99_000] * 3,
    }
    series = derived(host(columns, TIMES)).series
    assert series["cpu_temperature_celsius"].values.tolist() == [65, 70]
    assert series["drive_temperature_celsius"].peak == 44


def test_bytes_per_joule() -> None:
    """Of drives and of remote mounts; more weight where more energy went."""
    columns = zone("package-0:intel-rapl.0", 0, 10**9, 4 * 10**9)
    columns |= {
        "diskstats.sda.sectors_read": [0, 2_000_000, 2_000_000],
        "diskstats.sda.sectors_written": [0, 0, 0],
        "nfs./mnt/a.server_read_bytes": [0, 0, 10**9],
        "lustre.llite/x.write_bytes_sum": [0, 0, 10**9],
    }
    series = derived(host(columns, TIMES)).series["bytes_per_joule"]
    assert series.values.tolist() == pytest.approx([2_000_000 * 512 / 1000, 2 * 10**9 / 3000])
    assert series.mean == pytest.approx((2_000_000 * 512 + 2 * 10**9) / 4000)


def test_nothing_recorded_nothing_said() -> None:
    assert not [n for n in derived(host({}, TIMES)).series if n.endswith(("_watts", "_celsius"))]
