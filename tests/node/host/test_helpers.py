"""What serves a recorder on its host: which processes, and what they spend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mpi_collector.node.host import helpers

_WAITS = "import sys; sys.stdin.read()"
_WORKS = "import time\nwhile time.process_time() < 0.3: pass\n" + _WAITS
_OURS = "'from mpi_collector.benchmark.keeper.process import main'"


@contextmanager
def running(program: str) -> Iterator[subprocess.Popen[str]]:
    """A Python program that ends with its stdin."""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        yield process
        process.stdin.close()


def until_spent(pid: int, least_ns: int) -> None:
    deadline = time.monotonic() + 60
    while helpers.cpu_ns(pid) < least_ns:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def until_runs(pid: int) -> None:
    """Wait for the end of exec: until then it has the command line of its parent."""
    deadline = time.monotonic() + 60
    while _OURS not in Path(f"/proc/{pid}/cmdline").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_a_process_spends_after_the_begin() -> None:
    """What it spent before does not count, that of one which comes later does, and of one that has ended none."""
    later: list[int] = []
    with running(_WORKS) as first, running(_WAITS) as idle:
        until_spent(first.pid, 300_000_000)
        found = helpers.Helpers(lambda: later)
        found.begin(lambda: [first.pid, idle.pid])
        with running(_WORKS) as second:
            until_spent(second.pid, 300_000_000)
            later.append(second.pid)
            spent = found.spent_ns()
            assert spent is not None
            assert 300_000_000 <= spent < helpers.cpu_ns(second.pid) + 200_000_000
        assert (found.spent_ns() or 0) < 200_000_000


def test_not_known_is_not_zero() -> None:
    """A kernel that lists no children, a process that is hidden, and no begin at all."""

    def hidden() -> list[int]:
        raise PermissionError

    found = helpers.Helpers()
    assert found.spent_ns() is None
    found.begin(hidden)
    assert found.spent_ns() is None
    found = helpers.Helpers(hidden)
    found.begin(lambda: [os.getpid()])
    assert found.spent_ns() is None


def test_children_of_the_collector_only() -> None:
    """The keeper is one; COMMAND and what somebody's program started are none."""
    with running(f"{_OURS}; {_WAITS}") as keeper, running(_WAITS) as command:
        until_runs(keeper.pid)
        mine = helpers.around(os.getpid())
        assert keeper.pid in mine
        assert command.pid not in mine
        assert {keeper.pid, command.pid} <= set(helpers.children(os.getpid()))


@pytest.mark.parametrize(("launchers", "counts"), [(("py_launcher", "mpirun"), True), ((), False)])
def test_the_daemon_above_and_its_other_ranks(launchers: tuple[str, ...], counts: bool) -> None:
    """Where the parent is a launcher's daemon, it and its other ranks count; elsewhere they are somebody's."""
    rank = [sys.executable, "-c", f"{_OURS}; {_WAITS}"]
    daemon = (
        "import ctypes, json, os, subprocess, sys\n"
        "ctypes.CDLL(None).prctl(15, b'py_launcher', 0, 0, 0)\n"
        "rank = json.loads(os.environ['RANK'])\n"
        "ranks = [subprocess.Popen(rank, stdin=subprocess.PIPE) for _ in range(2)]\n"
        "print(*(r.pid for r in ranks), flush=True)\nsys.stdin.read()\n"
        "[r.communicate() for r in ranks]"
    )
    environ = {**os.environ, "RANK": json.dumps(rank)}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", daemon], stdin=pipe, stdout=pipe, text=True, env=environ
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        first, second = map(int, process.stdout.readline().split())
        until_runs(first)
        until_runs(second)
        found = set(helpers.around(first, launchers))
        process.stdin.close()
    assert found == ({second, process.pid} if counts else set())
