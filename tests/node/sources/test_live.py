"""Sources on this kernel while something with a known effect is done.

TCP, softnet, pressure, NUMA, cgroup.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
from live_sources import Watch
from nodekit import ROOT

MB = 1 << 20
SENT = 64 * MB
HELD = 64 * MB
BURN_S = 0.6


def send_over_loopback() -> None:
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
        end, _ = server.accept()
        data = b"x" * MB

        def receive() -> None:
            with end:
                while end.recv(MB):
                    pass

        thread = threading.Thread(target=receive)
        thread.start()
        for _ in range(SENT // MB):
            client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        thread.join(60)


def burn(seconds: float) -> None:
    """Use so many seconds of CPU time."""
    while time.process_time() < seconds:
        pass


def test_what_is_done_is_seen() -> None:
    """Loopback traffic, touched pages and CPU contention show in their columns."""
    watch = Watch("tcp,softnet,pressure,numa")
    before = watch.now()
    send_over_loopback()
    touched = bytearray(HELD)
    touched[:: os.sysconf("SC_PAGE_SIZE")] = b"1" * len(touched[:: os.sysconf("SC_PAGE_SIZE")])
    crowd = [
        multiprocessing.get_context("fork").Process(target=burn, args=(BURN_S,))
        for _ in range(1 + (os.cpu_count() or 1))
    ]
    for p in crowd:
        p.start()
    for p in crowd:
        p.join(120)
    after = watch.now()
    watch.probe.close()
    grew = {k: v - before[k] for k, v in after.items() if k in before}
    assert grew["tcp.IpExt.InOctets"] >= SENT
    assert grew["tcp.IpExt.OutOctets"] >= SENT
    assert grew["tcp.Tcp.InSegs"] >= SENT // 65536  # the largest there is
    assert grew["softnet.processed"] >= SENT // 65536
    pressure = [
        grew[k] for k in grew if k == "pressure.cpu.some_us"
    ]  # a kernel may be built without
    assert all(us > 1000 for us in pressure)
    pages = sum(v for k, v in grew.items() if k.endswith(".numa_hit"))
    assert not pages or pages > 16  # with transparent huge pages one of them is many
    assert watch.probe.absent.keys() <= {"pressure", "numa"}


IN_A_CGROUP = """
import json, os, sys, time
from pathlib import Path
from live_sources import Watch
HELD = int(sys.argv[1])
v2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
made = []
try:
    for controller in ("cpu", "memory"):
        base = Path("/sys/fs/cgroup") if v2 else Path("/sys/fs/cgroup") / controller
        group = base / f"mpi_collector-test-{os.getpid()}"
        if not group.exists():
            group.mkdir()
            made.append((base, group))
        if controller == "cpu":
            limit, words = ("cpu.max", "20000 100000") if v2 else ("cpu.cfs_quota_us", "20000")
            (group / limit).write_text(words)
        (group / "cgroup.procs").write_text(str(os.getpid()))
except OSError as e:
    print("skip", e)
else:
    watch = Watch("cgroup")
    before = watch.now()
    held = bytearray(HELD)
    held[::4096] = b"1" * len(held[::4096])
    after, end = before, time.monotonic() + 60
    while after["cgroup.cpu.nr_throttled"] < before["cgroup.cpu.nr_throttled"] + 5 and time.monotonic() < end:
        for _ in range(100_000):
            pass
        after = watch.now()
    print(json.dumps({k: v - before[k] for k, v in after.items() if k in before}))
finally:
    for base, group in made:
        try:
            (base / "cgroup.procs").write_text(str(os.getpid()))
            group.rmdir()
        except OSError:
            pass
"""


def test_a_cgroup_that_is_throttled() -> None:
    """With a fifth of a CPU, throttling is counted; touched memory is charged to the cgroup."""
    argv = [sys.executable, "-c", IN_A_CGROUP, str(HELD)]
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'helpers'}"}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True, env=env)
    if done.stdout.startswith("skip"):
        pytest.skip(f"no cgroup of our own: {done.stdout[5:].strip()}")
    grew = {k.removeprefix("cgroup."): v for k, v in json.loads(done.stdout).items()}
    assert grew["cpu.nr_throttled"] >= 5
    throttled_s = grew.get("cpu.throttled_us", 0) / 1e6 + grew.get("cpu.throttled_time", 0) / 1e9
    assert throttled_s > 0
    used_s = grew.get("cpu.usage_us", 0) / 1e6 + grew.get("cpu.usage_ns", 0) / 1e9
    assert used_s > 0.05
    assert grew["memory.memory_bytes"] > 0.9 * HELD
