"""RAPL and sensors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sampled_tree import Tree
from sourcekit import plant, recorded

from mpi_collector.node.read.probe import Probe
from mpi_collector.node.sources import select


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


ZONES = {
    "intel-rapl:0": ("package-0", 1_000_000),
    "intel-rapl:0:0": ("core", 300_000),
    "intel-rapl:0:1": ("dram", 100_000),
    "intel-rapl:1": ("package-1", 2_000_000),
    "intel-rapl:1:1": ("dram", 200_000),
    "intel-rapl-mmio:0": ("package-0", 1_000_100),
    "intel-rapl-tpmi:0": ("package-0", 1_000_200),
    "intel-rapl-tpmi:1": ("package-1", 2_000_200),
    "intel-rapl:2": ("psys", 9_000_000),
}


def zones(tree: Tree, chosen: dict[str, tuple[str, int]], more: int = 0) -> None:
    for zone, (name, energy) in chosen.items():
        at = f"sys/class/powercap/{zone}"
        tree.write(f"{at}/name", f"{name}\n")
        tree.write(f"{at}/energy_uj", f"{energy + more}\n")
        tree.write(f"{at}/max_energy_range_uj", "262143328850\n")


def test_a_package_that_is_there_several_times(tmp_path: Path) -> None:
    """Its registers and its memory show the same energy; the parts of two packages are two."""
    zones(Tree(tmp_path), ZONES)
    found = recorded("power", tmp_path)
    energy = {k[6:-10]: v for k, v in found.items() if k.endswith(".energy_uj")}
    assert energy == {
        "package-0:intel-rapl.0": 1_000_000,
        "core:intel-rapl.0.0": 300_000,
        "dram:intel-rapl.0.1": 100_000,
        "package-1:intel-rapl.1": 2_000_000,
        "dram:intel-rapl.1.1": 200_000,
        "psys:intel-rapl.2": 9_000_000,
    }
    assert found["power.package-0:intel-rapl.0.max_energy_range_uj"] == 262143328850


def test_only_the_other_interface(tmp_path: Path) -> None:
    zones(Tree(tmp_path), {k: v for k, v in ZONES.items() if "-mmio" in k or "-tpmi" in k})
    devices = {k.split(".")[1] for k in recorded("power", tmp_path)}
    assert devices == {"package-0:intel-rapl-mmio", "package-1:intel-rapl-tpmi"}


def test_the_one_that_may_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since Linux 5.10 the energy is for root alone; a site may have opened one of them."""
    zones(Tree(tmp_path), {k: v for k, v in ZONES.items() if v[0] == "package-0"})
    real = os.access

    def access(path: str, mode: int) -> bool:
        return "intel-rapl:0/" not in str(path) and real(path, mode)

    monkeypatch.setattr("mpi_collector.node.sources.power.os.access", access)
    devices = {k.split(".")[1] for k in recorded("power", tmp_path)}
    assert devices == {"package-0:intel-rapl-mmio"}


def test_kinds(tmp_path: Path) -> None:
    zones(Tree(tmp_path), ZONES)
    probe = Probe(select("power"), str(tmp_path))
    kinds = {(c.field, c.kind, c.unit) for c in probe.layout.columns() if c.source == "power"}
    probe.close()
    assert kinds == {("energy_uj", "counter", "uJ"), ("max_energy_range_uj", "gauge", "uJ")}
