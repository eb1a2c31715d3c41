"""GPUs: NVIDIA through a pynvml of our own, AMD through files."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from sampled_tree import Sampled, Tree, sampled
from sourcekit import plant, recorded

import mpi_collector
from mpi_collector.node.read.probe import Probe
from mpi_collector.node.sources import (
    gpu,
    select,
)


class NVMLError(Exception):
    pass


class Fake(ModuleType):
    """``count`` GPUs; the second is an older one that knows little, and some are ``bad``."""

    NVMLError = NVMLError
    count = 2

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.calls: list[str] = []
        self.tick = 0
        self.bad: set[int] = set()
        self.busy_fails = False

    def nvmlInit(self) -> None:
        self.calls.append("init")

    def nvmlShutdown(self) -> None:
        self.calls.append("shutdown")

    def nvmlDeviceGetCount(self) -> int:
        return self.count

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if index in self.bad:
            raise NVMLError("GPU is lost")
        return index

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        if self.busy_fails:
            raise NVMLError("Unknown Error")
        return SimpleNamespace(gpu=93 - handle, memory=40)

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        return SimpleNamespace(total=85899345920, used=60129542144 + handle, free=0)

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        self.lost()
        return 612345

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:
        self.old(handle)
        self.tick += 1
        return 9_000_000_000_000 + self.tick

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:
        assert sensor == 0
        return 61

    def nvmlDeviceGetClockInfo(self, handle: int, kind: int) -> int:
        assert kind == 1
        return 1980

    def nvmlDeviceGetFieldValues(self, handle: int, fields: list[tuple[int, int]]) -> list[Any]:
        self.old(handle)
        #: bytes in 64 bits, bytes in 32 bits, KiB, and one that is not supported
        known = {197: (0, 3, 5 << 40), 198: (0, 1, 7), 138: (0, 3, 1000), 139: (3, 3, 9)}
        out = []
        for number, scope in fields:
            assert scope == (0xFFFFFFFF if number in (138, 139) else 0)
            code, kind, value = known[number]
            out.append(
                SimpleNamespace(
                    nvmlReturn=code, valueType=kind, value=SimpleNamespace(ullVal=value)
                )
            )
        return out

    def nvmlDeviceGetPcieThroughput(self, *_: Any) -> int:
        raise AssertionError("it measures for 20 ms")

    def old(self, handle: int) -> None:
        if handle == 1:
            self.calls.append("old")
            raise NVMLError("not supported")

    def lost(self) -> None:
        pass


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    module = Fake()
    monkeypatch.setitem(sys.modules, "pynvml", module)
    return module


@pytest.fixture
def root(tmp_path: Path) -> str:
    """A host with the driver."""
    (tmp_path / "root/proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "root/proc/driver/nvidia/version").write_text("NVRM version: ...")
    return str(tmp_path / "root")


def cells(text: bytes) -> dict[str, int]:
    return {f"{d}.{f}": int(v) for d, f, v in (line.split() for line in text.decode().splitlines())}


def test_values(fake: Fake, root: str) -> None:
    reader = select("gpu")[0].reader(root)
    reader.read()
    first = {
        "nvidia0.busy_percent": 93, "nvidia0.memory_busy_percent": 40,
        "nvidia0.memory_used_bytes": 60129542144, "nvidia0.memory_total_bytes": 85899345920,
        "nvidia0.power_mw": 612345, "nvidia0.energy_mj": 9_000_000_000_005,
        "nvidia0.temperature_mc": 61000, "nvidia0.clock_mhz": 1980,
        "nvidia0.pcie_tx_bytes": 5 << 40, "nvidia0.nvlink_tx_bytes": 1024000,
    }  # fmt: skip
    second = {
        "nvidia1.busy_percent": 92, "nvidia1.memory_busy_percent": 40, "nvidia1.memory_used_bytes": 60129542145,
        "nvidia1.memory_total_bytes": 85899345920, "nvidia1.power_mw": 612345, "nvidia1.temperature_mc": 61000,
        "nvidia1.clock_mhz": 1980,
    }  # fmt: skip
    assert cells(reader.read()) == {**first, **second}
    asked = fake.calls.count("old")
    for _ in range(60):
        reader.read()
    assert fake.calls.count("old") - asked <= 2 * 5  # what it does not know is asked now and then
    reader.close()
    assert fake.calls[-1] == "shutdown"
    assert {f.name for f in gpu.Gpu.fields} >= {name.partition(".")[2] for name in first}


def test_one_that_is_lost(fake: Fake, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that does not come is missing; it may come back."""

    def lost() -> None:
        raise NVMLError("GPU is lost")

    reader = select("gpu")[0].reader(root)
    monkeypatch.setattr(fake, "lost", lost)
    assert "nvidia0.power_mw" not in cells(reader.read())
    monkeypatch.setattr(fake, "lost", lambda: None)
    assert "nvidia0.power_mw" in cells(reader.read())


def recorded_gpus(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], object]
) -> Sampled:
    """The whole program with this library."""
    (tmp_path / "root/proc/driver/nvidia").mkdir(parents=True, exist_ok=True)
    (tmp_path / "root/proc/driver/nvidia/version").write_text("NVRM version: ...")
    return sampled(Tree(tmp_path / "root"), tmp_path / "results", "gpu", *steps)


def test_one_bad_of_many(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are recorded, and it is named; when it answers it is recorded, too."""
    fake.count = 8
    fake.bad = {5}
    found = recorded_gpus(
        fake, tmp_path, monkeypatch, lambda: time.sleep(0.3), fake.bad.clear, lambda: time.sleep(1)
    )
    busy = {c.split(".")[1] for c in found.columns if c.endswith(".busy_percent")}
    assert busy == {f"nvidia{n}" for n in range(8)}
    assert found.columns["gpu.nvidia7.busy_percent"][0] == 93 - 7
    assert found.columns["gpu.nvidia5.busy_percent"][0] is None
    assert found.known("gpu.nvidia5.busy_percent")[-1] == 93 - 5
    (host,) = found.summary["hosts"].values()
    assert "gpu: nvidia5 is left out: GPU is lost" in host["notes"]
    assert "gpu: nvidia5 answers again" in host["notes"]


def test_all_of_them_bad(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source gives an error, and they are named; they are recorded once they answer."""
    fake.bad = {0, 1}
    found = recorded_gpus(
        fake, tmp_path, monkeypatch, lambda: time.sleep(0.2), fake.bad.clear, lambda: time.sleep(1)
    )
    assert found.known("gpu.nvidia1.busy_percent")[-1] == 92
    assert found.columns["gpu.nvidia1.busy_percent"][0] is None
    (host,) = found.summary["hosts"].values()
    assert "gpu: nvidia0 is left out: GPU is lost" in host["notes"]
    assert any("x error" in r for r in found.about("gpu"))


def test_a_start_of_nvml_that_fails_once(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked again at the pace of listings, and its GPUs are recorded from then on."""
    begin = fake.nvmlInit
    monkeypatch.setattr(fake, "nvmlInit", lambda: fake.old(1))
    found = recorded_gpus(
        fake,
        tmp_path,
        monkeypatch,
        lambda: time.sleep(0.2),
        lambda: monkeypatch.setattr(fake, "nvmlInit", begin),
        lambda: time.sleep(1),
    )
    assert found.known("gpu.nvidia0.busy_percent")[-1] == 93
    (host,) = found.summary["hosts"].values()
    assert "gpu: GPUs are left out: NVML: not supported" in host["notes"]
    assert any("x error" in r for r in found.about("gpu"))


def test_a_call_that_fails_once_at_the_start(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its columns are there, and it is asked again."""
    fake.busy_fails = True
    found = recorded_gpus(
        fake,
        tmp_path,
        monkeypatch,
        lambda: setattr(fake, "busy_fails", False),
        lambda: time.sleep(0.5),
    )
    values = found.columns["gpu.nvidia0.busy_percent"]
    assert values[0] is None and values[-1] == 93
    assert [r for r in found.reasons if "gpu" in r] == []


def test_no_driver_no_import(fake: Fake, tmp_path: Path) -> None:
    probe = Probe(select("gpu"), str(tmp_path))
    assert "no driver" in probe.reasons["gpu"]
    assert fake.calls == []


def test_no_pynvml(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)  # type: ignore[arg-type]
    probe = Probe(select("gpu"), root)
    assert "mpi-collector[gpu]" in probe.reasons["gpu"]


def test_a_driver_that_does_not_begin(
    fake: Fake, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither an error nor a hang of NVML keeps the others from being recorded."""

    def broken() -> None:
        raise NVMLError("Driver/library version mismatch")

    monkeypatch.setattr(fake, "nvmlInit", broken)
    reader = gpu.GpuReader(root)
    assert reader.read() == b"" and "mismatch" in reader.notices[0]
    with pytest.raises(OSError, match="mismatch"):
        reader.read()
    assert len(reader.notices) == 1
    over = threading.Event()
    monkeypatch.setattr(fake, "nvmlInit", lambda: over.wait(30))
    with pytest.raises(FileNotFoundError, match="did not initialise"):
        gpu.GpuReader(root, init_s=0.1)
    over.set()


def test_a_driver_that_hangs_later(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grid keeps its ticks, the source says that it is slow."""
    monkeypatch.setattr(gpu, "_DRIVER", ("proc/loadavg",))
    over = threading.Event()
    with mpi_collector.collect(interval=0.05, sources="loadavg,gpu", results_dir=tmp_path / "results", spool_dir=str(tmp_path),
                               quiet=True, sampler="thread"):  # fmt: skip
        time.sleep(0.4)
        monkeypatch.setattr(fake, "lost", lambda: over.wait(20))
        time.sleep(0.6)
        over.set()
    with mpi_collector.load(tmp_path / "results") as run:
        (host,) = run.values()
        statuses = [tuple(s) for s in host.array("source_status").tolist()]
        assert {s[0] for s in statuses} == {0}
        assert (0, 0) in statuses and (0, 7) in statuses
        assert len(statuses) >= 10
        assert host.value("gpu.nvidia0.busy_percent")[0] == 93


def test_amd(tmp_path: Path) -> None:
    """Mean power before momentary power; connectors, render nodes and other makers' cards are none; pcie_bw takes a second."""
    plant(tmp_path, "devices")
    assert recorded("gpu", tmp_path) == {
        "gpu.card0.busy_percent": 87,
        "gpu.card0.memory_busy_percent": 31,
        "gpu.card0.memory_used_bytes": 20535308288,
        "gpu.card0.memory_total_bytes": 68702699520,
        "gpu.card0.power_mw": 302000,
        "gpu.card0.temperature_mc": 63000,
        "gpu.card0.clock_mhz": 1700,
        "gpu.card1.busy_percent": 0,
        "gpu.card1.power_mw": 41500,
    }
