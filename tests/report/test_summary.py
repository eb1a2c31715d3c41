"""The summary: what is said first, what stands out, and that names are data."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic as sy

from mpi_collector.cli.summary import main
from mpi_collector.report.cluster import aggregate_hosts
from mpi_collector.report.summary import document, print_summary
from mpi_collector.store.load import load

NAME = "host_20260105_120000_timeseries.npz"


def text(path: Path, width: int | None = None, most_hosts: int | None = 64) -> str:
    out = io.StringIO()
    with load(path) as recording:
        print_summary(recording, out, width, most_hosts)
    return out.getvalue()


def doc(path: Path) -> dict[str, Any]:
    with load(path) as recording:
        return document(recording)


def constant(rate: float, rows: int = 11, **times: Any) -> sy.SynthHost:
    """A host whose disk reads with ``rate`` bytes/s."""
    tick, when = sy.grid(rows, **times)
    return sy.SynthHost(tick, when, sy.disk("nvme0n1", when, rate, 0.0))


def test_verdict_comes_first(tmp_path: Path) -> None:
    """The first line says whether to trust the rest; why not follows."""
    path = sy.cluster(
        tmp_path / NAME,
        2,
        30,
        hosts_partial={"node009": "no answer"},
        hosts_requested=["node001", "node002", "node009"],
    )
    lines = text(path).splitlines()
    assert lines[0].startswith("verdict: partial (2 of 3 hosts")
    assert lines[1] == "  node009: no answer"


def test_cluster_is_the_sum_of_its_hosts(tmp_path: Path) -> None:
    """Means add up; the peak is of the sum, not the sum of peaks."""
    rate = np.zeros(11)
    bursts = [rate.copy(), rate.copy()]
    bursts[0][3], bursts[1][7] = 1e9, 1e9
    hosts = []
    for n, burst in enumerate(bursts):
        tick, when = sy.grid(11)
        hosts.append((f"n{n}", sy.SynthHost(tick, when, sy.disk("sda", when, burst, 0.0))))
    d = doc(sy.write(tmp_path / NAME, hosts))
    span = 10.02
    assert d["cluster"]["read_bytes_per_s"]["mean"] == pytest.approx(2e9 / span, rel=1e-6)
    assert d["cluster"]["read_bytes_per_s"]["peak"] == pytest.approx(1e9, rel=1e-6)
    assert d["cluster"]["read_bytes_per_s"]["coverage"] == pytest.approx(1)


def test_missed_ticks_do_not_dent_the_total(tmp_path: Path) -> None:
    """An interval over missed ticks counts in each of them, so the cluster's line has no hole and no spike."""
    hosts = [("a", constant(1e8)), ("b", sy.lose(constant(1e8), slice(4, 7)))]
    with load(sy.write(tmp_path / NAME, hosts)) as recording:
        total = aggregate_hosts(recording).totals["read_bytes_per_s"]
    assert total.values[:10] == pytest.approx(2e8, rel=1e-4)
    assert total.hosts[:10].tolist() == [2] * 10


def test_host_that_dies_is_missing_from_the_total_and_said(tmp_path: Path) -> None:
    """What nobody knows is not made up: the line falls, and a note says how much is missing."""
    dead = sy.lose(constant(1e8, 101), slice(51, None))
    path = sy.write(tmp_path / NAME, [("a", constant(1e8, 101)), ("b", dead)])
    with load(path) as recording:
        total = aggregate_hosts(recording).totals["read_bytes_per_s"]
    assert total.hosts[[49, 50, 99]].tolist() == [2, 1, 1]
    assert total.values[99] == pytest.approx(1e8, rel=1e-4)
    assert doc(path)["cluster"]["read_bytes_per_s"]["mean"] == pytest.approx(1.5e8, rel=0.01)


def test_gap_in_a_host_is_said(tmp_path: Path) -> None:
    hole = sy.blank(constant(1e8, 101), "diskstats", slice(40, 60))
    notes = doc(sy.write(tmp_path / NAME, [("a", constant(1e8, 101)), ("b", hole)]))["notes"]
    assert any(n.startswith("10.5 % of the hosts' time is unknown") for n in notes)


def test_odd_host_is_named(tmp_path: Path) -> None:
    """With the factor, against the median."""
    path = sy.cluster(tmp_path / NAME, 8, 60, odd={6: 0.41})
    shown = text(path)
    assert re.search(r"^node007: read 0.4\d x the median host", shown, re.MULTILINE)
    assert "node006: " not in shown


def test_not_recorded_is_said(tmp_path: Path) -> None:
    """No figure without columns, and a note instead; one host without a source is named."""
    only_disk = constant(1e8)
    more = sy.SynthHost(
        only_disk.tick, only_disk.times, {**only_disk.columns, **sy.cpu(only_disk.times, 0.5, 0.1)}
    )
    path = sy.write(tmp_path / NAME, [("a", only_disk), ("b", more)])
    d = doc(path)
    assert "net_rx_bytes_per_s" not in d["cluster"]
    assert any(n.startswith("not recorded: memory used") for n in d["notes"])
    assert "CPU busy: not recorded on a" in d["notes"]
    assert "cpu_busy_percent" not in d["hosts"]["a"]["figures"]
    line = next(
        x for x in text(path).splitlines() if x.startswith("a ") and x.rstrip().endswith("-")
    )
    assert " 0 " not in line


def test_many_hosts_have_no_table_but_their_spread(tmp_path: Path) -> None:
    path = sy.cluster(tmp_path / NAME, 40, 20, odd={6: 0.41})
    lines = text(path).splitlines()
    assert not any(x.startswith("node001 ") for x in lines)
    read = next(x for x in lines if x.startswith("read, total"))
    assert "node007" in read
    assert any(x.startswith("node007: read 0.4") for x in lines)


def test_at_the_end_of_a_big_run_only_the_verdict(tmp_path: Path) -> None:
    """Nobody waits for the figures of a thousand hosts, and how to get them is said."""
    lines = text(sy.cluster(tmp_path / NAME, 5, 5), most_hosts=4).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("verdict: complete") and "mpi_collector summary" in lines[1]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_numbers_are_never_broken(tmp_path: Path, width: int) -> None:
    """On a narrow terminal tables come in parts; every number is whole."""
    path = sy.cluster(tmp_path / NAME, 3, 60, odd={2: 0.41})
    wide, narrow = text(path, 250), text(path, width)
    numbers = {
        w
        for line in wide.splitlines()
        if line.startswith("node") and ":" not in line
        for w in line.split()
    }
    shown = {
        w
        for line in narrow.splitlines()
        if line.startswith("node") and ":" not in line
        for w in line.split()
    }
    assert numbers == shown


EVIL = "\x1b[31mred\x1b]0;title\x07[bold]x[/bold]\u202eevil\r\n"


def test_names_are_data(tmp_path: Path) -> None:
    """Neither control characters nor markup of a host's, a device's or a command's name do anything."""
    h = constant(1e8)
    h.columns.update(sy.nic(f"eth{EVIL}", h.times, 1.0, 1.0))
    slow = constant(4e7)
    path = sy.write(
        tmp_path / NAME,
        [(EVIL, slow), *((f"n{i}", h) for i in range(5))],
        command=["run", EVIL],
        hosts_partial={EVIL: EVIL},
    )
    shown = text(path)
    assert not set(shown) & set("\x1b\x07\r\u202e")
    assert "[bold]x[/bold]" in shown
    assert "\\x1b[31mred" in shown


def test_ascii_terminal(tmp_path: Path) -> None:
    """A terminal without UTF-8 gets what it can show."""
    path = sy.cluster(tmp_path / NAME, 2, 10, names=["nöde", "b"])
    env = dict(os.environ, PYTHONIOENCODING="ascii:strict")
    done = subprocess.run(
        [sys.executable, "-m", "mpi_collector", "summary", str(path)],
        env=env,
        capture_output=True,
        check=True,
    )
    assert rb"n\xf6de" in done.stdout and b"us" in done.stdout


def test_terminal_gets_colour_and_a_pipe_none(tmp_path: Path) -> None:
    path = sy.cluster(tmp_path / NAME, 1, 10)
    command = [sys.executable, "-m", "mpi_collector", "summary", str(path)]
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")} | {
        "TERM": "xterm",
        "COLUMNS": "80",
    }
    assert b"\x1b" not in subprocess.run(command, env=env, capture_output=True, check=True).stdout
    master, slave = pty.openpty()
    child = subprocess.Popen(command, env=env, stdout=slave)
    os.close(slave)
    first = os.read(master, 200)
    while child.poll() is None:
        try:
            os.read(master, 65536)
        except OSError:
            break
    child.wait()
    os.close(master)
    assert b"\x1b[1;32mverdict: complete" in first


def test_json_is_for_scripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Strict JSON: no NaN, everything under its documented key."""
    path = sy.cluster(tmp_path / NAME, 4, 30, odd={3: 0.3})
    assert main([str(path), "--json"]) == 0
    d = json.loads(capsys.readouterr().out, parse_constant=lambda c: pytest.fail(f"{c} in JSON"))
    assert {
        "verdict",
        "facts",
        "figures",
        "cluster",
        "hosts",
        "spread",
        "outliers",
        "limits",
        "notes",
    } <= set(d)
    assert d["hosts"]["node004"]["figures"]["read_bytes_per_s"]["peak"] > 0
    assert d["hosts"]["node001"]["counted"] == {
        "block": ["nvme0n1", "nvme1n1", "sda"],
        "net": ["eth0", "ib0"],
    }
    assert d["spread"]["read_bytes_per_s"]["minimum_host"] == "node004"


def test_limits_are_said(tmp_path: Path) -> None:
    """What the run spent its time waiting for."""
    shown = text(sy.write(tmp_path / NAME, [("a", constant(2.99e9))]))
    assert "busiest device at 95 % or more during 100 % of the time" in shown


@pytest.mark.parametrize("damage", [lambda b: b[:2000], lambda b: b"no zip at all"])
def test_damaged_file_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[bytes], bytes]
) -> None:
    """Exit code 2 and one line that names the file."""
    path = sy.cluster(tmp_path / NAME, 1, 10)
    path.write_bytes(damage(path.read_bytes()))
    assert main([str(path)]) == 2
    assert NAME in capsys.readouterr().err


def test_nothing_was_recorded(tmp_path: Path) -> None:
    """No host, or a host without rows: a verdict, and no traceback."""
    empty = sy.SynthHost(
        np.array([], dtype=np.int64),
        np.array([], dtype=np.int64),
        {"diskstats.sda.sectors_read": np.array([], dtype=np.int64)},
    )
    for hosts in ([], [("a", empty)]):
        assert text(sy.write(tmp_path / NAME, hosts)).startswith("verdict: invalid")


def test_reader_that_leaves(tmp_path: Path) -> None:
    """``summary | head -1`` ends without a word."""
    path = sy.cluster(tmp_path / NAME, 20, 10)
    command = f"{sys.executable} -m mpi_collector summary {path} | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, check=False
    )
    assert done.stderr == b"" and done.stdout.startswith(b"verdict")


def test_no_traffic_is_not_unknown_time(tmp_path: Path) -> None:
    """A share of nothing sent is unknown, and no reason to say that the recording lacks time."""
    tick, times = sy.grid(20)
    columns = {
        **sy.cpu(times, 0.5, 0.0),
        "tcp.Tcp.RetransSegs": sy.counter(0, times),
        "tcp.Tcp.OutSegs": sy.counter(0, times),
    }
    path = sy.write(tmp_path / NAME, [("node001", sy.SynthHost(tick, times, columns))])
    found = doc(path)
    assert found["cluster"]["tcp_retransmit_percent"]["mean"] is None
    assert not [n for n in found["notes"] if "is unknown" in n]
