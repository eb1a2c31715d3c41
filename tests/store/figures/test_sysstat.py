"""The figures against iostat's and sar's, which read the same kernel files over the same interval.

In a mount namespace of their own the tools see files that we wrote over those of /proc; between their two readings the
files are exchanged for later ones. Ours come from the same two texts, through the same decoder that samples a host.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic as sy

from mpi_collector.node import sources
from mpi_collector.node.row.decode import RowDecoder, make_layout
from mpi_collector.node.sources.base import FileGroupSource
from mpi_collector.report.summary import document
from mpi_collector.store.figures import derive
from mpi_collector.store.figures.derived import Derived
from mpi_collector.store.load import load

SECONDS = 4.0  #: long enough that a busy machine's delays stay small beside it

#: a /proc of links to the real one except for our files; when the tool has read them once, they are exchanged
SCRIPT = """
import json, os, subprocess, sys, time
job = json.load(sys.stdin)
real, fake = job["real"], job["fake"]
subprocess.run(["mount", "--rbind", "/proc", real], check=True)
for directory, names in ((fake, os.listdir("/proc")), (fake + "/net", os.listdir("/proc/self/net"))):
    for name in names:
        here = os.path.join(directory, name)
        if not os.path.lexists(here):
            os.symlink(here.replace(fake, real, 1).replace("/net/", "/self/net/"), here)
for path, texts in job["sys"].items():
    subprocess.run(["mount", "--bind", texts, path], check=True)
subprocess.run(["mount", "--bind", fake, "/proc"], check=True)
environ = {"LC_ALL": "C", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
tool = subprocess.Popen(job["command"], stdout=subprocess.PIPE, env=environ)
time.sleep(job["seconds"] / 2)
for path, after in job["after"].items():
    with open(path, "r+") as f:
        f.truncate(0)
        f.write(after)
sys.stdout.buffer.write(tool.communicate(timeout=30)[0])
"""


def can_mount() -> bool:
    return (
        shutil.which("unshare") is not None
        and subprocess.run(["unshare", "-m", "true"], check=False).returncode == 0
    )


pytestmark = [
    pytest.mark.skipif(
        not (shutil.which("iostat") and shutil.which("sar")),
        reason="iostat and sar (sysstat) are not here",
    ),
    pytest.mark.skipif(
        os.geteuid() != 0 or not can_mount(), reason="needs root and a mount namespace"
    ),
]


def later(source: str, text: str) -> str:
    """The kernel file as it might be a little later: numbers in the neighbourhood of a busy disk, NIC and CPU."""
    out = []
    for n, line in enumerate(text.splitlines()):
        words = line.replace(":", ": ").split()
        if source == "diskstats":
            add = [400, 3, 819200, 900, 300, 5, 614400, 1500, 0, 1400, 2400, 0, 0, 0, 0, 2, 1]
            words[3:] = [str(int(w) + a * (n % 3 + 1) // 3) for w, a in zip(words[3:], add)]
        elif source == "netdev" and n > 1:
            words[1:] = [str(int(w) + 1000 * (i + 1) * n) for i, w in enumerate(words[1:])]
        elif source == "stat" and line.startswith("cpu"):
            add = [70, 2, 30, 60, 20, 3, 5, 10, 40, 1]
            words[1:] = [str(int(w) + a) for w, a in zip(words[1:], add)]
        elif source == "tcp" and words and words[0] == "Tcp:" and words[1].isdigit():
            words[11] = str(int(words[11]) + 4000)  # OutSegs
            words[12] = str(int(words[12]) + 60)  # RetransSegs
            line = " ".join(words)
        elif source == "pressure" and "total=" in line:
            line = f"{line.rpartition('=')[0]}={int(line.rpartition('=')[2]) + 300_000 * (n + 1)}"
        if source in ("tcp", "pressure"):
            words = [line]
        out.append(" ".join(words))
    return "\n".join(out) + "\n"


def files(source: str) -> list[tuple[str, Path]]:
    """(label, path below /proc) of a source's files; one file has no label."""
    about = sources.BY_NAME[source]()
    single = [("", about.location().lstrip("/"))]
    pairs = about.files("/") if isinstance(about, FileGroupSource) else single
    return [
        (label, Path(path).relative_to("proc")) for label, path in pairs if Path("/", path).exists()
    ]


def parts(source: str, text: str) -> list[tuple[Path, str]]:
    """[(path below /proc, text)] of a source's text, which has a line @LABEL before each of several files."""
    pairs = files(source)
    if not pairs[0][0]:
        return [(pairs[0][1], text)]
    texts = text.split("@")[1:]
    return [(path, t.partition("\n")[2]) for (_label, path), t in zip(pairs, texts)]


def tool(command: list[str], texts: dict[str, tuple[str, str]], tmp_path: Path) -> dict[str, Any]:
    """What the tool prints as JSON of the interval between the two texts of each source."""
    real, fake = tmp_path / "real", tmp_path / "fake"
    real.mkdir()
    (fake / "net").mkdir(parents=True)
    after, in_sys = {}, {}
    for source, pair in texts.items():
        for (path, before), (_path, then) in zip(parts(source, pair[0]), parts(source, pair[1])):
            (fake / path).parent.mkdir(parents=True, exist_ok=True)
            (fake / path).write_text(before)
            after[str(fake / path)] = then
    for before, then in zip(*(t.splitlines() for t in texts.get("diskstats", ("", "")))):
        name = before.split()[2]  # iostat prefers the same numbers from /sys
        path = tmp_path / f"stat-{name.replace('/', '!')}"
        path.write_text(" ".join(before.split()[3:]) + "\n")
        after[str(path)] = " ".join(then.split()[3:]) + "\n"
        in_sys[f"/sys/block/{name}/stat"] = str(path)
    in_sys = {k: v for k, v in in_sys.items() if os.path.exists(k)}
    job = json.dumps(
        {
            "real": str(real),
            "fake": str(fake),
            "after": after,
            "sys": in_sys,
            "command": command,
            "seconds": SECONDS,
        }
    )
    unshare = ["unshare", "-m", sys.executable, "-c", SCRIPT]
    done = subprocess.run(
        unshare, input=job.encode(), stdout=subprocess.PIPE, timeout=60, check=True
    )
    return dict(json.loads(done.stdout)["sysstat"]["hosts"][0])


def ours(texts: dict[str, tuple[str, str]], tmp_path: Path) -> Derived:
    """Our figures of the same two texts."""
    chosen = [sources.BY_NAME[s]() for s in texts]
    before, after = ([t[n].encode() for t in texts.values()] for n in range(2))
    layout = make_layout(chosen, before)
    decoder = RowDecoder(chosen, layout, lambda event: None)
    rows = np.array(
        [
            np.frombuffer(decoder.to_bytes(decoder.decode(t, n)[0]), np.int64)
            for n, t in enumerate((before, after))
        ]
    )
    columns = {c.name: rows[:, n] for n, c in enumerate(layout.columns()) if c.device is not None}
    times = sy.START_NS + np.array([0, round(SECONDS * sy.S)])
    path = sy.write(
        tmp_path / "host_20260105_120000_timeseries.npz",
        [("h", sy.SynthHost(np.arange(2), times, columns))],
    )
    with load(path) as recording:
        return derive(recording["h"])


def texts_of(*names: str) -> dict[str, tuple[str, str]]:
    now = {}
    for name in names:
        texts = [
            (f"@{label}\n" if label else "") + Path("/proc", path).read_text()
            for label, path in files(name)
        ]
        now[name] = "".join(texts)
    return {n: (t, later(n, t)) for n, t in now.items()}


def test_disks_against_iostat(tmp_path: Path) -> None:
    """Throughput, IOPS, latency, utilisation and queue of all counted disks."""
    texts = texts_of("diskstats")
    d = ours(texts, tmp_path)
    if not d.block.devices:
        pytest.skip("no disk here")
    command = ["iostat", "-o", "JSON", "-dxky", f"{SECONDS:g}", "1"]
    rows = {r["disk_device"]: r for r in tool(command, texts, tmp_path)["statistics"][-1]["disk"]}
    theirs = [rows[name] for name in d.block.devices]

    def total(key: str) -> float:
        return float(sum(r[key] for r in theirs))

    def weighted(key: str, by: str) -> float:
        return float(sum(r[key] * r[by] for r in theirs)) / total(by)

    mean = {n: s.mean for n, s in d.series.items()}
    near = {
        "rel": 0.05,
        "abs": 0.02,
    }  # iostat rounds to two digits, and its interval is what it is give or take a timer
    assert mean["read_bytes_per_s"] / 1024 == pytest.approx(total("rkB/s"), **near)
    assert mean["write_bytes_per_s"] / 1024 == pytest.approx(total("wkB/s"), **near)
    assert mean["read_iops"] == pytest.approx(total("r/s"), **near)
    assert mean["write_iops"] == pytest.approx(total("w/s"), **near)
    assert mean["read_latency_ms"] == pytest.approx(weighted("r_await", "r/s"), **near)
    assert mean["write_latency_ms"] == pytest.approx(weighted("w_await", "w/s"), **near)
    assert mean["utilisation_max_percent"] == pytest.approx(max(r["util"] for r in theirs), **near)
    assert mean["queue_depth"] == pytest.approx(total("aqu-sz"), **near)
    assert mean["read_bytes_per_s"] > 1e6


def test_cpu_against_sar(tmp_path: Path) -> None:
    """busy = user + nice + system + irq + soft of sar, guests taken out of user there."""
    texts = texts_of("stat")
    row = sar(["-u", "ALL"], texts, tmp_path)["cpu-load"][0]
    d = ours(texts, tmp_path)
    busy = sum(row[k] for k in ("usr", "nice", "sys", "irq", "soft", "guest", "gnice"))
    assert d.series["cpu_busy_percent"].mean == pytest.approx(busy, abs=0.1)
    assert d.series["cpu_iowait_percent"].mean == pytest.approx(row["iowait"], abs=0.05)
    assert d.series["cpu_steal_percent"].mean == pytest.approx(row["steal"], abs=0.05)


def test_memory_against_sar(tmp_path: Path) -> None:
    texts = texts_of("meminfo")
    row = sar(["-r", "ALL"], texts, tmp_path)["memory"]
    mean = {n: s.mean / 1024 for n, s in ours(texts, tmp_path).series.items()}
    assert mean["page_cache_bytes"] == row["cached"] + row["buffers"]
    assert mean["dirty_bytes"] == row["dirty"]
    parts = ("memfree", "memused", "buffers", "cached", "slab")  # of sar, whose sum is the total
    assert mean["memory_used_bytes"] == sum(row[k] for k in parts) - row["avail"]


def test_network_against_sar(tmp_path: Path) -> None:
    texts = texts_of("netdev")
    d = ours(texts, tmp_path)
    if not d.net.devices:
        pytest.skip("no interface here")
    rows = {r["iface"]: r for r in sar(["-n", "DEV"], texts, tmp_path)["network"]["net-dev"]}
    for way in ("rx", "tx"):
        theirs = sum(rows[n][f"{way}kB"] for n in d.net.devices)
        assert d.series[f"net_{way}_bytes_per_s"].mean / 1024 == pytest.approx(theirs, rel=0.05)


@pytest.mark.flaky(reruns=2)
def test_retransmits_against_sar(tmp_path: Path) -> None:
    """Segments sent again of all that were sent: sar has both rates."""
    texts = texts_of("tcp")
    network = sar(["-n", "TCP", "-n", "ETCP"], texts, tmp_path)["network"]
    sent, again = network["net-tcp"]["oseg"], network["net-etcp"]["retrans"]
    assert again > 5
    assert ours(texts, tmp_path).series["tcp_retransmit_percent"].mean == pytest.approx(
        100 * again / sent, rel=0.01
    )


def test_pressure_against_sar(tmp_path: Path) -> None:
    """Share of the time in which some task waited, from the totals and not from the kernel's averages."""
    if not Path("/proc/pressure/io").exists():
        pytest.skip("no pressure here")
    texts = texts_of("pressure")
    psi = sar(["-q", "PSI"], texts, tmp_path)["psi"]
    mean = {name: s.mean for name, s in ours(texts, tmp_path).series.items()}
    for resource, ours_name in (("cpu", "cpu"), ("io", "io"), ("mem", "memory")):
        theirs = psi[f"psi-{resource}"]["some_avg"]
        assert theirs > 5
        assert mean[f"pressure_{ours_name}_percent"] == pytest.approx(theirs, rel=0.05)


@pytest.mark.flaky(reruns=2)
def test_a_run_against_sar(tmp_path: Path) -> None:
    """The summary of a run that wrote and read, against what sar saw second by second meanwhile."""
    root = Path(__file__).parents[3]
    data = tmp_path / "sa"
    watcher = subprocess.Popen(
        ["sar", "-d", "-u", "-r", "-o", str(data), "1", "60"],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C"},
    )
    try:
        time.sleep(1.2)
        argv = [
            sys.executable,
            "-m",
            "mpi_collector",
            "--timeseries-interval",
            "0.5",
            "--results-dir",
            str(tmp_path / "results"),
            "--",
            sys.executable,
            str(root / "scripts" / "demo_job.py"),
        ]
        subprocess.run(argv, cwd=tmp_path, capture_output=True, check=True, timeout=120)
        time.sleep(2.2)
    finally:
        watcher.send_signal(signal.SIGINT)
        watcher.wait(30)
    with load(tmp_path / "results") as recording:
        run, ours = recording.run, document(recording)
        (host,) = ours["hosts"].values()
    begin, end = run["start_ns"] / 1e9, run["start_ns"] / 1e9 + ours["span_s"]
    known = sadf(data)
    seconds = [s for s in known if begin < stamp(s) <= end]
    around = [
        s for s in known if begin - 1 < stamp(s) <= end + 2
    ]  # a stamp is its second's end without the fraction
    disks = [d for s in around for d in s["disk"] if d["disk-device"] in host["counted"]["block"]]
    if not disks:
        pytest.skip("no disk that both know")
    figures = host["figures"]
    amounts = {"read_bytes_per_s": "rkB", "write_bytes_per_s": "wkB"}
    for name, theirs in amounts.items():
        total = sum(d[theirs] for d in disks) * 1024
        assert total > 40e6
        assert figures[name]["mean"] * ours["span_s"] == pytest.approx(total, rel=0.1), name
    iops = sum(d["tps"] for d in disks) / ours["span_s"]
    # tps counts discards, too: on a file system that is mounted with "discard" half of all requests
    requests = sum(figures[f"{kind}_iops"]["mean"] for kind in ("read", "write", "discard"))
    assert requests == pytest.approx(iops, rel=0.1)
    idle = [s["cpu-load"][0]["idle"] + s["cpu-load"][0]["iowait"] for s in seconds]
    # the whole seconds of sadc are not those of the run: other work on the machine comes and goes
    assert figures["cpu_busy_percent"]["mean"] == pytest.approx(100 - sum(idle) / len(idle), abs=20)
    cached = [(s["memory"]["cached"] + s["memory"]["buffers"]) * 1024 for s in seconds]
    assert figures["page_cache_bytes"]["mean"] == pytest.approx(sum(cached) / len(cached), rel=0.1)


def sadf(data: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["sadf", "-j", str(data), "--", "-d", "-u", "-r"],
        capture_output=True,
        check=True,
        env={**os.environ, "LC_ALL": "C"},
    )
    return list(json.loads(done.stdout)["sysstat"]["hosts"][0]["statistics"])


def stamp(second: dict[str, Any]) -> float:
    at = second["timestamp"]
    return datetime.fromisoformat(f"{at['date']}T{at['time']}+00:00").timestamp()


def sar(options: list[str], texts: dict[str, tuple[str, str]], tmp_path: Path) -> dict[str, Any]:
    """sar's statistics of the interval, through its own file and sadf, whose numbers have names."""
    data = tmp_path / "sa"
    sh = 'sar -o "$0" "$1" 1 >/dev/null && exec sadf -j "$0" -- "${@:2}"'
    command = ["bash", "-c", sh, str(data), f"{SECONDS:g}", *options]
    return dict(tool(command, texts, tmp_path)["statistics"][-1])
