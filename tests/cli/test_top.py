"""``top`` on a terminal: what its keys do, and what it shows of a real run from its start to its end."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mpi_collector.cli.top_screen import View, hosts_in_order, keys_in, press, render

_FIGURES = {
    "read_bytes_per_s": {"label": "read", "unit": "bytes/s", "across": "sum"},
    "cpu_busy_percent": {"label": "CPU busy", "unit": "%", "across": "mean"},
    "write_latency_ms": {"label": "write latency", "unit": "ms", "across": "mean"},
}


def made(hosts: int) -> dict[str, Any]:
    """A document; each host does more than the one before, and the last one tells nothing."""
    figures = {
        n: {**f, "value": 1.0, "least": 0.0, "most": 9.0, "hosts": hosts}
        for n, f in _FIGURES.items()
    }
    by_host = {
        f"node{n:03d}": {
            "state": "sampling",
            "tick": 7,
            "missed": 0,
            "age_s": 1.0,
            "figures": {name: (float(n) if n < hosts else None) for name in _FIGURES},
        }
        for n in range(1, hosts + 1)
    }
    return {
        "run": "host_20260105_120000-abc", "elapsed_s": 61.0, "hosts": hosts, "sampling": hosts, "live_s": 1.0,
        "phases": [{"name": "epoch \x1b[31m1"}], "figures": figures, "by_host": by_host,
    }  # fmt: skip


def text(document: dict[str, Any], view: View, width: int, height: int) -> str:
    console = Console(width=width, height=height, highlight=False)
    with console.capture() as got:
        console.print(render(document, view, width, height))
    return got.get()


def after(document: dict[str, Any], *keys: str) -> View:
    view = View()
    assert all(press(key, document, view) for key in keys)
    return view


def test_sorting() -> None:
    """By name at first, then by each figure, the largest first; what is unknown comes last both ways."""
    document = made(4)
    assert hosts_in_order(document, after(document)) == ["node001", "node002", "node003", "node004"]
    assert hosts_in_order(document, after(document, "s")) == [
        "node003",
        "node002",
        "node001",
        "node004",
    ]
    assert hosts_in_order(document, after(document, ">", "r")) == [
        "node001",
        "node002",
        "node003",
        "node004",
    ]
    assert hosts_in_order(document, after(document, "s", "<")) == [
        "node001",
        "node002",
        "node003",
        "node004",
    ]
    assert after(document, "<").sort == len(_FIGURES) - 1
    assert "readv" in text(document, after(document, "s"), 80, 24)
    assert "read^" in text(document, after(document, "s", "r"), 80, 24)


def test_one_host_help_and_back() -> None:
    document = made(4)
    alone = text(document, after(document, "down", "enter"), 80, 24)
    assert "node002: sampling, tick 7, 0 missed" in alone
    assert "write latency" in alone
    assert "sort by the next" in text(document, after(document, "h"), 80, 24)
    assert after(document, "down", "enter", "h", "escape") == after(document, "down")
    assert not press("q", document, View())


@given(
    hosts=st.integers(0, 60),
    keys=st.lists(
        st.sampled_from(
            ["up", "down", "page up", "page down", "s", "<", "r", "enter", "escape", "h", "x"]
        ),
        max_size=20,
    ),
    width=st.integers(20, 200),
    height=st.integers(3, 60),
)
def test_any_screen(hosts: int, keys: list[str], width: int, height: int) -> None:
    """No size and no key makes an error, a control character or a line that is too wide; the line stays in view."""
    document = made(hosts)
    view = View()
    for key in keys:
        assert press(key, document, view)
        shown = text(document, view, width, height)
        assert not set(shown) & {"\x1b", "\r"}
        assert max(map(len, shown.splitlines()), default=0) <= width
    order = hosts_in_order(document, view)
    if order and not view.host and not view.help and width >= 40 and height >= 12:
        assert order[view.line] in shown if keys else True


def test_keys_of_terminals() -> None:
    assert keys_in(b"\x1b[A\x1bOB\x1b[6~s\r\x1b") == [
        "up",
        "down",
        "page down",
        "s",
        "enter",
        "escape",
    ]
    assert keys_in(bytes(range(128, 160)))  # no error


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, words: list[str], directory: Path, columns: int, rows: int) -> None:
        self.fd, inner = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(inner)
        self.inner = inner
        self.seen = b""
        self.process = subprocess.Popen(
            words,
            cwd=directory,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
        )

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def expect(self, wanted: str, seconds: float = 40) -> None:
        """Wait until something is on the screen, from the last key on."""
        deadline = time.monotonic() + seconds
        while wanted.encode() not in self.seen:
            shown = " ".join(self.seen.decode("utf-8", "replace").split())
            assert time.monotonic() < deadline, (wanted, shown[-1500:])
            if select.select([self.fd], [], [], 0.2)[0]:
                self.seen += os.read(self.fd, 1 << 16)

    def key(self, keys: bytes) -> None:
        self.seen = b""
        os.write(self.fd, keys)


def test_from_start_to_end(tmp_path: Path) -> None:
    """Keys, another size, the end of the run; the run does not notice, and the terminal is as before."""
    (tmp_path / "spool").mkdir()
    program = [sys.executable, "-m", "mpi_collector"]
    places = ["--spool-dir", str(tmp_path / "spool"), "--results-dir", str(tmp_path / "results")]
    run = subprocess.Popen(
        [*program, "collect", "--live", "0.5", "--timeseries-interval", "0.5", *places, "--report", "never", "--",
         "sh", "-c", "while [ ! -e end ]; do sleep 0.2; done; exit 7"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert run.stderr is not None
        while "live figures every" not in (line := run.stderr.readline()):
            assert line
        screen = Terminal([*program, "top", *places], tmp_path, 80, 24)
        screen.expect("1 of 1 hosts sampling")
        screen.expect("read IOPS")
        screen.key(b"h")
        screen.expect("leave; the run goes on")
        screen.key(b"\x1b")
        screen.expect("hostv")
        screen.key(b"s")
        screen.expect("readv")
        screen.key(b"\r")
        screen.expect(": sampling, tick ")
        screen.resize(132, 40)
        screen.key(b"\x1b")
        screen.process.send_signal(signal.SIGWINCH)
        screen.expect("write laten\x1b")  # no room for it before
        (tmp_path / "end").touch()
        screen.expect("no answer: the run has ended")
        assert run.wait(60) == 7
        screen.key(b"q")
        assert screen.process.wait(30) == 0
        after_it = termios.tcgetattr(screen.inner)
        assert after_it[3] & (termios.ECHO | termios.ICANON) == screen.before[3] & (
            termios.ECHO | termios.ICANON
        )
    finally:
        run.kill()
        run.communicate()


@pytest.mark.parametrize("words", [["--json"], []])
def test_no_terminal(words: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mpi_collector", "top", *words],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "--once" in done.stderr
    assert "Traceback" not in done.stderr
