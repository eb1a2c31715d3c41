"""/proc/PID/stat: every field, whatever the name of the command is."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nodekit import FIXTURES, QUICK

from mpi_collector.node.pid_stat import parse_pid_stat

#: what follows the name, field n of proc(5) being n times 11
REST = "Z " + " ".join(str(11 * n) for n in range(4, 53))
FIELDS = {
    "ppid": 4,
    "flags": 9,
    "majflt": 12,
    "cmajflt": 13,
    "utime": 14,
    "stime": 15,
    "cutime": 16,
    "cstime": 17,
    "num_threads": 20,
    "starttime": 22,
    "vsize": 23,
    "rss": 24,
}


@QUICK
@given(comm=st.binary(max_size=15))
@example(comm=b"a) R 1 (b")
@example(comm=b") R 1 (")
@example(comm=b")")
@example(comm=b"(")
@example(comm=b"((((")
@example(comm=b"")
@example(comm=b"\xff\n 7 ")
def test_any_name(comm: bytes) -> None:
    """A name may hold blanks, newlines, parentheses and what looks like the fields behind it."""
    stat = parse_pid_stat(b"4242 (%s) %s\n" % (comm, REST.encode()))
    assert stat.comm == comm
    assert stat.state == "Z"
    assert {name: getattr(stat, name) for name in FIELDS} == {
        name: 11 * number for name, number in FIELDS.items()
    }


@QUICK
@given(text=st.binary(max_size=200))
@example(text=b"1 (x)")
@example(text=b"1 x) S 1")
def test_any_text(text: bytes) -> None:
    """A text that is none of /proc/PID/stat is a ValueError; one that was cut lacks its last fields."""
    try:
        stat = parse_pid_stat(text)
    except ValueError:
        return
    assert stat.state
    for name in FIELDS:
        try:
            assert isinstance(getattr(stat, name), int)
        except (IndexError, ValueError):
            pass


@pytest.mark.parametrize("text", [b"", b"\n", b"4242", b"4242 (x", b"4242 (x)", b"4242 (x) \n"])
def test_no_fields(text: bytes) -> None:
    with pytest.raises(ValueError, match="not a /proc/PID/stat"):
        parse_pid_stat(text)


def test_cut_text() -> None:
    """The fields in front of the cut are there."""
    stat = parse_pid_stat(b"7 (x) S 1 7")
    assert (stat.state, stat.ppid) == ("S", 1)
    with pytest.raises(IndexError):
        _ = stat.utime


def test_captured_text() -> None:
    """A process of a real kernel."""
    stat = parse_pid_stat((FIXTURES / "linux-6.18/proc/4242/stat").read_bytes())
    words = (FIXTURES / "linux-6.18/proc/4242/stat").read_text().split()
    assert stat.comm == words[1][1:-1].encode()
    assert [getattr(stat, name) for name in FIELDS] == [int(words[n - 1]) for n in FIELDS.values()]


def test_this_process() -> None:
    """As psutil sees it."""
    stat = parse_pid_stat(Path("/proc/self/stat").read_bytes())
    process = psutil.Process()
    assert stat.ppid == process.ppid()
    assert stat.comm.decode() == process.name()[:15]
    assert stat.state == "R"
    started_s = stat.starttime / os.sysconf("SC_CLK_TCK") + psutil.boot_time()
    assert started_s == pytest.approx(process.create_time(), abs=2)
