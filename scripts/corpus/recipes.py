"""The modelled part of the corpus: recipes with their injected truth.

A recipe is a program and a range of one parameter. Its label is what was injected. A recording
whose second bound lies within 20 % of the first is "barely"; where two bounds are within 5 % of
each other both are right. Whole recipes are held out: those of ``HELD_OUT``, chosen before any
rule was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from corpus.machine import IDLE, Disk, Link, Load, Machine, Server
from corpus.record import Phase

MB = 1e6
GB = 1e9


@dataclass(frozen=True)
class Recipe:
    """One recording to make. ``causes``: all right answers. ``strength``: clear or barely.

    ``facts``: injected values that a test compares, for example the ceiling of a device.
    """

    name: str
    family: str  #: the recipe: recordings of a family are held out together
    causes: tuple[str, ...]
    strength: str
    machines: tuple[Machine, ...]
    phases: tuple[Phase, ...]
    interval_s: float = 1.0
    sources: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


#: families that whoever tunes does not look at, four recordings or more of each cause
HELD_OUT = frozenset(
    {
        "device-hdd", "network-send", "remote-lustre-write", "cpu-many-small", "one-core-parser",
        "cgroup-io-max", "memory-cgroup", "writeback-two-disks", "steal-half", "latency-sync-write",
        "another-host-network", "cache-epochs", "nothing-checkpoint-gap", "unknown-no-stat",
    }
)  # fmt: skip

NVME = Disk()
SATA = Disk("sda", 540 * MB, 90e3, 120e-6, 500 * MB)
HDD = Disk("sdb", 210 * MB, 180, 6e-3, 200 * MB)
CLOUD = Disk("vdb", 250 * MB, 16e3, 700e-6, 220 * MB)
LOOP = Disk("loop3", 400 * MB, 50e3, 150e-6, 380 * MB, counted=False)
GEN5 = Disk("nvme1n1", 11 * GB, 1.6e6, 70e-6, 7 * GB, pcie=("32.0 GT/s PCIe", 4))
NFS = Server("nfs", 1.1 * GB, 30e3, 0.6e-3)
LUSTRE = Server("lustre", 5 * GB, 80e3, 0.5e-3)


def _one(
    family: str, n: int, causes: tuple[str, ...], machine: Machine, *loads: Load,
    strength: str = "clear", seconds: int = 40, rest: int = 6, sources: str = "",
    interval_s: float = 1.0, **facts: Any,
) -> Recipe:  # fmt: skip
    """Return a run of one host: quiet, the phases, quiet."""
    phases = [Phase("", rest, (IDLE,))] if rest else []
    names = ("read", "second", "third") if len(loads) > 1 else ("work",)
    phases += [Phase(name, seconds, (load,)) for name, load in zip(names, loads)]
    phases += [Phase("", rest, (IDLE,))] if rest else []
    return Recipe(
        f"{family}-{n:02d}", family, causes, strength, (machine,), tuple(phases), interval_s,
        sources, facts,
    )  # fmt: skip


def _device() -> Iterator[Recipe]:
    for n, disk in enumerate((NVME, SATA, CLOUD, LOOP, GEN5)):
        load = Load(threads=48, request_bytes=256e3, cpu_s=20e-6)
        yield _one(
            "device-deep-read",
            n,
            ("device",),
            Machine(disks=(disk,)),
            load,
            ceiling={"device": disk.name, "bytes_per_s": disk.bytes_per_s},
        )
    for n, disk in enumerate((NVME, SATA, CLOUD, GEN5)):
        load = Load(threads=64, depth=4, request_bytes=4096, cpu_s=3e-6)
        yield _one(
            "device-random",
            n,
            ("device",),
            Machine(cpus=64, disks=(disk,)),
            load,
            ceiling={"device": disk.name, "iops": disk.iops},
        )
    for n, disk in enumerate((NVME, SATA, CLOUD)):
        load = Load(threads=16, depth=2, request_bytes=1e6, read=0.0)
        yield _one(
            "device-direct-write",
            n,
            ("device",),
            Machine(disks=(disk,)),
            load,
            ceiling={"device": disk.name, "bytes_per_s": disk.bytes_per_s},
        )
    for n in range(4):
        load = Load(threads=4 + 4 * n, request_bytes=64e3 * (n + 1), cpu_s=30e-6)
        yield _one(
            "device-hdd",
            n,
            ("device",),
            Machine(disks=(HDD,)),
            load,
            ceiling={"device": "sdb", "iops": HDD.iops},
        )
    for n, threads in enumerate((9, 10, 11, 12, 13, 14)):
        disk = replace(SATA, bytes_per_s=500 * MB)
        # with this many threads the light-load bound is 0.85 to 1.3 of the ceiling
        load = Load(threads=threads, request_bytes=256e3, cpu_s=30e-6, think_s=4e-3)
        bound = threads / (30e-6 + 4e-3 + disk.latency_s + 256e3 / disk.stream_bytes_per_s)
        ratio = bound * 256e3 / disk.bytes_per_s
        causes = ("device",) if ratio > 1.05 else ("device", "latency", "nothing on the hosts")
        yield _one("device-barely", n, causes, Machine(disks=(disk,)), load, strength="barely")
    two = Machine(disks=(NVME, replace(NVME, name="nvme1n1")))
    for n in range(2):
        yield _one(
            "device-striped",
            n,
            ("device",),
            two,
            Load(threads=96, request_bytes=(256 + 256 * n) * 1e3, cpu_s=20e-6),
        )


def _network() -> Iterator[Recipe]:
    for n, mbps in enumerate((1_000, 10_000, 25_000, 100_000, 200_000, 400_000)):
        load = Load(threads=32, request_bytes=1e6, where="network", cpu_s=10e-6)
        yield _one(
            "network-receive",
            n,
            ("network",),
            Machine(cpus=64, link=Link("eth0", mbps)),
            load,
            ceiling={"device": "eth0", "bytes_per_s": mbps * 125e3},
        )
    for n, mbps in enumerate((1_000, 10_000, 40_000, 100_000)):
        load = Load(
            threads=24, request_bytes=512e3, read=0.0, where="network", cpu_s=8e-6, retransmits=2e-4
        )
        yield _one(
            "network-send",
            n,
            ("network",),
            Machine(cpus=48, link=Link("ens1f0", mbps)),
            load,
            ceiling={"device": "ens1f0", "bytes_per_s": mbps * 125e3},
        )
    for n, mbps in enumerate((10_000, 25_000, 1_000, 2_500)):
        server = replace(NFS, bytes_per_s=60 * GB, iops=1e6)
        machine = Machine(cpus=32, link=Link("eth0", mbps), server=server)
        yield _one(
            "network-under-nfs",
            n,
            ("network",),
            machine,
            Load(threads=32, request_bytes=1e6, where="server", cpu_s=20e-6),
        )
    for n, factor in enumerate((0.88, 0.94, 1.02, 1.08, 1.14, 1.18, 1.11)):
        machine = Machine(
            cpus=32,
            link=Link("eth0", 10_000),
            server=replace(NFS, bytes_per_s=10_000 * 125e3 * factor, iops=1e6),
        )
        causes: tuple[str, ...] = ("network", "remote storage")
        if factor > 1.05:
            causes = ("network",)
        elif factor < 0.93:
            causes = ("remote storage",)
        yield _one(
            "network-barely",
            n,
            causes,
            machine,
            Load(threads=32, request_bytes=1e6, where="server", cpu_s=20e-6),
            strength="barely",
        )


def _remote() -> Iterator[Recipe]:
    for n, rate in enumerate((0.12, 0.3, 0.8, 1.1, 1.5, 2.0)):
        machine = Machine(
            cpus=32, link=Link("eth0", 25_000), server=replace(NFS, bytes_per_s=rate * GB)
        )
        yield _one(
            "remote-nfs-read",
            n,
            ("remote storage",),
            machine,
            Load(threads=16, request_bytes=1e6, where="server", cpu_s=20e-6),
        )
    for n, iops in enumerate((800, 3e3, 8e3, 20e3)):
        machine = Machine(cpus=32, link=Link("eth0", 10_000), server=replace(NFS, iops=iops))
        yield _one(
            "remote-nfs-small",
            n,
            ("remote storage",),
            machine,
            Load(threads=32, request_bytes=16e3, where="server", cpu_s=20e-6),
        )
    for n, rate in enumerate((0.4, 1.0, 2.2, 4.0)):
        machine = Machine(
            cpus=64, link=Link("eth0", 100_000), server=replace(LUSTRE, bytes_per_s=rate * GB)
        )
        yield _one(
            "remote-lustre-write",
            n,
            ("remote storage",),
            machine,
            Load(threads=48, request_bytes=1e6, read=0.0, where="server", cpu_s=20e-6),
        )
    for n, rate in enumerate((0.7, 1.6, 3.1)):
        machine = Machine(
            cpus=64, link=Link("eth0", 100_000), server=replace(LUSTRE, bytes_per_s=rate * GB)
        )
        yield _one(
            "remote-lustre-read",
            n,
            ("remote storage",),
            machine,
            Load(threads=48, request_bytes=1e6, where="server", cpu_s=20e-6),
        )
    for n, threads in enumerate((5, 6, 7, 8, 9, 10)):
        server = replace(NFS, bytes_per_s=0.5 * GB, latency_s=12e-3)
        causes = ("remote storage", "latency") if threads < 7 else ("remote storage",)
        yield _one(
            "remote-barely",
            n,
            causes,
            Machine(cpus=32, link=Link("eth0", 25_000), server=server),
            Load(threads=threads, request_bytes=1e6, where="server", cpu_s=20e-6),
            strength="barely",
        )


def _cpu() -> Iterator[Recipe]:
    for n, cpus in enumerate((4, 8, 16, 32, 64)):
        yield _one(
            "cpu-decode",
            n,
            ("cpu",),
            Machine(cpus=cpus),
            Load(threads=2 * cpus, request_bytes=150e3, cpu_s=9e-3),
        )
    for n, cpus in enumerate((8, 16, 48, 96)):
        disk = replace(GEN5, iops=3e6)
        yield _one(
            "cpu-many-small",
            n,
            ("cpu",),
            Machine(cpus=cpus, disks=(disk,)),
            Load(threads=3 * cpus, depth=8, request_bytes=4096, cpu_s=60e-6),
        )
    for n, cpus in enumerate((4, 16, 32)):
        yield _one(
            "cpu-compute",
            n,
            ("cpu",),
            Machine(cpus=cpus),
            Load(threads=cpus, where="nowhere", cpu_s=10e-3),
        )
    for n, cpus in enumerate((8, 32)):
        yield _one(
            "cpu-neighbour",
            n,
            ("cpu",),
            Machine(cpus=cpus),
            Load(threads=cpus, request_bytes=150e3, cpu_s=5e-3, other_cores=0.6 * cpus),
        )
    for n, factor in enumerate((0.86, 0.94, 1.0, 1.06, 1.12, 1.18)):
        # CPU and the disk are about as full as each other
        cpus = 16
        disk = replace(
            NVME, bytes_per_s=cpus / 2e-3 * 1e6 / 1.8 * factor, stream_bytes_per_s=6 * GB
        )
        rate = cpus / 3.6e-3
        disk = replace(disk, bytes_per_s=rate * 1e6 * factor)
        causes = ("cpu",) if factor > 1.05 else ("device",) if factor < 0.95 else ("cpu", "device")
        yield _one(
            "cpu-barely",
            n,
            causes,
            Machine(cpus=cpus, disks=(disk,)),
            Load(threads=64, request_bytes=1e6, cpu_s=3.6e-3),
            strength="barely",
        )


def _one_core() -> Iterator[Recipe]:
    for n, cpus in enumerate((8, 16, 32, 64, 96)):
        yield _one(
            "one-core-reader",
            n,
            ("one core",),
            Machine(cpus=cpus),
            Load(threads=4, depth=8, request_bytes=256e3, cpu_s=400e-6, serial=True),
        )
    for n, cpus in enumerate((4, 16, 48, 128)):
        yield _one(
            "one-core-parser",
            n,
            ("one core",),
            Machine(cpus=cpus),
            Load(threads=1, depth=4, request_bytes=64e3, cpu_s=2e-3, serial=True),
        )
    for n, cpus in enumerate((8, 32)):
        yield _one(
            "one-core-spin",
            n,
            ("one core",),
            Machine(cpus=cpus),
            Load(threads=1, where="nowhere", cpu_s=5e-3, serial=True),
        )
    for n, cpus in enumerate((16, 64, 32)):
        yield _one(
            "one-core-nfs",
            n,
            ("one core",),
            Machine(
                cpus=cpus,
                link=Link("eth0", 100_000),
                server=replace(NFS, bytes_per_s=6 * GB, latency_s=0.3e-3),
            ),
            Load(threads=4, depth=8, request_bytes=1e6, where="server", cpu_s=900e-6, serial=True),
        )
    for n, factor in enumerate((0.96, 1.0, 1.04, 1.08, 1.12, 1.18)):
        disk = replace(NVME, bytes_per_s=256e3 / 400e-6 * factor)
        causes = (
            ("one core",)
            if factor > 1.05
            else ("device",)
            if factor < 0.95
            else ("one core", "device")
        )
        yield _one(
            "one-core-barely",
            n,
            causes,
            Machine(disks=(disk,)),
            Load(threads=4, depth=8, request_bytes=256e3, cpu_s=400e-6, serial=True),
            strength="barely",
        )


def _cgroup() -> Iterator[Recipe]:
    for n, (cpus, quota) in enumerate(((16, 2.0), (32, 8.0), (64, 4.0), (8, 0.5), (96, 24.0))):
        yield _one(
            "cgroup-quota",
            n,
            ("cgroup",),
            Machine(cpus=cpus, quota_cores=quota),
            Load(threads=cpus, request_bytes=150e3, cpu_s=6e-3),
        )
    for n, share in enumerate((0.05, 0.15, 0.3, 0.5)):
        machine = Machine(io_max={"nvme0n1": share * NVME.bytes_per_s})
        yield _one(
            "cgroup-io-max",
            n,
            ("cgroup",),
            machine,
            Load(threads=16, request_bytes=256e3, cpu_s=20e-6),
        )
    for n, share in enumerate((0.1, 0.25, 0.4)):
        machine = Machine(disks=(SATA,), io_max={"sda": share * SATA.bytes_per_s})
        yield _one(
            "cgroup-io-max-sata",
            n,
            ("cgroup",),
            machine,
            Load(threads=8, request_bytes=128e3, cpu_s=20e-6),
        )
    for n, quota in enumerate((1.0, 3.0)):
        yield _one(
            "cgroup-quota-compute",
            n,
            ("cgroup",),
            Machine(cpus=16, quota_cores=quota),
            Load(threads=8, where="nowhere", cpu_s=8e-3),
        )
    for n, factor in enumerate((0.96, 1.0, 1.04, 1.08, 1.12, 1.18)):
        # the quota and the disk are about as full as each other
        rate = 4.0 / 3.6e-3
        disk = replace(NVME, bytes_per_s=rate * 1e6 * factor)
        causes = (
            ("cgroup",) if factor > 1.05 else ("device",) if factor < 0.95 else ("cgroup", "device")
        )
        yield _one(
            "cgroup-barely",
            n,
            causes,
            Machine(cpus=16, disks=(disk,), quota_cores=4.0),
            Load(threads=32, request_bytes=1e6, cpu_s=3.6e-3),
            strength="barely",
        )


def _memory() -> Iterator[Recipe]:
    for n, share in enumerate((0.1, 0.2, 0.4, 0.6, 0.8)):
        yield _one(
            "memory-swap",
            n,
            ("memory",),
            Machine(memory_bytes=16e9),
            Load(threads=8, request_bytes=64e3, cpu_s=100e-6, swapped=share),
        )
    for n, limit in enumerate((1e9, 2e9, 4e9, 8e9)):
        yield _one(
            "memory-cgroup",
            n,
            ("memory", "cgroup"),
            Machine(memory_max=limit),
            Load(threads=8, request_bytes=64e3, cpu_s=100e-6, swapped=0.5),
        )
    for n, threads in enumerate((4, 16, 32, 64, 2)):
        yield _one(
            "memory-swap-compute",
            n,
            ("memory",),
            Machine(memory_bytes=16e9),
            Load(threads=threads, where="nowhere", cpu_s=200e-6, swapped=0.7),
        )
    for n, share in enumerate((0.02, 0.03, 0.045, 0.06, 0.08, 0.1)):
        # swapping makes 20 to 50 % of a request's time
        causes: tuple[str, ...] = ("memory",) if share > 0.04 else ("memory", "latency")
        yield _one(
            "memory-barely",
            n,
            causes,
            Machine(memory_bytes=16e9),
            Load(threads=4, request_bytes=64e3, cpu_s=20e-6, swapped=share),
            strength="barely",
        )


def _write_back() -> Iterator[Recipe]:
    for n, limit in enumerate((8e6, 16e6, 32e6, 48e6, 24e6, 12e6)):
        yield _one(
            "writeback-small-limit",
            n,
            ("write-back",),
            Machine(dirty_limit=limit),
            Load(threads=4, request_bytes=1e6, read=0.0, buffered=True, cpu_s=150e-6),
        )
    for n, limit in enumerate((6e6, 20e6, 10e6, 30e6)):
        yield _one(
            "writeback-two-disks",
            n,
            ("write-back",),
            Machine(disks=(replace(GEN5, name="nvme2n1"),), dirty_limit=limit),
            Load(threads=16, request_bytes=1e6, read=0.0, buffered=True, cpu_s=120e-6),
        )
    for n, limit in enumerate((16e6, 32e6, 8e6, 64e6)):
        yield _one(
            "writeback-many-writers",
            n,
            ("write-back",),
            Machine(dirty_limit=limit),
            Load(threads=32, request_bytes=256e3, read=0.0, buffered=True, cpu_s=60e-6),
        )
    for n, limit in enumerate((90e6, 140e6, 200e6, 300e6, 500e6, 700e6)):
        # the larger the limit, the nearer the flusher comes to the device's ceiling
        share = 1 / (1 + NVME.bytes_per_s * 25e-3 / min(limit, 512e6))
        causes = ("write-back",) if share < 0.8 else ("write-back", "device")
        yield _one(
            "writeback-barely",
            n,
            causes,
            Machine(dirty_limit=limit),
            Load(threads=8, request_bytes=1e6, read=0.0, buffered=True, cpu_s=150e-6),
            strength="barely",
        )


def _steal() -> Iterator[Recipe]:
    for n, share in enumerate((0.25, 0.35, 0.5, 0.6, 0.3)):
        yield _one(
            "steal-decode",
            n,
            ("steal",),
            Machine(cpus=8, steal=share),
            Load(threads=16, request_bytes=150e3, cpu_s=6e-3),
        )
    for n, cpus in enumerate((2, 4, 16, 32)):
        yield _one(
            "steal-half",
            n,
            ("steal",),
            Machine(cpus=cpus, steal=0.5),
            Load(threads=2 * cpus, request_bytes=64e3, cpu_s=3e-3),
        )
    for n, share in enumerate((0.2, 0.3, 0.45, 0.7, 0.4)):
        yield _one(
            "steal-compute",
            n,
            ("steal",),
            Machine(cpus=4, steal=share),
            Load(threads=4, where="nowhere", cpu_s=5e-3),
        )
    for n, share in enumerate((0.05, 0.06, 0.08, 0.1, 0.12, 0.15)):
        causes: tuple[str, ...] = ("cpu", "steal") if share >= 0.05 else ("cpu",)
        yield _one(
            "steal-barely",
            n,
            causes,
            Machine(cpus=8, steal=share),
            Load(threads=16, request_bytes=150e3, cpu_s=6e-3),
            strength="barely",
        )


def _latency() -> Iterator[Recipe]:
    for n, disk in enumerate((NVME, SATA, CLOUD, GEN5)):
        yield _one(
            "latency-one-read",
            n,
            ("latency",),
            Machine(disks=(disk,)),
            Load(threads=1, request_bytes=4096, cpu_s=8e-6),
        )
    for n, disk in enumerate((NVME, SATA, CLOUD, replace(NVME, latency_s=30e-6))):
        yield _one(
            "latency-sync-write",
            n,
            ("latency",),
            Machine(disks=(disk,)),
            Load(threads=1, request_bytes=8192, read=0.0, cpu_s=8e-6),
        )
    for n, latency in enumerate((0.4e-3, 1e-3, 3e-3)):
        machine = Machine(
            link=Link("eth0", 25_000), server=replace(NFS, latency_s=latency, bytes_per_s=8 * GB)
        )
        yield _one(
            "latency-nfs",
            n,
            ("latency",),
            machine,
            Load(threads=1, request_bytes=64e3, where="server", cpu_s=20e-6),
        )
    for n, threads in enumerate((2, 3, 2)):
        yield _one(
            "latency-few",
            n,
            ("latency",),
            Machine(disks=(CLOUD,)),
            Load(threads=threads, request_bytes=16e3 * (n + 1), cpu_s=10e-6),
        )
    for n, threads in enumerate((4, 5, 6, 7, 8, 9)):
        disk = replace(CLOUD, iops=8e3)
        ratio = threads / (disk.latency_s + 16e3 / disk.stream_bytes_per_s + 10e-6) / disk.iops
        causes = (
            ("latency",) if ratio < 0.8 else ("device",) if ratio > 1.2 else ("latency", "device")
        )
        yield _one(
            "latency-barely",
            n,
            causes,
            Machine(disks=(disk,)),
            Load(threads=threads, request_bytes=16e3, cpu_s=10e-6),
            strength="barely",
        )


def _barrier(
    family: str, n: int, causes: tuple[str, ...], fast: Machine, slow: Machine, load: Load,
    strength: str = "clear", hosts: int = 4,
) -> Recipe:  # fmt: skip
    """Return a run whose hosts wait for the last one at the end of every step."""
    from corpus.barrier import at_pace_of

    machines = [fast] * hosts
    machines[n % hosts] = slow
    loads = at_pace_of(machines, load)
    return Recipe(
        f"{family}-{n:02d}", family, causes, strength, tuple(machines),
        (Phase("", 6, (IDLE,)), Phase("work", 40, tuple(loads)), Phase("", 6, (IDLE,))),
        facts={"slow_host": f"node{n % hosts + 1}"},
    )  # fmt: skip


def _another_host() -> Iterator[Recipe]:
    load = Load(threads=16, request_bytes=256e3, cpu_s=20e-6)
    for n, factor in enumerate((0.2, 0.35, 0.5, 0.6, 0.3)):
        slow = Machine(disks=(replace(NVME, bytes_per_s=NVME.bytes_per_s * factor),))
        yield _barrier("another-host-disk", n, ("another host", "device"), Machine(), slow, load)
    work = Load(threads=16, request_bytes=256e3, cpu_s=4e-3)
    for n, factor in enumerate((0.25, 0.4, 0.5, 0.6, 0.7)):
        slow = Machine(quota_cores=16 * factor)
        yield _barrier("another-host-cpu", n, ("another host", "cgroup"), Machine(), slow, work)
    pull = Load(threads=16, request_bytes=1e6, where="network", cpu_s=10e-6)
    for n, mbps in enumerate((1_000, 2_500, 10_000, 5_000)):
        yield _barrier(
            "another-host-network",
            n,
            ("another host", "network"),
            Machine(),
            Machine(link=Link("eth0", mbps)),
            pull,
        )
    for n, factor in enumerate((0.78, 0.8, 0.82, 0.84, 0.86, 0.75)):
        slow = Machine(disks=(replace(NVME, bytes_per_s=NVME.bytes_per_s * factor),))
        yield _barrier(
            "another-host-barely", n, ("another host", "device"), Machine(), slow, load, "barely"
        )


def _page_cache() -> Iterator[Recipe]:
    for n, cached in enumerate((1.0, 0.98, 0.95, 0.9)):
        machine = Machine(cpus=8, memory_bytes=512e9)
        yield _one(
            "cache-warm",
            n,
            ("cpu",),
            machine,
            Load(threads=16, request_bytes=256e3, cpu_s=120e-6, cached=cached),
            from_memory=cached,
        )
    for n, cached in enumerate((0.3, 0.5, 0.62, 0.75, 0.2, 0.4)):
        machine = Machine(memory_bytes=512e9, disks=(SATA,))
        yield _one(
            "cache-partly",
            n,
            ("device",),
            machine,
            Load(threads=16, request_bytes=256e3, cpu_s=20e-6, cached=cached),
            from_memory=cached,
        )
    for n in range(4):
        machine = Machine(memory_bytes=512e9, disks=(SATA,), cpus=8)
        cold = Load(threads=16, request_bytes=256e3, cpu_s=150e-6)
        yield _one(
            "cache-epochs",
            n,
            ("device", "cpu"),
            machine,
            cold,
            replace(cold, cached=0.85 + 0.05 * n),
            seconds=25,
            from_memory=0.85 + 0.05 * n,
        )
    for n, cached in enumerate((0.08, 0.12, 0.15, 0.05, 0.1, 0.18)):
        machine = Machine(memory_bytes=512e9, disks=(CLOUD,))
        yield _one(
            "cache-barely",
            n,
            ("device",),
            machine,
            Load(threads=16, request_bytes=256e3, cpu_s=20e-6, cached=cached),
            strength="barely",
            from_memory=cached,
        )


def _nothing() -> Iterator[Recipe]:
    for n, think in enumerate((0.05, 0.1, 0.2, 0.5, 1.0)):
        yield _one(
            "nothing-gpu-bound",
            n,
            ("nothing on the hosts",),
            Machine(gpu=True),
            Load(threads=4, request_bytes=2e6, cpu_s=1e-3, think_s=think),
        )
    for n in range(4):
        load = Load(threads=2, request_bytes=1e6, cpu_s=0.5e-3, think_s=0.3 * (n + 1))
        yield _one(
            "nothing-checkpoint-gap", n, ("nothing on the hosts",), Machine(), load, seconds=50
        )
    for n, cpus in enumerate((2, 8, 32, 64)):
        yield _one(
            "nothing-sleep",
            n,
            ("nothing on the hosts",),
            Machine(cpus=cpus),
            Load(threads=1, where="nowhere", cpu_s=1e-3, think_s=0.2),
        )
    for n, think in enumerate((12e-3, 9e-3, 7e-3, 6e-3, 5e-3, 4.5e-3)):
        # between a fifth and a half of the time is spent outside of thinking
        causes = ("nothing on the hosts",) if think > 8e-3 else ("nothing on the hosts", "latency")
        yield _one(
            "nothing-barely",
            n,
            causes,
            Machine(disks=(replace(CLOUD, latency_s=2e-3),)),
            Load(threads=2, request_bytes=64e3, cpu_s=100e-6, think_s=think),
            strength="barely",
        )


def _unknown() -> Iterator[Recipe]:
    busy = Load(threads=8, request_bytes=256e3, cpu_s=20e-6, think_s=2e-3)
    for n, seconds in enumerate((2, 3, 2, 3, 2)):
        yield _one("unknown-short", n, ("not known",), Machine(), busy, seconds=seconds, rest=0)
    for n in range(4):
        yield _one(
            "unknown-no-stat",
            n,
            ("not known",),
            Machine(cpus=8 * (n + 1)),
            Load(threads=1, depth=2, where="nowhere", cpu_s=3e-3),
            sources="diskstats,netdev,meminfo,loadavg",
        )
    for n in range(5):
        yield _one(
            "unknown-no-disks",
            n,
            ("not known",),
            Machine(cpus=8 * (n + 1)),
            Load(threads=16, request_bytes=128e3 * (n + 1), cpu_s=20e-6),
            sources="netdev,meminfo,loadavg,vmstat",
        )
    for n, threads in enumerate((1, 2, 4, 8, 16, 32)):
        yield _one(
            "unknown-memory-only",
            n,
            ("not known",),
            Machine(),
            replace(busy, threads=threads),
            sources="meminfo,loadavg",
            strength="barely",
        )


def recipes() -> list[Recipe]:
    """Return all recordings of the modelled part."""
    makers = (
        _device, _network, _remote, _cpu, _one_core, _cgroup, _memory, _write_back, _steal,
        _latency, _another_host, _page_cache, _nothing, _unknown,
    )  # fmt: skip
    return [recipe for maker in makers for recipe in maker()]
