"""RAPL and sensors."""

from __future__ import annotations

from pathlib import Path

from sourcekit import plant, recorded


def test_sensors(tmp_path: Path) -> None:
    """NVMe drives by their own name, other chips by theirs; RAPL by zone."""
    plant(tmp_path, "devices")
    for n in (0, 1):  # as the kernel has it: hwmonN/device is a link to the controller
        device = tmp_path / f"sys/class/hwmon/hwmon{n}/device"
        for f in device.glob("*"):
            f.unlink()
        if device.exists():
            device.rmdir()
        device.symlink_to(f"../../nvme/nvme{n}")
    assert recorded("power", tmp_path) == {
        "power.nvme0:hwmon0.temp1_input": 41850,
        "power.nvme1:hwmon1.temp1_input": 39850,
        "power.coretemp:hwmon2.temp1_input": 52000,
        "power.power_meter:hwmon3.power1_average": 250000000,
        "power.package-0:intel-rapl.0.energy_uj": 262143328849,
        "power.dram:intel-rapl.0.0.energy_uj": 65712999613,
    }
