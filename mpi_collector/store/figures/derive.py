"""Derived figures: what a host did, from its counters, in one place, with names and units.

``derive(host)`` turns the rows of a host into intervals. Interval i lies between rows i and i + 1. A rate is the growth
of a counter over the exact time between the two rows (of a source that was not due at some rows, over the time in which it
was not); a level (memory) is its value at the interval's end. A figure
whose columns were not recorded is not there; one that is unknown in some interval is NaN there. Nothing is clamped.

Totals count leaf physical devices once. Which those are says the host's recorded topology (``meta["topology"]``, under
``block`` and ``net``: {name: {"kind", "leaf", "parents"}}); devices it does not know, and recordings without one, go by
their names:

* block: nvme0n1, sda, hda, vda, xvda, mmcblk0, dasda, pmem0, rbd0 count; partitions of these do not, unless the disk
  itself is not listed (as on some Xen guests); nothing else does (dm, md, loop, ram, zram, sr, fd, nbd, nvme0c0n1);
* network: everything counts but lo, bonds, teams, VLANs, bridges, veth, tunnels and other devices that only exist in
  software, and what is named after another interface (ib0.8001, eth0:1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mpi_collector.node.row.layout import MISSING, STOP_TICK
from mpi_collector.store.figures.optional import TABLE, more, slowed
from mpi_collector.store.recording import Float64, Host, Int64
from mpi_collector.store.sampling_gaps import SamplingGaps

SECTOR_BYTES = 512  #: of diskstats, whatever the device's own sector size (Documentation/admin-guide/iostats.rst)
RDMA_NOTE = "RDMA traffic (InfiniBand verbs, RoCE, Slingshot) does not pass /proc/net/dev: it is in no network figure"


@dataclass(frozen=True)
class Figure:
    """``across``: how hosts make a cluster: "sum" of them, or "mean" weighted by what the figure is a mean of."""

    name: str
    label: str
    unit: str
    across: str
    doc: str


_TABLE = """
read_bytes_per_s        | read           | bytes/s  | sum  | sectors read x 512 per second, counted devices
write_bytes_per_s       | write          | bytes/s  | sum  | sectors written x 512 per second, counted devices
read_iops               | read IOPS      | 1/s      | sum  | reads completed per second
write_iops              | write IOPS     | 1/s      | sum  | writes completed per second
read_latency_ms         | read latency   | ms       | mean | time of a read, queueing included; none without reads
write_latency_ms        | write latency  | ms       | mean | time of a write, queueing included; none without writes
utilisation_percent     | device busy    | %        | mean | time with requests in flight, mean of the counted devices
utilisation_max_percent | busiest device | %        | mean | the same, of the device that was busiest in the interval
queue_depth             | queue depth    | requests | sum  | requests in flight, mean over time, all counted devices
cpu_busy_percent        | CPU busy       | %        | mean | user, nice, system, irq, softirq; guests are in user
cpu_iowait_percent      | iowait         | %        | mean | CPUs idle with I/O outstanding; the kernel: not reliable
cpu_steal_percent       | steal          | %        | mean | taken by the hypervisor
memory_used_bytes       | memory used    | bytes    | sum  | MemTotal - MemFree - Buffers - Cached
page_cache_bytes        | page cache     | bytes    | sum  | Cached + Buffers; tmpfs and shared memory are in it
dirty_bytes             | dirty          | bytes    | sum  | waiting to be written back
net_rx_bytes_per_s      | network in     | bytes/s  | sum  | received by the counted interfaces; not RDMA
net_tx_bytes_per_s      | network out    | bytes/s  | sum  | sent by the counted interfaces; not RDMA
"""
FIGURES = tuple(
    Figure(*(cell.strip() for cell in line.split("|")))
    for line in (_TABLE.strip() + TABLE.rstrip()).splitlines()
)
OPTIONAL = frozenset(
    line.split("|")[0].strip() for line in TABLE.strip().splitlines()
)  #: that nobody misses
BY_NAME = {f.name: f for f in FIGURES}

_WORKING = ("user", "nice", "system", "irq", "softirq")
_WAITING = ("idle", "iowait", "steal")
_BLOCK_LEAF = re.compile(
    r"(nvme\d+n\d+|(sd|hd|vd|xvd|dasd)[a-z]+|mmcblk\d+|pmem\d+(\.\d+)?s?|rbd\d+)"
)
_PARTITION = re.compile(r"(.*\d)p\d+|((?:sd|hd|vd|xvd|dasd)[a-z]+)\d+")
_NET_SOFTWARE = re.compile(
    r"lo|.*[.:@].*|.*[-_]br\d*|(bond|team|vlan|br|docker|virbr|lxcbr|lxdbr|cni|veth|vnet|tap|tun|ifb|dummy|wg|vxlan|geneve|gre|gretap|erspan"
    r"|sit|ip6tnl|tunl|ip_vti|ip6_vti|macvlan|macvtap|ipvlan|nlmon|cilium_\w*|flannel|kube-ipvs|weave|podman|tailscale|zt)\d*"
    r"|(br|vlan|docker|veth|cali|lxc|tap|tun|ovs|bond|team|wg|vxlan|podman)[-_].*|(veth|cali|lxc|tap|ovs)[0-9a-z]+|.*_slave_.*"
)


@dataclass
class Counted:
    """Which devices a total is made of. ``left_out``: {name: why}, in the order of the recording."""

    devices: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    by_topology: bool = False


@dataclass
class Series:
    """One figure of one host. ``values``, ``weight``: (intervals,). The mean covers the last, short interval too."""

    values: Float64
    weight: Float64  #: what the mean over time and hosts is weighted with: seconds, requests or CPU time
    mean: float
    peak: float
    minimum: float
    weight_sum: float
    known_s: float  #: seconds in which the figure is known


@dataclass
class Derived:
    """The figures of one host; times in UTC ns on the common time line, all arrays (intervals,).

    The interval that ends with the stop row is left out of the arrays when it is shorter than half of the others: a
    burst in a few milliseconds would look like a peak. It is in the means.
    """

    key: str
    first_tick: int  #: of the first row
    tick: Int64  #: of the interval's end; -1 = the stop row
    begin_ns: Int64
    end_ns: Int64
    span_s: float  #: from the first row to the last
    series: dict[str, Series] = field(default_factory=dict)
    block: Counted = field(default_factory=Counted)
    net: Counted = field(default_factory=Counted)
    cpus: int | None = None
    memory_bytes: float = float("nan")
    notes: list[str] = field(default_factory=list)


def block_rule(name: str, others: Iterable[str]) -> str:
    """ "" when a block device of this name counts, else why not. ``others``: all names that are listed."""
    if _BLOCK_LEAF.fullmatch(name):
        return ""
    match = _PARTITION.fullmatch(name)
    disk = match and (match[1] or match[2])
    if disk and _BLOCK_LEAF.fullmatch(disk):
        return f"partition of {disk}" if disk in others else ""
    return "no physical disk by its name"


def net_rule(name: str, _others: Iterable[str]) -> str:
    """ "" when an interface of this name counts, else why not."""
    return "no physical interface by its name" if _NET_SOFTWARE.fullmatch(name) else ""


def choose(names: list[str], topology: Any, rule: Callable[[str, Iterable[str]], str]) -> Counted:
    """The devices that count. ``topology``: {name: {"kind", "leaf", ...}}, or anything else for none."""
    known = topology if isinstance(topology, dict) else {}
    out = Counted(by_topology=bool(known))
    for name in names:
        about = known.get(name)
        if isinstance(about, dict) and "leaf" in about:
            why = "" if about["leaf"] else str(about.get("kind") or "not physical")
        else:
            why = rule(name, names)
        if why:
            out.left_out[name] = why
        else:
            out.devices.append(name)
    return out


class _Deriver:
    """Holds what all figures of one host need."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.columns = set(host.columns)
        times = host.timestamp_ns
        self.seconds = np.diff(times) * 1e-9
        self.seconds[self.seconds <= 0] = np.nan
        self.skipped = SamplingGaps(host, self.seconds)
        self.shown = self._shown(len(self.seconds))
        n = self.shown
        first = int(host.tick[0]) if len(times) else STOP_TICK
        span_s = float(times[-1] - times[0]) * 1e-9 if len(times) else 0.0
        self.out = Derived(
            host.key, first, host.tick[1 : n + 1], times[:n], times[1 : n + 1], span_s
        )
        topology = host.meta.get("topology")
        topology = topology if isinstance(topology, dict) else {}
        self.out.block = choose(
            self.devices("diskstats", "sectors_read"), topology.get("block"), block_rule
        )
        self.out.net = choose(self.devices("netdev", "rx_bytes"), topology.get("net"), net_rule)

    def _shown(self, n: int) -> int:
        if n < 2 or self.host.tick[-1] != STOP_TICK:
            return n
        return n if self.seconds[-1] >= 0.5 * np.nanmedian(self.seconds[:-1]) else n - 1

    def devices(self, source: str, column: str) -> list[str]:
        """Names of a table's devices, in the order of the recording."""
        head, tail = source + ".", "." + column
        return [
            c[len(head) : -len(tail)]
            for c in self.host.columns
            if c.startswith(head) and c.endswith(tail)
        ]

    def growth(self, name: str) -> Float64:
        """(intervals,) growth of a counter, NaN where unknown; resets are noted."""
        delta = self.skipped.growth(name)
        raw = self.host.raw(name)
        reset = np.isnan(delta) & (raw[:-1] != MISSING) & (raw[1:] != MISSING)
        if reset.any():
            self.out.notes.append(
                f"{name}: fell in {int(reset.sum())} interval(s), which are left out of it"
            )
        return delta

    def total(self, source: str, devices: list[str], column: str) -> Float64 | None:
        """(intervals,) growth summed over devices: of those that are known, NaN where none is; None without columns."""
        names = [f"{source}.{d}.{column}" for d in devices]
        return known_sum([self.growth(n) for n in names if n in self.columns])

    def add(self, name: str, values: Float64 | None, weight: Float64 | None = None) -> None:
        """Keep a figure. ``weight``: (intervals,), seconds when none is given."""
        if values is None or not len(values):
            return
        weight = self.seconds if weight is None else weight
        known = np.isfinite(values) & np.isfinite(weight)
        total = float(weight[known].sum())
        mean = float((values[known] * weight[known]).sum() / total) if total > 0 else float("nan")
        shown = values[: self.shown][known[: self.shown]]
        peak, least = (float(shown.max()), float(shown.min())) if len(shown) else (mean, mean)
        known_s = float(self.seconds[known].sum())
        self.out.series[name] = Series(
            values[: self.shown],
            weight[: self.shown],
            mean,
            peak,
            least,
            total if known.any() else 0.0,
            known_s,
        )

    # ---- figures
    def disks(self) -> None:
        of, devices, s = self.total, self.out.block.devices, self.seconds
        for verb, did in (("read", "reading"), ("write", "writing")):
            sectors = of(
                "diskstats", devices, {"read": "sectors_read", "write": "sectors_written"}[verb]
            )
            count, took = (
                of("diskstats", devices, f"{verb}s_completed"),
                of("diskstats", devices, f"time_{did}_ms"),
            )
            self.add(f"{verb}_bytes_per_s", None if sectors is None else sectors * SECTOR_BYTES / s)
            self.add(f"{verb}_iops", None if count is None else count / s)
            if count is not None and took is not None:
                requests = np.where(count > 0, count, np.nan)
                self.add(f"{verb}_latency_ms", took / requests, np.where(count >= 0, count, np.nan))
        queue = of("diskstats", devices, "weighted_time_doing_ios_ms")
        self.add("queue_depth", None if queue is None else queue / (s * 1e3))
        names = [f"diskstats.{d}.time_doing_ios_ms" for d in devices]
        busy = [self.growth(n) / (s * 10) for n in names if n in self.columns]
        if busy:
            count = np.sum([np.isfinite(b) for b in busy], axis=0)
            mean = np.asarray(known_sum(busy)) / np.where(count > 0, count, np.nan)
            self.add("utilisation_percent", mean)
            self.add("utilisation_max_percent", np.fmax.reduce(busy))

    def network(self) -> None:
        for way in ("rx", "tx"):
            total = self.total("netdev", self.out.net.devices, f"{way}_bytes")
            self.add(f"net_{way}_bytes_per_s", None if total is None else total / self.seconds)

    def cpu(self) -> None:
        """Idle, iowait and steal may fall a little (proc(5)): they count with their sign in the whole."""
        self.out.cpus = (
            sum(bool(re.fullmatch(r"cpu\d+", d)) for d in self.devices("stat", "idle")) or None
        )
        modes = [m for m in (*_WORKING, *_WAITING) if f"stat.cpu.{m}" in self.columns]
        if not {"user", "nice", "system", "idle"} <= set(modes):
            return
        busy = np.sum([self.growth(f"stat.cpu.{m}") for m in modes if m in _WORKING], axis=0)
        signed = {m: np.diff(self.host.value(f"stat.cpu.{m}")) for m in modes if m in _WAITING}
        whole = busy + np.sum(list(signed.values()), axis=0)
        whole = np.where(whole > 0, whole, np.nan)
        self.add("cpu_busy_percent", 100 * busy / whole, whole)
        for mode in {"iowait", "steal"} & signed.keys():
            self.add(f"cpu_{mode}_percent", 100 * self.growth(f"stat.cpu.{mode}") / whole, whole)

    def memory(self) -> None:
        names = ("MemTotal", "MemFree", "Buffers", "Cached", "Dirty")
        level = {
            n: self.host.value(f"meminfo.{n}") * 1024
            for n in names
            if f"meminfo.{n}" in self.columns
        }
        if "MemTotal" in level and np.isfinite(level["MemTotal"]).any():
            self.out.memory_bytes = float(np.nanmax(level["MemTotal"]))
        if {"Buffers", "Cached"} <= level.keys():
            self.add("page_cache_bytes", (level["Buffers"] + level["Cached"])[1:])
        if set(names[:4]) <= level.keys():
            used = level["MemTotal"] - level["MemFree"] - level["Buffers"] - level["Cached"]
            self.add("memory_used_bytes", used[1:])
        if "Dirty" in level:
            self.add("dirty_bytes", level["Dirty"][1:])


def known_sum(parts: list[Float64]) -> Float64 | None:
    """Sum of arrays where NaN is unknown: of what is known, NaN where nothing is; None of no arrays."""
    if not parts:
        return None
    known: npt.NDArray[np.bool_] = np.logical_or.reduce([np.isfinite(p) for p in parts])
    total = np.nansum(parts, axis=0)
    return np.where(known, total, np.nan)


def derive(host: Host) -> Derived:
    """All figures of a host. Reads its ``values``; ``host.release()`` afterwards lets go of them."""
    with np.errstate(divide="ignore", invalid="ignore"):
        deriver = _Deriver(host)
        deriver.out.notes += slowed(host.meta)
        if len(host) > 1:
            deriver.disks()
            deriver.network()
            deriver.cpu()
            deriver.memory()
            more(deriver)
    return deriver.out
