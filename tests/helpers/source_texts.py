"""A text of every source in the format of the kernel, and some of the values it has."""

from __future__ import annotations

from typing import NamedTuple

from nodekit import FIXTURES, text_of

from mpi_collector.node.read.probe import Probe
from mpi_collector.node.sources import BY_NAME, schedstat

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


class Example(NamedTuple):
    """A text as the kernel prints it, and some of the values: {column without the source: value}."""

    text: bytes
    values: dict[str, int]


SLINGSHOT = b"""\
@cxi0:hni_sts_rx_ok_octets
72057594037927935@1700000000.000000000
@cxi0:hni_pkts_sent_by_tc_0
5@1700000000.000000000
@cxi0:hni_pkts_sent_by_tc_7
6@1700000000.000000000
@cxi0:link_up
up
@cxi0:link_gbit_per_s
BS_200G
"""
_FIRST: dict[str, tuple[bytes, dict[str, int]]] = {
    "diskstats": (text_of("linux-4.18", "diskstats"), {"sda.sectors_read": 856916}),
    "netdev": (text_of("linux-4.18", "netdev"), {"lo.rx_errors": 0}),
    "vmstat": (text_of("linux-4.18", "vmstat"), {"nr_unstable": 0}),
    "meminfo": (text_of("linux-4.18", "meminfo"), {"HugePages_Total": 0}),
    "stat": (text_of("linux-4.18", "stat"), {"cpu0.guest": 0}),
    "loadavg": (b"0.01 12.34 0.03 1/2 3\n", {"load_5min": 1234, "last_pid": 3}),
    "slingshot": (
        SLINGSHOT,
        {
            "cxi0.hni_sts_rx_ok_octets": 2**56 - 1,
            "cxi0.hni_pkts_sent_by_tc": 11,
            "cxi0.link_up": 1,
            "cxi0.link_gbit_per_s": 200,
        },
    ),
    "gpu": (
        b"nvidia0 busy_percent 93\nnvidia1 busy_percent 92\ncard1 power_mw 302000\n",
        {"nvidia0.busy_percent": 93, "card1.power_mw": 302000},
    ),

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
    "softnet": (b"processed 26\ndropped 1\nsqueezed 3\nreceived_rps 3\nflow_limited 4\n",
                {"processed": 26, "dropped": 1, "squeezed": 3, "received_rps": 3, "flow_limited": 4}),
    "cgroup": (CGROUP, {"cpu.usage_us": 1000, "cpu.nr_throttled": 3, "cpu.throttled_us": 77, "memory.memory_bytes": 4096, "memory.anon": 100,
                        "memory.pgmajfault": 2, "memory.events_oom_kill": 1, "8:0.read_bytes": 100, "259:0.writes": 4, "pids.pids": 12,
                        "pressure.io_full_us": 44}),
    "numa": (b"@node0:numastat\nnuma_hit 5\nnuma_miss 1\n@node0:meminfo\nNode 0 MemTotal:  1000 kB\nNode 0 MemFree: 7 kB\nNode 0 HugePages_Total: 3\n@node1:numastat\nnuma_hit 6\n",
             {"node0.numa_hit": 5, "node0.numa_miss": 1, "node0.MemFree_kB": 7, "node1.numa_hit": 6}),
    "schedstat": (schedstat.condense(b"version 15\ntimestamp 1\ncpu0 0 0 0 0 0 0 100 20 3\ndomain0 3 1 2 3 4 5 6 7 8\ncpu1 0 0 0 0 0 0 200 30 4\n"),
                  {"running_ns": 300, "waiting_ns": 50, "timeslices": 7}),
    "interrupts": (b"ERR count 3\nLOC count 300\nnvme0q count 33\ntimer count 5\ncpu0 serviced 116\ncpu1 serviced 222",
                   {"timer.count": 5, "nvme0q.count": 33, "LOC.count": 300, "ERR.count": 3, "cpu1.serviced": 222}),
    "space": (b"/ size_bytes 1000\n/ used_bytes 300\n/ available_bytes 600\n/ inodes 64\n/ inodes_used 5",
              {"/.used_bytes": 300, "/.inodes_used": 5}),
    "queue": (b"@sda\n       3        4\n@nvme0n1\n 0 0\n", {"sda.reads_in_flight": 3, "sda.writes_in_flight": 4, "nvme0n1.reads_in_flight": 0}),
    "power": (b"@package-0:intel-rapl.0:energy_uj\n123456\n@nvme:hwmon3:temp1_input\n41850\n@acpi:hwmon1:power1_average\n250000000\n",
              {"package-0:intel-rapl.0.energy_uj": 123456, "nvme:hwmon3.temp1_input": 41850, "acpi:hwmon1.power1_average": 250000000}),
    "job": (b"command processes 3\ncommand not_files 1\ncommand read_call_bytes 77\nuser processes 0\nuser read_call_bytes 5",
            {"command.processes": 3, "command.not_files": 1, "command.read_call_bytes": 77, "user.read_call_bytes": 5}),
    "processes": (b"dlio processes 2\ndlio read_bytes 77\npython rss_bytes 5\n", {"dlio.processes": 2, "dlio.read_bytes": 77, "python.rss_bytes": 5}),
}  # fmt: skip


def _of_tree(name: str) -> Example | None:
    """The first text below fixtures/NAME, of a source that is not above; its test has the values."""
    if not (FIXTURES / name).is_dir():
        return None
    probe = Probe([BY_NAME[name]()], str(FIXTURES / name))
    try:
        return Example(probe.files[0].first(), {}) if probe.files else None
    finally:
        probe.close()


#: by source, all of them
TEXTS = {name: Example(text, values) for name, (text, values) in _FIRST.items()}
for _name in BY_NAME.keys() - TEXTS.keys():
    if (_example := _of_tree(_name)) is not None:
        TEXTS[_name] = _example
