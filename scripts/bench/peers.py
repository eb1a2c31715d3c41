"""Installed programs that record the same kernel files.

Each is started in the foreground with its own configuration, never as a service, and ended again.
"""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from paced import LOOP, Absent, Program, python

PSUTIL = (
    LOOP
    + """
import psutil
def sample():
    psutil.disk_io_counters(perdisk=True); psutil.net_io_counters(pernic=True)
    psutil.virtual_memory(); psutil.swap_memory(); psutil.getloadavg(); psutil.cpu_times()
paced(sample)
"""
)

NAIVE = (
    LOOP
    + """
root, wanted = sys.argv[3], sys.argv[4].split(",")
def sample():
    out = {}
    for name in ("vmstat", "meminfo"):
        with open(root + "/proc/" + name) as f:
            out[name] = {p[0]: int(p[1]) for p in map(str.split, f)}
    with open(root + "/proc/diskstats") as f:
        out["diskstats"] = [
            [x if i == 2 else int(x) for i, x in enumerate(line.split())] for line in f
        ]
    with open(root + "/proc/net/dev") as f:
        out["netdev"] = [[p[0]] + [int(x) for x in p[1:]] for p in map(str.split, list(f)[2:])]
    with open(root + "/proc/loadavg") as f:
        out["loadavg"] = f.read().split()
    if "stat" in wanted:
        with open(root + "/proc/stat") as f:
            out["stat"] = {p[0]: list(map(int, p[1:])) for p in map(str.split, f)}
    return out
rows = []
paced(lambda: rows.append(sample()))
"""
)

SCRAPE = (
    LOOP
    + """
import http.client
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[3]))
def sample():
    connection.request("GET", "/metrics")
    connection.getresponse().read()
paced(sample)
"""
)

_PMCD = "linux 60 pipe binary {pmda}\n"
#: leaves only: with the derived ones among them pmlogger 6.0.3 never comes to rest
_PCP_METRICS = (
    *(
        f"disk.dev.{f}"
        for f in (
            "read",
            "write",
            "read_merge",
            "write_merge",
            "read_bytes",
            "write_bytes",
            "avactive",
            "aveq",
            "read_rawactive",
            "write_rawactive",
        )
    ),
    "disk.partitions.read",
    "disk.partitions.write",
    "disk.partitions.read_bytes",
    "disk.partitions.write_bytes",
    *(
        f"network.interface.{way}.{f}"
        for way in ("in", "out")
        for f in ("bytes", "packets", "errors", "drops")
    ),
    "mem.vmstat",
    "mem.util",
    "kernel.all.load",
)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def naive(
    interval: float, root: str = "", sources: str = "basic", name: str = "open, read, split, int"
) -> Program:
    return python(name, NAIVE, interval, root, sources)


def psutil(interval: float) -> Program | Absent:
    try:
        import psutil  # noqa: F401
    except ImportError:
        return Absent("psutil", "not installed")
    return python("psutil, the same figures", PSUTIL, interval)


def sadc(work: Path, interval: float) -> Program | Absent:
    found = next(
        (p for p in ("/usr/lib/sysstat/sadc", "/usr/lib64/sa/sadc") if Path(p).exists()), None
    )
    if found is None or interval < 1:
        return Absent("sadc (sysstat)", "whole seconds only" if found else "not installed")
    return Program(
        "sadc (sysstat)", [found, "-S", "DISK", str(int(interval)), "1000000", str(work / "sa")]
    )


def pcp(work: Path, interval: float) -> Program | Absent:
    name = "PCP: pmcd, pmdalinux, pmlogger"
    pmcd = next(
        (p for p in ("/usr/libexec/pcp/bin/pmcd", "/usr/lib/pcp/bin/pmcd") if Path(p).exists()),
        None,
    )
    pmda, logger = Path("/var/lib/pcp/pmdas/linux/pmdalinux"), shutil.which("pmlogger")
    if pmcd is None or logger is None or not pmda.exists():
        return Absent(name, "not installed")
    if not Path("/var/lib/pcp/pmns/root").exists():
        return Absent(name, "its names were never built (/var/lib/pcp/pmns/Rebuild)")
    port, place = str(free_port()), work / "pcp"
    place.mkdir(exist_ok=True)
    (place / "pmcd.conf").write_text(_PMCD.format(pmda=pmda))
    metrics = "\n".join(_PCP_METRICS)
    (place / "pmlogger.conf").write_text(f"log mandatory on {interval:g} sec {{\n{metrics}\n}}\n")
    server = [
        pmcd,
        "-f",
        "-A",
        "-c",
        str(place / "pmcd.conf"),
        "-l",
        str(place / "pmcd.log"),
        "-x",
        str(place / "fatal"),
        "-p",
        port,
        "-s",
        str(place / "socket"),
    ]
    argv = [
        logger,
        "-c",
        str(place / "pmlogger.conf"),
        "-h",
        f"127.0.0.1:{port}",
        "-l",
        str(place / "pmlogger.log"),
        "-t",
        f"{interval:g}sec",
        str(place / "archive{phase}"),
    ]
    return Program(
        name,
        argv,
        [server],
        environ={"PCP_RUN_DIR": str(place), "PCP_TMP_DIR": str(place)},
        cwd=str(place),
    )


def collectl(work: Path, interval: float) -> Program | Absent:
    found = shutil.which("collectl")
    if found is None:
        return Absent("collectl", "not installed")
    place = work / "collectl"
    place.mkdir(exist_ok=True)
    return Program(
        "collectl, to a raw file", [found, "-i", f"{interval:g}", "-s", "dnm", "-f", str(place)]
    )


def node_exporter(interval: float, everything: bool) -> Program | Absent:
    name = (
        f"node_exporter, {'its default collectors' if everything else 'the same five'}, per scrape"
    )
    found = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")
    if found is None:
        return Absent(name, "not installed")
    port = free_port()
    words = [found, f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    if not everything:
        words += ["--collector.disable-defaults", "--web.disable-exporter-metrics"]
        words += [
            f"--collector.{c}" for c in ("diskstats", "netdev", "vmstat", "meminfo", "loadavg")
        ]
    driver = python("", SCRAPE, interval, str(port)).argv
    return Program(name, words, driver=driver)


def ldms() -> Absent:
    found = shutil.which("ldmsd")
    return Absent(
        "LDMS",
        f"{found} is there, but this cannot start it"
        if found
        else "not installed; Debian has no package",
    )


def all_of(work: Path, interval: float) -> list[Program | Absent]:
    return [
        psutil(interval),
        naive(interval),
        sadc(work, interval),
        pcp(work, interval),
        collectl(work, interval),
        node_exporter(interval, False),
        node_exporter(interval, True),
        ldms(),
    ]
