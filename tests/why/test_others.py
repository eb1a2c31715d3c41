"""How full the other resources were, beside the limit."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic as sy

from mpi_collector.node.host.snapshot import take
from mpi_collector.report.text import TextWriter
from mpi_collector.report.why_text import headline, print_why
from mpi_collector.store.recording import Recording
from mpi_collector.why.analysis import why
from mpi_collector.why.causes import another_host

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
#: recording -> what is said of the others
SAID = {
    "real-depth-32-00": [
        "CPU 8 %",
        "network idle",
        "no throttling of CPU time",
        "no pressure on memory",
    ],
    "real-quota-03": ["CPU 42 %", "disks idle", "network idle", "no pressure on memory"],
    "real-memory-limit-01": [
        "CPU 35 %",
        "2.6 requests in flight",
        "network idle",
        "memory pressure 9 %",
    ],
    "real-sleep-00": ["no throttling of CPU time", "no pressure on memory"],
}


@pytest.mark.parametrize("name", SAID)
def test_of_real_recordings(name: str) -> None:
    with Recording(CORPUS / f"{name}.npz") as recording:
        document = why(recording)
    limit = document["limited_by"]
    assert limit is not None
    for found, text in zip(limit["others"], SAID[name], strict=True):
        assert found["text"].startswith(text)
        assert found["begin_ns"] < found["end_ns"]
        assert np.isfinite(found["value"])
    said = io.StringIO()
    print_why(document, TextWriter(said), 3)
    (line,) = [row for row in said.getvalue().splitlines() if row.startswith("  others:")]
    assert line == "  others:  " + ", ".join(e["text"] for e in limit["others"])
    assert "  against: nothing" in said.getvalue().splitlines()


def others(tmp_path: Path, columns: dict[str, float], speeds: dict[str, int]) -> list[str]:
    """What is said beside a full disk. ``columns``: counters, per second."""
    tick, times = sy.grid(20)
    weighted = "diskstats.nvme0n1.weighted_time_doing_ios_ms"
    rates = {
        "diskstats.nvme0n1.reads_completed": 2000.0, "diskstats.nvme0n1.sectors_read": 4e6,
        "diskstats.nvme0n1.time_reading_ms": 40e3, weighted: 40e3,
        "diskstats.nvme0n1.writes_completed": 0.0, "diskstats.nvme0n1.sectors_written": 0.0,
        "diskstats.nvme0n1.time_writing_ms": 0.0, "diskstats.nvme0n1.time_doing_ios_ms": 1e3,
    } | columns  # fmt: skip
    found = {name: sy.counter(rate, times) for name, rate in rates.items()}
    for name, speed in speeds.items():
        (tmp_path / "sys/class/net" / name / "device").mkdir(parents=True)
        (tmp_path / "sys/class/net" / name / "speed").write_text(f"{speed}\n")
        (tmp_path / "sys/class/net" / name / "type").write_text("1\n")
    snapshot: Any = take((), str(tmp_path))
    host = sy.SynthHost(tick, times, found, {"snapshot": snapshot})
    with Recording(sy.write(tmp_path / "run.npz", [("node1", host)])) as recording:
        limit = why(recording)["limited_by"]
    assert limit is not None
    assert limit["cause"] == "device"
    return [e["text"] for e in limit["others"]]


def traffic(name: str, rx: float, tx: float = 0.0) -> dict[str, float]:
    return {f"netdev.{name}.rx_bytes": rx, f"netdev.{name}.tx_bytes": tx}


def test_what_is_not_recorded_is_not_said(tmp_path: Path) -> None:
    assert others(tmp_path, {}, {}) == []


@pytest.mark.parametrize(
    ("columns", "speeds", "text"),
    [
        (traffic("ib0", 2.75e9), {"ib0": 200_000}, "network 11 % of 200 Gb/s"),
        (traffic("ib0", 1e9, 2.75e9), {"ib0": 200_000}, "network 11 % of 200 Gb/s"),
        (traffic("eth0", 60e6) | traffic("ib0", 2.75e9), {"eth0": 1000, "ib0": 200_000}, "network 48 % of 1 Gb/s"),
        (traffic("veth0", 60e6), {}, "network 60 MB/s of a link of unknown speed"),
        (traffic("eth0", 10e6) | traffic("veth0", 60e6), {"eth0": 1000}, "network 8 % of 1 Gb/s"),
        (traffic("eth0", 0.0), {"eth0": 1000}, "network idle"),
        (traffic("lo", 60e6), {}, "network idle"),
    ],
    ids=["one", "sent", "the fullest", "unknown", "known before unknown", "idle", "loopback"],
)  # fmt: skip
def test_the_network(tmp_path: Path, columns: Any, speeds: dict[str, int], text: str) -> None:
    assert others(tmp_path, columns, speeds) == [text]


@pytest.mark.parametrize(
    ("periods", "throttled", "text"),
    [(10.0, 1.0, "throttled in 10 % of periods"), (10.0, 0.0, "no throttling of CPU time"), (0.0, 0.0, "no throttling of CPU time")],
)  # fmt: skip
def test_throttling(tmp_path: Path, periods: float, throttled: float, text: str) -> None:
    columns = {"cgroup.cpu.nr_periods": periods, "cgroup.cpu.nr_throttled": throttled}
    assert others(tmp_path, columns, {}) == [text]


#: file, the first line that why prints
HEADS = {
    "real-sleep-00": "nothing on the hosts, as far as vm was recorded (likely)",
    "real-memory-limit-01": "cgroup limit on vm (likely)",
    "real-depth-1-00": "latency of vda on vm (likely)",
    "real-spin-00": "one core on vm (certain)",
    "real-depth-32-00": "device vda on vm (certain)",
}


@pytest.mark.parametrize("name", HEADS)
def test_the_first_line_is_a_sentence(name: str) -> None:
    said = io.StringIO()
    with Recording(CORPUS / f"{name}.npz") as recording:
        print_why(why(recording), TextWriter(said), 1)
    assert said.getvalue().startswith(f"limited by: {HEADS[name]}, ")


def test_a_host_that_waits_has_its_own_latency_against_it() -> None:
    def claim(cause: Any, host: str, text: str) -> Any:
        found = {"text": text, "figure": "f", "value": 1.0, "unit": "", "begin_ns": 0, "end_ns": 1}
        return {
            "cause": cause, "device": "sda", "host": host, "phase": "", "begin_ns": 0, "end_ns": 1,
            "share_of_time": 1.0, "confidence": "likely", "ceiling": None, "for": [found],
            "against": [], "others": [],
        }  # fmt: skip

    hosts = {
        "a": [claim("device", "a", "a queue")],
        "b": [claim("latency", "b", "one request")],
        "c": [claim("nothing on the hosts", "c", "idle")],
    }
    b, c = another_host.claims(hosts)
    assert [e["text"] for e in b["for"]] == ["waits for a, where device is the limit"]
    assert [e["text"] for e in b["against"]] == ["one request"]
    assert [e["text"] for e in c["for"]] == ["waits for a, where device is the limit", "idle"]
    assert c["against"] == []
    assert headline(b, str).startswith("another host, which b is waiting for (likely), ")
