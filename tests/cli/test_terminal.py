"""What is drawn on a terminal, written elsewhere, and left by --quiet."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mpi_collector.cli.terminal import Terminal, status_line

FACTS = {"elapsed_s": 3725.4, "hosts": 4, "sampling": 3, "last_tick": 372, "missed": 2, "marks": 1}


def test_the_line() -> None:
    assert (
        status_line(FACTS)
        == "recording 1:02:05, 3 of 4 hosts sampling, tick 372, 2 missed, 1 marks"
    )
    assert (
        status_line({**FACTS, "last_tick": -1, "marks": 0})
        == "recording 1:02:05, 3 of 4 hosts sampling, no tick yet, 2 missed"
    )


def test_without_a_terminal_there_is_no_status(capsys: pytest.CaptureFixture[str]) -> None:
    for console in (Terminal(), Terminal(quiet=True)):
        assert console.status_every_s is None
        console.status(FACTS)
        console.progress("connecting", 1, 9)
    assert capsys.readouterr().err == ""


def on_a_terminal(argv: list[str], seconds: float, meanwhile: list[str] | None = None) -> str:
    """Return what ``argv`` writes to a terminal until it is interrupted after ``seconds``.

    ``meanwhile`` is run after half of them.
    """
    master, slave = pty.openpty()
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=slave,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(slave)
    time.sleep(seconds / 2)
    if meanwhile:
        subprocess.run(meanwhile, check=True, timeout=60)
    time.sleep(seconds / 2)
    process.send_signal(signal.SIGINT)
    out = b""
    while True:
        try:
            data = os.read(master, 4096)
        except OSError:  # the other end has closed
            break
        if not data:
            break
        out += data
    os.close(master)
    assert process.wait(60) == 0
    return out.decode()


def test_status_on_a_terminal(tmp_path: Path) -> None:
    """The status line is redrawn in place, and removed before the summary."""
    argv = [
        sys.executable,
        "-m",
        "mpi_collector",
        "--timeseries-interval",
        "0.2",
        "--results-dir",
        str(tmp_path),
        "--spool-dir",
        str(tmp_path),
    ]
    mark = [
        sys.executable,
        "-m",
        "mpi_collector",
        "mark",
        "here",
        "--results-dir",
        str(tmp_path),
        "--spool-dir",
        str(tmp_path),
    ]
    seen = on_a_terminal(argv, 7, mark)
    assert "1 marks" in seen
    assert re.search(r"recording 0:00:0\d, 1 of 1 hosts sampling, tick \d+, 0 missed", seen), seen
    assert "\x1b[2K" in seen[seen.rindex("hosts sampling") :]
    assert "verdict: complete" in seen
    assert "hosts sampling" not in on_a_terminal([*argv, "--quiet"], 4)


def test_a_bar_for_what_takes_long(tmp_path: Path) -> None:
    """The bar appears after a second, and is removed at the end and before a message."""
    program = """
import time
from mpi_collector.cli.terminal import Terminal
console = Terminal()
for done in range(6):
    console.progress("connecting", done, 5)
    time.sleep(0.4)
console.warn("a word")
console.progress("quick", 1, 2)
console.progress("quick", 2, 2)
"""
    master, slave = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", program],
        stderr=slave,
        env={**os.environ, "TERM": "xterm"},
        check=True,
        timeout=60,
    )
    assert done.returncode == 0
    os.close(slave)
    seen = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", os.read(master, 1 << 16).decode())
    os.close(master)
    assert "connecting" in seen
    assert "4/5 hosts" in seen
    assert "0/5 hosts" not in seen
    assert seen.rstrip().endswith("mpi_collector: a word")
