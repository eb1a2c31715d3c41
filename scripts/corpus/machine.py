"""A model of a host under a storage job: what its kernel would count while the job runs.

The job is a closed loop: a fixed number of requests in flight, each of which thinks, computes, and
goes to a disk, a link or a server. Every station (CPU, disk, link, server) has a ceiling and a
light-load time. The throughput is that of asymptotic bounds analysis, smoothed near the knee; what
a request waits beyond its light-load time is spent at the stations that are nearest to their
ceiling (Little's law: requests in flight = throughput x time). Kernel counters follow from these.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

USER_HZ = 100
SECTOR = 512
PAGE = 4096
#: how sharply the throughput bends where two bounds meet; queues of real devices do at about 6
KNEE = 6.0


@dataclass(frozen=True)
class Disk:
    """A block device. ``latency_s``: of one request of 4 KiB with nothing else in flight."""

    name: str = "nvme0n1"
    bytes_per_s: float = 3.2e9
    iops: float = 400e3
    latency_s: float = 90e-6
    stream_bytes_per_s: float = 2.5e9  #: at which the bytes of one request arrive
    counted: bool = True  #: it has a device in sysfs; loop devices have none
    pcie: tuple[str, int] | None = None  #: current_link_speed, current_link_width


@dataclass(frozen=True)
class Link:
    """An Ethernet interface."""

    name: str = "eth0"
    mbps: int = 25_000

    @property
    def bytes_per_s(self) -> float:
        """What TCP payload and headers reach of the link speed."""
        return self.mbps * 1e6 / 8 * 0.985


@dataclass(frozen=True)
class Server:
    """Network storage that is reached over ``link``. ``kind``: nfs or lustre."""

    kind: str = "nfs"
    bytes_per_s: float = 4e9
    iops: float = 60e3
    latency_s: float = 0.5e-3
    slots: int = 64  #: requests that the client sends at once
    mount: str = "/data"


@dataclass(frozen=True)
class Machine:
    """A host. ``quota_cores``: CPU limit of the job's cgroup. ``steal``: share of CPU time."""

    cpus: int = 16
    memory_bytes: float = 128e9
    disks: tuple[Disk, ...] = (Disk(),)
    link: Link = Link()
    server: Server | None = None
    quota_cores: float | None = None
    io_max: Mapping[str, float] = field(default_factory=dict)  #: disk -> bytes/s, of the cgroup
    memory_max: float | None = None  #: of the cgroup
    dirty_limit: float = 25e9  #: bytes at which writers wait
    steal: float = 0.0
    gpu: bool = False


@dataclass(frozen=True)
class Load:
    """What the job does in a phase. Rates follow from it; nothing is given as a rate.

    ``where``: disk, network, server or nowhere (it only computes). ``cpu_s``, ``think_s``: CPU time
    and idle time (a GPU, a sleep) of a request. ``serial``: all CPU time is spent by one thread.
    ``cached``: share of reads that come from memory. ``buffered``: writes go to the page cache.
    ``swapped``: share of requests that wait for a page from swap.
    """

    threads: int = 8
    depth: int = 1
    request_bytes: float = 1e6
    read: float = 1.0
    where: str = "disk"
    cpu_s: float = 50e-6
    think_s: float = 0.0
    serial: bool = False
    cached: float = 0.0
    buffered: bool = False
    swapped: float = 0.0
    retransmits: float = 1e-5
    other_cores: float = 0.0  #: other processes on the host
    other_disk_bytes_per_s: float = 0.0  #: a neighbour on the same disk
    wait_s: float = 0.0  #: per request, for other hosts at barriers


IDLE = Load(threads=0, where="nowhere")


class Counters:
    """The counters of a host, as floats, by the names that the kernel files are written from."""

    def __init__(self, machine: Machine, rng: np.random.Generator) -> None:
        self.machine = machine
        self.value: dict[str, float] = {}
        self.gauge: dict[str, float] = {"cached": 0.2 * machine.memory_bytes, "dirty": 0.0}
        self._rng = rng
        self._noise: dict[str, float] = {}
        for cpu in range(machine.cpus):
            self.value[f"cpu{cpu}.idle"] = float(rng.integers(10**6, 10**7))
        self.busiest = int(rng.integers(machine.cpus))

    def add(self, name: str, amount: float) -> None:
        """Let a counter grow."""
        self.value[name] = self.value.get(name, 0.0) + max(amount, 0.0)

    def noise(self, name: str, sigma: float, phi: float = 0.7) -> float:
        """Return a factor near 1 that wanders, AR(1)."""
        step = self._rng.normal(0.0, sigma * math.sqrt(1 - phi * phi))
        self._noise[name] = phi * self._noise.get(name, 0.0) + step
        return math.exp(self._noise[name])


@dataclass
class Station:
    """A place where requests spend time. ``visits``: per request; inf ceiling: never full."""

    name: str
    light_s: float
    ceiling: float  #: requests of the job per second
    visits: float = 1.0


@dataclass
class Solution:
    """``rate``: requests per second; ``in_flight``: {station: mean number of requests there}."""

    rate: float
    in_flight: dict[str, float]
    fullness: dict[str, float]


def solve(stations: list[Station], population: float) -> Solution:
    """Return throughput and where requests are, of ``population`` requests in a closed loop."""
    light = sum(s.light_s * s.visits for s in stations)
    if population <= 0 or light <= 0:
        return Solution(0.0, {s.name: 0.0 for s in stations}, {s.name: 0.0 for s in stations})
    bounds = [population / light] + [s.ceiling for s in stations if math.isfinite(s.ceiling)]
    lowest = min(bounds)
    rate = lowest * sum((lowest / b) ** KNEE for b in bounds) ** (-1 / KNEE)
    excess = max(population / rate - light, 0.0)
    weights = {
        s.name: (rate / s.ceiling) ** (2 * KNEE) if math.isfinite(s.ceiling) else 0.0
        for s in stations
    }
    whole = sum(weights.values()) or 1.0
    flight = {
        s.name: rate * (s.light_s * s.visits + excess * weights[s.name] / whole) for s in stations
    }
    return Solution(rate, flight, {s.name: rate / s.ceiling for s in stations})


def advance(counters: Counters, load: Load, seconds: float) -> Solution:
    """Let the job run for ``seconds`` and count what the kernel would."""
    m = counters.machine
    stations, cores = _stations(counters, load)
    solution = solve(
        stations, load.threads * load.depth if load.where != "nowhere" or load.cpu_s else 0
    )
    requests = solution.rate * seconds
    flight = solution.in_flight
    _count_storage(counters, load, solution, seconds)
    _count_cpu(counters, load, solution, cores, seconds)
    _count_network(counters, load, requests, flight, seconds)
    _count_memory(counters, load, requests, flight, seconds)
    counters.add("job.requests", requests)
    read = load.read * load.request_bytes * requests if load.where != "nowhere" else 0.0
    counters.add("job.rchar", read)
    counters.add(
        "job.wchar",
        (1 - load.read) * load.request_bytes * requests if load.where != "nowhere" else 0.0,
    )
    counters.add("job.cpu_s", min(solution.rate * load.cpu_s, cores) * seconds)
    if m.gpu:
        counters.gauge["gpu.utilisation"] = min(
            97.0, 100 * solution.rate * load.think_s / max(load.threads, 1)
        )
    return solution


def _stations(counters: Counters, load: Load) -> tuple[list[Station], float]:
    """Return the stations of a request, and the cores that the job can have."""
    m = counters.machine
    available = m.cpus * (1 - m.steal) - load.other_cores
    cores = min(available, m.quota_cores or math.inf)
    if load.serial:
        cores = min(cores, 1.0)
    stations = [Station("think", load.think_s + load.wait_s, math.inf)]
    cpu_s = load.cpu_s * counters.noise("cpu", 0.01)
    stations.append(Station("cpu", cpu_s, max(cores, 0.01) / cpu_s if cpu_s > 0 else math.inf))
    missed = 1 - load.cached * load.read
    size = load.request_bytes
    if load.swapped:
        stations.append(Station("swap", 2e-3, 4000 / load.swapped, load.swapped))
    if load.where == "disk":
        stations += _disk_stations(counters, load, missed, size)
    elif load.where == "network":
        ceiling = m.link.bytes_per_s * counters.noise("link", 0.004) / size
        stations.append(Station("link", 40e-6 + size / m.link.bytes_per_s, ceiling))
    elif load.where == "server" and m.server is not None:
        server = m.server
        noise = counters.noise("server", 0.03)
        ceiling = min(server.bytes_per_s / size, server.iops) * noise / max(missed, 1e-9)
        light = server.latency_s + size / 3e9
        link = m.link.bytes_per_s * counters.noise("link", 0.004) / size / max(missed, 1e-9)
        stations.append(Station("link", size / m.link.bytes_per_s, link, missed))
        stations.append(Station("server", light, ceiling, missed))
    return stations, cores


def _disk_stations(counters: Counters, load: Load, missed: float, size: float) -> list[Station]:
    m = counters.machine
    out = []
    share = 1 / len(m.disks)
    for disk in m.disks:
        bytes_per_s = disk.bytes_per_s * counters.noise(disk.name, 0.02)
        bytes_per_s = max(bytes_per_s - load.other_disk_bytes_per_s, 0.02 * bytes_per_s)
        ceiling = min(bytes_per_s / size, disk.iops) / max(missed * share, 1e-9)
        light = disk.latency_s + size / disk.stream_bytes_per_s
        limit = m.io_max.get(disk.name)
        if limit is not None:  # blk-throttle holds requests above the device's statistics
            out.append(Station("io.max", 1e-6, limit / size / max(missed * share, 1e-9)))
        if load.buffered and load.read < 1:
            out.append(_write_back(counters, load, disk, bytes_per_s, size))
        else:
            out.append(Station(disk.name, light, ceiling, missed * share))
    return out


def _write_back(
    counters: Counters, load: Load, disk: Disk, bytes_per_s: float, size: float
) -> Station:
    """Return the station of buffered writers: free until the dirty limit, then the flusher's rate.

    The flusher keeps as many bytes in flight as are dirty: with a small limit it cannot fill the
    device.
    """
    m = counters.machine
    window = min(m.dirty_limit, 512e6)
    flush = 1 / (1 / bytes_per_s + 25e-3 / window)
    counters.gauge["flush_bytes_per_s"] = flush
    at_limit = counters.gauge["dirty"] >= 0.92 * m.dirty_limit
    counters.gauge["at_dirty_limit"] = float(at_limit)
    ceiling = flush / size if at_limit else 9e9 / size
    return Station(f"{disk.name} writeback", size / 6e9, ceiling, 1.0)


def _count_storage(counters: Counters, load: Load, solution: Solution, seconds: float) -> None:
    m = counters.machine
    for disk in m.disks:
        requests = solution.rate * seconds / len(m.disks) if load.where == "disk" else 0.0
        missed = requests * (1 - load.cached * load.read)
        flight = solution.in_flight.get(disk.name, 0.0)
        reads = missed * load.read if load.read < 1 else missed
        writes = missed - reads
        pieces = max(1.0, load.request_bytes / 1.3e6)  # the block layer splits large requests
        read_bytes, written = reads * load.request_bytes, writes * load.request_bytes
        if load.buffered and load.read < 1 and load.where == "disk":
            written, flight = _flush(counters, load, disk, requests, seconds)
            writes = written / 1e6
            pieces = 1.0
        other = load.other_disk_bytes_per_s * seconds
        if other:
            flight += 4.0
            reads += other / load.request_bytes
            read_bytes += other
        _count_disk(
            counters,
            disk,
            (reads * pieces, writes * pieces),
            (read_bytes, written),
            flight * pieces,
            load.threads * load.depth,
            seconds,
        )
    throttled = solution.in_flight.get("io.max", 0.0)
    counters.gauge["io_throttled"] = throttled


def _flush(
    counters: Counters, load: Load, disk: Disk, requests: float, seconds: float
) -> tuple[float, float]:
    """Return the bytes that the flusher writes and its requests in flight; keep the dirty level."""
    m = counters.machine
    made = requests * (1 - load.read) * load.request_bytes
    dirty = counters.gauge["dirty"] + made
    flush = counters.gauge.get("flush_bytes_per_s", disk.bytes_per_s)
    above = dirty > 0.5 * m.dirty_limit
    written = min(dirty, flush * seconds) if above else min(dirty, 0.05 * flush * seconds)
    counters.gauge["dirty"] = min(dirty - written, m.dirty_limit)
    full = written / seconds / disk.bytes_per_s
    return written, 0.3 + 40 * full**8 + 6 * full


def _count_disk(
    counters: Counters,
    disk: Disk,
    requests: tuple[float, float],
    moved: tuple[float, float],
    flight: float,
    population: float,
    seconds: float,
) -> None:
    total = requests[0] + requests[1]
    # each of the job's requests is in flight as often as not, whatever the others do
    most = max(population, flight, 1.0)
    busy = 1 - (1 - flight / most) ** most
    wait_ms = flight * seconds * 1e3 / total if total > 1e-9 else 0.0
    for verb, count, size in zip(("read", "write"), requests, moved):
        counters.add(f"{disk.name}.{verb}s", count)
        counters.add(f"{disk.name}.{verb}_sectors", size / SECTOR)
        counters.add(f"{disk.name}.{verb}_ms", count * wait_ms)
    counters.add(f"{disk.name}.busy_ms", busy * seconds * 1e3)
    counters.add(f"{disk.name}.weighted_ms", flight * seconds * 1e3)
    counters.gauge[f"{disk.name}.in_flight"] = flight


def _blocked(counters: Counters, load: Load, solution: Solution) -> float:
    """Return how many threads wait for storage, mean."""
    names = [d.name for d in counters.machine.disks]
    names += [f"{d.name} writeback" for d in counters.machine.disks] + ["io.max", "swap"]
    flight = sum(solution.in_flight.get(n, 0.0) for n in names)
    if load.where == "server":
        flight += solution.in_flight.get("server", 0.0)
    return min(flight / load.depth, load.threads)


def _count_cpu(
    counters: Counters, load: Load, solution: Solution, cores: float, seconds: float
) -> None:
    m = counters.machine
    job = min(solution.rate * load.cpu_s, max(cores, 0.0))
    waiting = max(solution.in_flight.get("cpu", 0.0) - job, 0.0)
    blocked = _blocked(counters, load, solution)
    background = 0.01 * m.cpus * counters.noise("background", 0.3)
    busy = min(job + load.other_cores + background, m.cpus * (1 - m.steal))
    idle = m.cpus * (1 - m.steal) - busy
    waits = min(blocked if load.where == "disk" or load.swapped else 0.0, idle) * 0.9
    _spread(counters, load, job, busy, waits, seconds)
    counters.gauge["running"] = 1 + job + min(waiting, 1e4)
    counters.gauge["blocked"] = blocked
    throttled = m.quota_cores is not None and solution.fullness.get("cpu", 0.0) > 0.5
    some = 1 - math.exp(-waiting) if waiting < 30 else 1.0
    counters.add("psi.cpu.some", min(some + 0.02 * busy / m.cpus, 1.0) * seconds * 1e6)
    io_some = 1 - math.exp(-blocked) if blocked < 30 else 1.0
    counters.add("psi.io.some", io_some * seconds * 1e6)
    active = max(load.threads, 1)
    counters.add("psi.io.full", io_some * max(1 - job / active, 0.0) ** 2 * seconds * 1e6)
    if m.quota_cores is not None:
        counters.add("cgroup.nr_periods", 10 * seconds)
        share = min(solution.fullness.get("cpu", 0.0), 1.0) ** 8 if throttled else 0.0
        counters.add("cgroup.nr_throttled", 10 * seconds * share)
        counters.add("cgroup.throttled_us", waiting * seconds * 1e6 * share)
    counters.add("cgroup.usage_us", job * seconds * 1e6)
    counters.add("context_switches", 2 * solution.rate * seconds + 500 * seconds)


def _spread(
    counters: Counters, load: Load, job: float, busy: float, waits: float, seconds: float
) -> None:
    """Distribute CPU time over the CPUs: evenly, or on one CPU where one thread does all."""
    m = counters.machine
    ticks = USER_HZ * seconds
    rest = busy - job if load.serial else busy
    for cpu in range(m.cpus):
        own = rest / m.cpus
        if load.serial and cpu == counters.busiest:
            own = min(own + job, 1.0 - m.steal)
        own = min(own, 1.0 - m.steal)
        wait = min(waits / m.cpus, 1.0 - m.steal - own)
        counters.add(f"cpu{cpu}.user", 0.72 * own * ticks)
        counters.add(f"cpu{cpu}.system", 0.26 * own * ticks)
        counters.add(f"cpu{cpu}.softirq", 0.02 * own * ticks)
        counters.add(f"cpu{cpu}.iowait", wait * ticks)
        counters.add(f"cpu{cpu}.steal", m.steal * ticks)
        counters.add(f"cpu{cpu}.idle", (1.0 - m.steal - own - wait) * ticks)


def _count_network(
    counters: Counters, load: Load, requests: float, flight: Mapping[str, float], seconds: float
) -> None:
    m = counters.machine
    counters.add("net.rx", 3e4 * seconds)
    counters.add("net.tx", 2e4 * seconds)
    counters.add("tcp.in", 40 * seconds)
    counters.add("tcp.out", 40 * seconds)
    if load.where not in ("network", "server"):
        return
    missed = requests * (1 - load.cached * load.read)
    read, written = missed * load.read, missed * (1 - load.read)
    for way, count in (("rx", read), ("tx", written)):
        counters.add(f"net.{way}", count * load.request_bytes * 1.015)
    segments = missed * load.request_bytes / 8900
    counters.add("tcp.in", segments)
    counters.add("tcp.out", segments)
    counters.add("tcp.retransmitted", segments * load.retransmits)
    server = m.server
    if load.where != "server" or server is None:
        return
    execute_s = (flight.get("server", 0.0) + flight.get("link", 0.0)) * seconds
    sent = min(1.0, server.slots / max(flight.get("server", 0.0), 1e-9))
    for verb, count in (("READ", read), ("WRITE", written)):
        share = count / missed if missed else 0.0
        counters.add(f"nfs.{verb}.ops", count)
        counters.add(f"nfs.{verb}.bytes", count * load.request_bytes)
        counters.add(f"nfs.{verb}.execute_ms", share * execute_s * 1e3)
        counters.add(f"nfs.{verb}.rtt_ms", share * execute_s * sent * 1e3)
        counters.add(f"nfs.{verb}.queue_ms", share * execute_s * (1 - sent) * 1e3)
    counters.add("nfs.asked_read", requests * load.read * load.request_bytes)
    counters.add("nfs.asked_written", requests * (1 - load.read) * load.request_bytes)


def _count_memory(
    counters: Counters, load: Load, requests: float, flight: Mapping[str, float], seconds: float
) -> None:
    m = counters.machine
    limit = min(m.memory_max or math.inf, 0.9 * m.memory_bytes)
    brought = requests * (1 - load.cached) * load.request_bytes if load.where == "disk" else 0.0
    level = counters.gauge["cached"] + brought
    room = limit if m.memory_max is None else 0.2 * m.memory_bytes + m.memory_max
    reclaimed = max(level - room, 0.0)
    counters.gauge["cached"] = level - reclaimed
    counters.add("vm.pgsteal_kswapd", reclaimed / PAGE)
    counters.add("vm.pgscan_kswapd", 1.02 * reclaimed / PAGE)
    swapped = requests * load.swapped
    counters.add("vm.pswpin", swapped * 2)
    counters.add("vm.pswpout", swapped * 2)
    counters.add("vm.pgmajfault", swapped)
    if load.swapped:
        counters.add("vm.pgscan_direct", swapped * 30)
        counters.add("vm.pgsteal_direct", swapped * 6)
        counters.add("vm.allocstall", swapped * 0.2)
        waiting = flight.get("swap", 0.0)
        some = 1 - math.exp(-waiting) if waiting < 30 else 1.0
        counters.add("psi.memory.some", some * seconds * 1e6)
        counters.add("psi.memory.full", 0.6 * some * seconds * 1e6)
        if m.memory_max is not None:
            counters.add("cgroup.events_max", swapped * 0.3)
            counters.add("cgroup.memory_some", some * seconds * 1e6)
