"""``processes`` against pidstat, on a living process over the same seconds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mpi_collector.node.sources import select

SECONDS = 3
pytestmark = pytest.mark.skipif(not shutil.which("pidstat"), reason="pidstat (sysstat) is not here")

#: about half of a core in two threads, and some megabytes a second written and synced
WORK = """
import os, sys, threading, time
def burn():
    while True:
        end = time.process_time() + 0.01
        while time.process_time() < end:
            pass
        time.sleep(0.01)
threading.Thread(target=burn, daemon=True).start()
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
data = os.urandom(1 << 20)
while True:
    os.pwrite(fd, data, 0)
    os.fsync(fd)
    time.sleep(0.05)
"""


def test_cpu_memory_and_io(tmp_path: Path) -> None:
    """User, system, writes, memory, threads: pidstat's rates and levels are those of our columns."""
    word = f"only_{os.getpid()}_{time.monotonic_ns()}"
    child = subprocess.Popen([sys.executable, "-S", "-c", WORK, str(tmp_path / word)])
    try:
        time.sleep(0.5)
        reader = select(f"processes:{word}")[0].reader("/")
        environ = {**os.environ, "LC_ALL": "C", "S_TIME_FORMAT": "ISO"}
        command = ["pidstat", "-u", "-r", "-d", "-v", "-h", "-p", str(child.pid), str(SECONDS), "1"]
        began = time.monotonic()
        before = cells(reader.read())
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=60, env=environ
        )
        after = cells(reader.read())
        seconds = time.monotonic() - began
    finally:
        child.kill()
        child.wait()
    head, values = done.stdout.strip().splitlines()[-2:]
    theirs = dict(zip(head.lstrip("#").split(), values.split()))
    rate = {k: (after[k] - before[k]) / seconds for k in after}
    assert rate["user_ms"] / 10 == pytest.approx(float(theirs["%usr"]), rel=0.2, abs=3)
    assert rate["system_ms"] / 10 == pytest.approx(float(theirs["%system"]), rel=0.2, abs=3)
    assert (rate["user_ms"] + rate["system_ms"]) / 10 > 10
    assert after["rss_bytes"] / 1024 == pytest.approx(float(theirs["RSS"]), rel=0.1)
    assert after["threads"] == int(theirs["threads"]) == 2
    assert rate["major_faults"] == pytest.approx(float(theirs["majflt/s"]), abs=1)
    assert rate["write_call_bytes"] > 1 << 20
    if float(theirs["kB_wr/s"]) > 0:  # a tmpfs is no storage
        assert rate["write_bytes"] / 1024 == pytest.approx(float(theirs["kB_wr/s"]), rel=0.2)
        assert rate["read_bytes"] / 1024 == pytest.approx(float(theirs["kB_rd/s"]), rel=0.2, abs=64)


def cells(text: bytes) -> dict[str, int]:
    """Of the only process that is chosen."""
    out: dict[str, int] = {}
    for line in text.decode().splitlines():
        _name, field, value = line.split()
        assert field not in out
        out[field] = int(value)
    return out
