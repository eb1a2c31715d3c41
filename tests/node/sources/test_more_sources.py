"""Sources beyond the basic five: what each makes of kernel texts, and of damaged ones.

The texts are as the kernel's documentation and its sources have them (proc(5), Documentation/accounting/psi.rst,
net/sunrpc/stats.c, net/core/net-procfs.c, Documentation/admin-guide/cgroup-v2.rst, the Lustre manual); where this machine
has the file, the live one is compared as well.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mpi_collector
from mpi_collector.node.read.kernel_file import KernelFile
from mpi_collector.node.read.probe import Probe
from mpi_collector.node.row.decode import RowDecoder, make_layout
from mpi_collector.node.row.layout import MISSING
from mpi_collector.node.sources import ALL, BY_NAME, GROUPS, interrupts, schedstat, select
from mpi_collector.node.status import ABSENT, MALFORMED, OK, SKIPPED, SLOW

NFS = b"""\
device rootfs mounted on / with fstype rootfs
device srv:/a b mounted on /odd with fstype nfs4 statvers=1.1
device srv:/vol mounted on /mnt/data with fstype nfs4 statvers=1.1
\topts:\trw,vers=4.2,nconnect=2
\tage:\t100
\tevents:\t1 2 3
\tbytes:\t1000 2000 30 40 5000 6000 7 8
\tRPC iostats version: 1.1  p/v: 100003/4 (nfs)
\txprt:\ttcp 0 0 1 0 11 500 498 2 0 3 5 1 0
\txprt:\ttcp 0 0 1 0 11 100 99 1 0 3 5 1 0
\tper-op statistics
\t        NULL: 1 1 0 44 24 0 0 0 0
\t        READ: 10 12 1 2000 5000 30 400 450 2
\t       WRITE: 5 5 0 6000 700 1 50 60 0
\t     READDIR: 1 1 0 10 20 1 2 3 0
\t READDIRPLUS: 2 2 0 10 20 1 2 3 0
\t      RENAME: 3 3 0 1 1 1 1 1 0

device proc mounted on /proc with fstype proc
"""
SNMP = b"""\
@snmp
Ip: Forwarding DefaultTTL
Ip: 1 64
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts
Tcp: 1 200 120000 -1 5 7 1000 2000 3 4 5
Udp: InDatagrams NoPorts InErrors
Udp: 1 2 3
@netstat
TcpExt: SyncookiesSent TCPTimeouts TCPNew
TcpExt: 0 42 9
IpExt: InNoRoutes InOctets OutOctets
IpExt: 0 123456789012345 6
"""
IB = b"""\
@mlx5_0/1:port_rcv_data
1000
@mlx5_0/1:port_xmit_data
18446744073709551615
@mlx5_0/1:symbol_error
3
@mlx5_0/1:vendor_thing
9
@hfi1_0/1:port_rcv_data
no data
"""
LUSTRE = b"""\
@llite/lfs-ffff8a
snapshot_time             1705320000.123456789 secs.nsecs
read_bytes                100 samples [bytes] 4096 1048576 104857600 123
open                      7 samples [usec] 5 100 700 90000
@osc/lfs-OST0000-osc-ffff8a
req_waittime              9 samples [usec] 10 20 150 3000
bad line here
"""
CGROUP = b"""\
@cpu.stat
usage_usec 1000
nr_throttled 3
throttled_usec 77
@memory.current
4096
@memory.stat
anon 100
file 200
unwanted 5
pgmajfault 2
@memory.events
oom_kill 1
@io.stat
8:0 rbytes=100 wbytes=200 rios=3 wios=4 dbytes=0 dios=0
259:0 rbytes=1 wbytes=2 rios=3 wios=4
@pids.current
12
@io.pressure
some avg10=0.00 avg60=0.00 avg300=0.00 total=55
full avg10=0.00 avg60=0.00 avg300=0.00 total=44
"""
TEXTS = {
    "pressure": (b"@cpu\nsome avg10=0.00 avg60=0.10 avg300=0.00 total=123\n@io\nsome avg10=1.50 avg60=0.00 avg300=0.00 total=9\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=8\n",
                 {"cpu.some_us": 123, "io.some_us": 9, "io.full_us": 8}),
    "nfs": (NFS, {"/mnt/data.normal_read_bytes": 1000, "/mnt/data.server_write_bytes": 6000, "/mnt/data.READ_ops": 10,
                  "/mnt/data.READ_transmissions": 12, "/mnt/data.READ_timeouts": 1, "/mnt/data.READ_rtt_ms": 400, "/mnt/data.READ_errors": 2,
                  "/mnt/data.WRITE_execute_ms": 60, "/mnt/data.READDIR_ops": 3, "/mnt/data.OTHER_ops": 4, "/mnt/data.xprt_sends": 600,
                  "/mnt/data.xprt_bad_xids": 3}),
    "tcp": (SNMP, {"Tcp.CurrEstab": 7, "Tcp.RetransSegs": 3, "Udp.InErrors": 3, "TcpExt.TCPTimeouts": 42, "IpExt.InOctets": 123456789012345}),
    "infiniband": (IB, {"mlx5_0/1.port_rcv_data": 4000, "mlx5_0/1.port_xmit_data": 18446744073709551615 * 4, "mlx5_0/1.symbol_error": 3,
                        "mlx5_0/1.vendor_thing": 9}),
    "lustre": (LUSTRE, {"llite/lfs-ffff8a.read_bytes_samples": 100, "llite/lfs-ffff8a.read_bytes_sum": 104857600,
                        "llite/lfs-ffff8a.open_sum": 700, "osc/lfs-OST0000-osc-ffff8a.req_waittime_samples": 9}),
    "softnet": (b"0000000a 00000001 00000002 0 0 0 0 0 0 00000003 00000004 0 0\n00000010 00000000 00000001 0 0 0 0 0 0 0 0 0 1\n",
                {"processed": 26, "dropped": 1, "squeezed": 3, "received_rps": 3, "flow_limited": 4}),
    "cgroup": (CGROUP, {"cpu.usage_us": 1000, "cpu.nr_throttled": 3, "cpu.throttled_us": 77, "memory.memory_bytes": 4096, "memory.anon": 100,
                        "memory.pgmajfault": 2, "memory.events_oom_kill": 1, "8:0.read_bytes": 100, "259:0.writes": 4, "pids.pids": 12,
                        "pressure.io_full_us": 44}),
    "numa": (b"@node0:numastat\nnuma_hit 5\nnuma_miss 1\n@node0:meminfo\nNode 0 MemTotal:  1000 kB\nNode 0 MemFree: 7 kB\nNode 0 HugePages_Total: 3\n@node1:numastat\nnuma_hit 6\n",
             {"node0.numa_hit": 5, "node0.numa_miss": 1, "node0.MemFree_kB": 7, "node1.numa_hit": 6}),
    "schedstat": (schedstat.condense(b"version 15\ntimestamp 1\ncpu0 0 0 0 0 0 0 100 20 3\ndomain0 3 1 2 3 4 5 6 7 8\ncpu1 0 0 0 0 0 0 200 30 4\n"),
                  {"running_ns": 300, "waiting_ns": 50, "timeslices": 7}),
    "interrupts": (interrupts.condense(b"           CPU0       CPU1\n  0:   5   0   IO-APIC   2-edge      timer\n 24:  10  20   PCI-MSI 512-edge      nvme0q1\n 25:   1   2   PCI-MSI 513-edge      nvme0q2\nLOC: 100 200   Local timer interrupts\nERR: 3\n"),
                   {"timer.count": 5, "nvme0q.count": 33, "LOC.count": 300, "ERR.count": 3}),
    "queue": (b"@sda\n       3        4\n@nvme0n1\n 0 0\n", {"sda.reads_in_flight": 3, "sda.writes_in_flight": 4, "nvme0n1.reads_in_flight": 0}),
    "power": (b"@package-0:intel-rapl.0:energy_uj\n123456\n@nvme:hwmon3:temp1_input\n41850\n@acpi:hwmon1:power1_average\n250000000\n",
              {"package-0:intel-rapl.0.energy_uj": 123456, "nvme:hwmon3.temp1_input": 41850, "acpi:hwmon1.power1_average": 250000000}),
    "processes": (b"dlio processes 2\ndlio read_bytes 77\npython rss_bytes 5\n", {"dlio.processes": 2, "dlio.read_bytes": 77, "python.rss_bytes": 5}),
}  # fmt: skip
NEW = sorted(TEXTS)


def cells_of(name: str, text: bytes, later: bytes | None = None) -> tuple[dict[str, int], int]:
    """{column without the source: value} of ``later`` under the layout of ``text``, and the status."""
    source = BY_NAME[name]()
    layout = make_layout([source], [text])
    row, (status,) = RowDecoder([source], layout, lambda e: None).decode(
        [text if later is None else later], 0
    )
    out = {
        c.name.partition(".")[2]: v
        for c, v in zip(layout.columns(), row)
        if c.device is not None and v != MISSING
    }
    return {
        k: v for k, v in out.items() if not k.startswith(("cpu_ns", "rss_bytes")) or "." in k
    }, status


@pytest.mark.parametrize("name", NEW)
def test_values_are_those_of_the_text(name: str) -> None:
    text, wanted = TEXTS[name]
    found, _status = cells_of(name, text)
    assert {k: found.get(k) for k in wanted} == wanted


@pytest.mark.parametrize("name", NEW)
def test_every_column_is_declared(name: str) -> None:
    """A unit, a kind and a meaning."""
    source = BY_NAME[name]()
    for table in make_layout([source], [TEXTS[name][0]]).tables[:-1]:
        for field in table.fields:
            assert field.kind in ("counter", "gauge")
            assert field.doc, field
    assert source.doc
    assert source.location() not in ("", "/")


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize(
    "text", [b"", b"\n\n", b"\xff\xfe\x00", b"@\n", b"@x\n", b"x" * 100_000, b"@a 1 2 3\n9" * 1000]
)
def test_strange_texts(name: str, text: bytes) -> None:
    """At the start and later: no error, nothing invented."""
    cells_of(name, text)
    cells_of(name, TEXTS[name][0], text)


@pytest.mark.parametrize("name", NEW)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_texts(name: str, data: st.DataObject) -> None:
    """Cut anywhere, a byte changed anywhere: every value that comes out is of a column there is."""
    text = bytearray(TEXTS[name][0])
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.integers(0, 255))
    for damaged in (bytes(text), bytes(text[:at])):
        _cells, status = cells_of(name, TEXTS[name][0], damaged)
        assert status in (OK, MALFORMED)


def test_a_nfs_mount_comes_and_goes() -> None:
    gone = NFS[: NFS.index(b"device srv:/vol")] + NFS[NFS.index(b"device proc") :]
    assert not [k for k in cells_of("nfs", NFS, gone)[0] if k.startswith("/mnt/data")]
    more = NFS + NFS.replace(b"/mnt/data", b"/mnt/more").replace(b"5000 6000", b"5001 6000")
    assert cells_of("nfs", NFS, more)[0]["/mnt/more.READ_ops"] == 10


def test_an_unknown_infiniband_counter_is_kept() -> None:
    assert cells_of("infiniband", IB)[0]["mlx5_0/1.vendor_thing"] == 9


# ---- live
LIVE = [n for n in NEW if n not in ("infiniband", "lustre", "power", "schedstat", "queue")]


@pytest.mark.parametrize("name", LIVE)
def test_live(name: str, tmp_path: Path) -> None:
    """Recorded on this machine: read whenever it was due, counters never fall."""
    probe = Probe(select(name))
    probe.close()
    if name in probe.absent:
        pytest.skip(f"{name}: not on this kernel, or not for this user")
    with mpi_collector.collect(
        interval=0.05,
        sources=name,
        results_dir=tmp_path,
        spool_dir=str(tmp_path),
        quiet=True,
        sampler="thread",
    ):
        time.sleep(1)
    with mpi_collector.load(tmp_path) as run:
        (host,) = run.values()
        status = host.array("source_status")[:, 0]
        assert set(status.tolist()) <= {OK, SKIPPED, SLOW}
        read = host.values[status == OK]
        assert len(read) >= 3
        kinds = [str(k) for k in host.array("kinds")]
        for i, column in enumerate(host.columns):
            values = read[:, i]
            values = values[values != MISSING]
            if kinds[i] == "counter" and len(values) > 1:
                # the kernel sums per-CPU counters without a lock
                assert (np.diff(values) >= -max(64, abs(int(values[0])) // 1000)).all(), column


def test_processes_against_psutil(tmp_path: Path) -> None:
    """This very test among the user's processes; and one that ends stays in the sums."""
    import subprocess
    import sys

    word = f"only_{os.getpid()}"  # a machine may run so many other commands that this one has no column of its own
    (source,) = select(f"processes:{word}")
    reader = source.reader("/")
    child = subprocess.Popen([sys.executable, "-c", f"{word} = 0\nwhile True: {word} += 1"])
    time.sleep(1)
    before = _by_name(reader.read())
    name = psutil.Process(child.pid).name()
    used = psutil.Process(child.pid).cpu_times()
    assert before[name]["user_ms"] >= int(used.user * 1000) - 500
    assert before[name]["processes"] >= 1
    child.kill()
    child.wait()
    after = _by_name(reader.read())
    assert after[name]["user_ms"] >= before[name]["user_ms"]


def test_processes_of_a_launcher(tmp_path: Path) -> None:
    """A child that runs another program under its PID, whose io is closed for a moment, that ends: no sum ever falls."""

    def process(pid: int, name: str, user_ticks: int, read: int | None) -> None:
        (tmp_path / "proc" / str(pid)).mkdir(parents=True, exist_ok=True)
        rest = f"S 1 1 1 0 -1 0 5 0 3 0 {user_ticks} 2 0 0 20 0 1 0 4242 1000000 10"
        (tmp_path / "proc" / str(pid) / "stat").write_text(f"{pid} ({name}) {rest}")
        (tmp_path / "proc" / str(pid) / "io").write_text(
            "" if read is None else f"rchar: {read}\nsyscr: 7\n"
        )

    process(10, "mpirun", 100, 5000)
    reader = BY_NAME["processes"]().reader(str(tmp_path))
    first = _by_name(reader.read())
    assert first["mpirun"]["read_call_bytes"] == 5000
    process(10, "dlio worker", 150, None)
    second = _by_name(reader.read())
    assert second["mpirun"] == {**first["mpirun"], "processes": 0, "threads": 0, "rss_bytes": 0}
    assert second["dlio_worker"]["read_call_bytes"] == 0
    assert second["dlio_worker"]["user_ms"] == 50 * 1000 // os.sysconf("SC_CLK_TCK")
    process(10, "dlio worker", 150, 5600)
    assert _by_name(reader.read())["dlio_worker"]["read_call_bytes"] == 600
    for f in (tmp_path / "proc" / "10").iterdir():
        f.unlink()
    assert _by_name(reader.read())["dlio_worker"]["read_call_bytes"] == 600


def _by_name(text: bytes) -> dict[str, dict[str, int]]:
    out: dict[str, dict[str, int]] = {}
    for line in text.decode().splitlines():
        name, field, value = line.split()
        out.setdefault(name, {})[field] = int(value)
    return out


def test_absent_is_a_status(tmp_path: Path) -> None:
    probe = Probe([s() for s in ALL], str(tmp_path))
    assert set(probe.absent) == {s.name for s in ALL}
    assert set(probe.absent.values()) == {ABSENT}


def test_groups() -> None:
    assert set(GROUPS["basic"]) < set(GROUPS["default"]) < set(GROUPS["all"])
    assert {"pressure", "nfs", "lustre", "infiniband", "tcp", "cgroup", "stat"} <= set(
        GROUPS["default"]
    )
    assert "power" not in GROUPS["default"]
    assert select("none") == []
    kernel_file = BY_NAME["loadavg"]().open("/")
    assert isinstance(kernel_file, KernelFile)
    kernel_file.close()


@pytest.mark.parametrize(
    "python",
    sorted(
        Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions").glob(
            "3.*/bin/python"
        )
    ),
)
def test_old_pythons(python: Path) -> None:
    """Every source opens, reads and decodes under every interpreter that an agent may meet."""
    import subprocess

    program = """
import sys, types
m = types.ModuleType("mpi_collector"); m.__path__ = [sys.argv[1]]; sys.modules["mpi_collector"] = m
from mpi_collector.node.sources import select
from mpi_collector.node.read.probe import Probe
from mpi_collector.node.row.decode import RowDecoder
probe = Probe(select("all"))
raws = [memoryview(bytearray(f.capacity)) for f in probe.files]
texts = []
for f, view in zip(probe.files, raws):
    n = f.read_into(view, 0)
    texts.append(bytes(view[:n]) if n >= 0 else -n)
row, statuses = RowDecoder(probe.sources, probe.layout, print).decode(texts, 0)
probe.close()
print(sorted(set(statuses)), len(probe.sources))
"""
    package = Path(mpi_collector.__file__).parent
    done = subprocess.run(
        [str(python), "-c", program, str(package)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    statuses, count = done.stdout.strip().splitlines()[-1].rsplit("]", 1)
    assert set(statuses.strip("[").split(", ")) <= {"0", "7"}, done.stdout
    assert int(count) >= 12
