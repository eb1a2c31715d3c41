"""Kernel files of a modelled host: the texts that its /proc and /sys would show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from corpus.machine import PAGE, Counters, Machine

KB = 1024
_STAT = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest")
BOOT_ID = "11111111-2222-3333-4444-555555555555\n"


def write_machine(root: Path, machine: Machine, host: int) -> None:
    """Write the files that do not change: topology, limits, identity."""
    files = {
        "proc/version": "Linux version 6.8.0-45-generic (gcc 13.2.0) #45-Ubuntu SMP\n",
        "proc/cpuinfo": "".join(_cpuinfo(machine)),
        "proc/sys/kernel/random/boot_id": BOOT_ID.replace("1", f"{host % 16:x}", 8),
        "proc/self/mountinfo": "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n",
        "proc/self/cgroup": "0::/system.slice/job.scope\n",
        "sys/fs/cgroup/cgroup.controllers": "cpu io memory pids\n",
        "proc/loadavg": "1.00 1.00 1.00 2/400 4321\n",
        "proc/sys/kernel/pid_max": "4194304\n",
    }
    cgroup = "sys/fs/cgroup/system.slice/job.scope/"
    quota = machine.quota_cores
    files[cgroup + "cpu.max"] = f"{quota * 1e5:.0f} 100000\n" if quota else "max 100000\n"
    limit = machine.memory_max
    files[cgroup + "memory.max"] = f"{limit:.0f}\n" if limit else "max\n"
    limits = [
        f"{_numbers(machine, name)} rbps={value:.0f} wbps={value:.0f} riops=max wiops=max\n"
        for name, value in machine.io_max.items()
    ]
    files[cgroup + "io.max"] = "".join(limits)
    for disk in machine.disks:
        base = f"sys/block/{disk.name}/"
        files[base + "size"] = "7501476528\n"
        files[base + "dev"] = _numbers(machine, disk.name) + "\n"
        files[base + "queue/rotational"] = "0\n"
        if disk.counted:
            files[base + "device/model"] = "MODEL\n"
            if disk.pcie:
                files[base + "device/device/current_link_speed"] = disk.pcie[0] + "\n"
                files[base + "device/device/current_link_width"] = f"{disk.pcie[1]}\n"
    base = f"sys/class/net/{machine.link.name}/"
    files[base + "device/vendor"] = "0x15b3\n"
    files[base + "speed"] = f"{machine.link.mbps}\n"
    files[base + "type"] = "1\n"
    files[base + "operstate"] = "up\n"
    files[base + "carrier"] = "1\n"
    files[base + "ifindex"] = files[base + "iflink"] = "2\n"
    for path, text in files.items():
        at = root / path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text)


def _numbers(machine: Machine, name: str) -> str:
    """Return MAJ:MIN of a disk."""
    return f"259:{[d.name for d in machine.disks].index(name)}"


def _cpuinfo(machine: Machine) -> Iterator[str]:
    for cpu in range(machine.cpus):
        yield f"processor\t: {cpu}\nmodel name\t: CPU\nphysical id\t: 0\ncore id\t\t: {cpu}\n"
        yield f"cpu cores\t: {machine.cpus}\n\n"


def write_counters(root: Path, counters: Counters) -> None:
    """Write the files that are sampled."""
    for path, text in texts(counters):
        at = root / path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text)


def texts(counters: Counters) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of every file that is sampled."""
    m = counters.machine
    yield "proc/diskstats", "".join(_diskstats(counters))
    yield "proc/net/dev", _netdev(counters)
    yield "proc/stat", "".join(_stat(counters))
    yield "proc/meminfo", _meminfo(counters)
    yield "proc/vmstat", _vmstat(counters)
    running = counters.gauge.get("running", 1)
    yield "proc/loadavg", f"{running:.2f} {running:.2f} {running:.2f} {running:.0f}/400 4321\n"
    for resource in ("cpu", "io", "memory"):
        yield f"proc/pressure/{resource}", "".join(_pressure(counters, resource))
    yield "proc/net/snmp", _snmp(counters)
    yield from _cgroup(counters)
    if m.server is not None and m.server.kind == "nfs":
        yield "proc/self/mountstats", _mountstats(counters)
    if m.server is not None and m.server.kind == "lustre":
        yield "proc/fs/lustre/llite/data-ffff8a01/stats", _llite(counters)
        yield "proc/fs/lustre/osc/data-OST0000-osc-ffff8a01/stats", _osc(counters)


def _n(counters: Counters, name: str) -> int:
    return int(counters.value.get(name, 0.0))


def _diskstats(c: Counters) -> Iterator[str]:
    for minor, disk in enumerate(c.machine.disks):
        d = disk.name
        fields = [
            _n(c, f"{d}.reads"), 0, _n(c, f"{d}.read_sectors"), _n(c, f"{d}.read_ms"),
            _n(c, f"{d}.writes"), 0, _n(c, f"{d}.write_sectors"), _n(c, f"{d}.write_ms"),
            round(c.gauge.get(f"{d}.in_flight", 0.0)),
            _n(c, f"{d}.busy_ms"), _n(c, f"{d}.weighted_ms"),
        ]  # fmt: skip
        yield f" 259 {minor:7d} {d} " + " ".join(map(str, fields)) + " 0 0 0 0 0 0\n"


def _netdev(c: Counters) -> str:
    rx, tx = _n(c, "net.rx"), _n(c, "net.tx")
    name = c.machine.link.name
    return (
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs"
        " drop fifo colls carrier compressed\n"
        "    lo: 1000 10 0 0 0 0 0 0 1000 10 0 0 0 0 0 0\n"
        f"{name:>6}: {rx} {rx // 8900} 0 0 0 0 0 0 {tx} {tx // 8900} 0 0 0 0 0 0\n"
    )


def _stat(c: Counters) -> Iterator[str]:
    cpus = range(c.machine.cpus)
    rows = [[_n(c, f"cpu{n}.{mode}") for mode in _STAT] + [0] for n in cpus]
    yield "cpu  " + " ".join(str(sum(column)) for column in zip(*rows)) + "\n"
    for n, row in enumerate(rows):
        yield f"cpu{n} " + " ".join(map(str, row)) + "\n"
    yield f"intr {_n(c, 'context_switches')}\nctxt {_n(c, 'context_switches')}\n"
    yield "btime 1760000000\nprocesses 4321\n"
    running, blocked = c.gauge.get("running", 1), c.gauge.get("blocked", 0)
    yield f"procs_running {running:.0f}\nprocs_blocked {blocked:.0f}\n"


def _meminfo(c: Counters) -> str:
    total = c.machine.memory_bytes
    cached, dirty = c.gauge["cached"], c.gauge["dirty"]
    free = max(total * 0.95 - cached - 0.05 * total, 0.01 * total)
    rows = {
        "MemTotal": total, "MemFree": free, "MemAvailable": free + 0.9 * cached,
        "Buffers": 2e8, "Cached": cached, "SwapCached": 0, "Dirty": dirty,
        "Writeback": min(dirty, 4e7), "AnonPages": 0.03 * total, "Slab": 1e9, "SReclaimable": 6e8,
        "Shmem": 1e8, "SwapTotal": 8e9, "SwapFree": 8e9,
    }  # fmt: skip
    return "".join(f"{k + ':':16}{int(v) // KB:8d} kB\n" for k, v in rows.items())


def _vmstat(c: Counters) -> str:
    limit = c.machine.dirty_limit / PAGE
    read = sum(_n(c, f"{d.name}.read_sectors") for d in c.machine.disks) // 2
    written = sum(_n(c, f"{d.name}.write_sectors") for d in c.machine.disks) // 2
    rows = {
        "nr_dirty": c.gauge["dirty"] / PAGE, "nr_writeback": min(c.gauge["dirty"], 4e7) / PAGE,
        "nr_dirty_threshold": limit, "nr_dirty_background_threshold": limit / 2,
        "pgpgin": read, "pgpgout": written,
        "pswpin": _n(c, "vm.pswpin"), "pswpout": _n(c, "vm.pswpout"),
        "pgmajfault": _n(c, "vm.pgmajfault"),
        "pgscan_kswapd": _n(c, "vm.pgscan_kswapd"), "pgsteal_kswapd": _n(c, "vm.pgsteal_kswapd"),
        "pgscan_direct": _n(c, "vm.pgscan_direct"), "pgsteal_direct": _n(c, "vm.pgsteal_direct"),
        "allocstall_normal": _n(c, "vm.allocstall"),
    }  # fmt: skip
    return "".join(f"{k} {int(v)}\n" for k, v in rows.items())


def _pressure(c: Counters, resource: str) -> Iterator[str]:
    for what in ("some", "full"):
        total = _n(c, f"psi.{resource}.{what}")
        yield f"{what} avg10=0.00 avg60=0.00 avg300=0.00 total={total}\n"


def _snmp(c: Counters) -> str:
    names = "ActiveOpens CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts"
    values = f"10 4 {_n(c, 'tcp.in')} {_n(c, 'tcp.out')} {_n(c, 'tcp.retransmitted')} 0 0"
    return f"Tcp: {names}\nTcp: {values}\n"


def _cgroup(c: Counters) -> Iterator[tuple[str, str]]:
    base = "sys/fs/cgroup/system.slice/job.scope/"
    usage = _n(c, "cgroup.usage_us")
    stat = f"usage_usec {usage}\nuser_usec {usage * 7 // 10}\nsystem_usec {usage * 3 // 10}\n"
    stat += (
        f"nr_periods {_n(c, 'cgroup.nr_periods')}\nnr_throttled {_n(c, 'cgroup.nr_throttled')}\n"
    )
    yield base + "cpu.stat", stat + f"throttled_usec {_n(c, 'cgroup.throttled_us')}\n"
    m = c.machine
    cached = c.gauge["cached"] - 0.2 * m.memory_bytes
    used = 2e9 + min(max(cached, 0.0), m.memory_max or 1e18)
    yield base + "memory.current", f"{int(min(used, m.memory_max or used))}\n"
    hits = _n(c, "cgroup.events_max")
    yield base + "memory.events", f"low 0\nhigh 0\nmax {hits}\noom 0\noom_kill 0\n"
    moved = [
        f"259:{n} rbytes={_n(c, d.name + '.read_sectors') * 512} "
        f"wbytes={_n(c, d.name + '.write_sectors') * 512} rios={_n(c, d.name + '.reads')} "
        f"wios={_n(c, d.name + '.writes')} dbytes=0 dios=0\n"
        for n, d in enumerate(m.disks)
    ]
    yield base + "io.stat", "".join(moved)
    for resource in ("cpu", "io", "memory"):
        yield base + f"{resource}.pressure", "".join(_pressure(c, resource))


def _mountstats(c: Counters) -> str:
    server = c.machine.server
    assert server is not None
    asked = f"{_n(c, 'nfs.asked_read')} {_n(c, 'nfs.asked_written')}"
    moved = f"{_n(c, 'nfs.READ.bytes')} {_n(c, 'nfs.WRITE.bytes')}"
    text = (
        "device rootfs mounted on / with fstype rootfs\n"
        f"device server:/export mounted on {server.mount} with fstype nfs4 statvers=1.1\n"
        "\topts:\trw,vers=4.2,rsize=1048576,wsize=1048576,hard,proto=tcp,timeo=600\n"
        "\tage:\t1000\n\tcaps:\tcaps=0x3fffdf\n\tevents:\t" + " ".join(["0"] * 27) + "\n"
        f"\tbytes:\t{asked} 0 0 {moved} 0 0\n"
        "\tRPC iostats version: 1.1  p/v: 100003/4 (nfs)\n"
        f"\txprt:\ttcp 0 0 1 0 0 {_n(c, 'nfs.READ.ops')} {_n(c, 'nfs.READ.ops')} 0 0 0 2 0 0\n"
        "\tper-op statistics\n"
    )
    for verb in ("READ", "WRITE"):
        ops, moved_bytes = _n(c, f"nfs.{verb}.ops"), _n(c, f"nfs.{verb}.bytes")
        sent, received = (200 * ops, moved_bytes) if verb == "READ" else (moved_bytes, 100 * ops)
        times = [_n(c, f"nfs.{verb}.{what}_ms") for what in ("queue", "rtt", "execute")]
        text += f"\t{verb + ':':>16} {ops} {ops} 0 {sent} {received} "
        text += " ".join(map(str, times)) + " 0\n"
    return text


def _llite(c: Counters) -> str:
    rows = []
    for name, asked, ops in (
        ("read_bytes", "nfs.asked_read", "nfs.READ.ops"),
        ("write_bytes", "nfs.asked_written", "nfs.WRITE.ops"),
    ):
        rows.append(f"{name:25} {_n(c, ops)} samples [bytes] 4096 1048576 {_n(c, asked)}\n")
    return "snapshot_time 1760000000.0 secs.nsecs\n" + "".join(rows)


def _osc(c: Counters) -> str:
    text = "snapshot_time 1760000000.0 secs.nsecs\n"
    ops = _n(c, "nfs.READ.ops") + _n(c, "nfs.WRITE.ops")
    wait = (_n(c, "nfs.READ.execute_ms") + _n(c, "nfs.WRITE.execute_ms")) * 1000
    text += f"req_waittime              {ops} samples [usec] 50 100000 {wait} 1\n"
    for name, moved, count in (
        ("read_bytes", "nfs.READ.bytes", "nfs.READ.ops"),
        ("write_bytes", "nfs.WRITE.bytes", "nfs.WRITE.ops"),
    ):
        text += f"{name:25} {_n(c, count)} samples [bytes] 4096 1048576 {_n(c, moved)} 1\n"
    return text
