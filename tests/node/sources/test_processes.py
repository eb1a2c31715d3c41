"""The source ``processes``: which processes a pattern chooses, whose I/O counts once, and what never falls."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from nodekit import (
    FIXTURES,
)
from sourcekit import recorded

import mpi_collector
from mpi_collector.benchmark.child_recorder import SuiteChildRecorder
from mpi_collector.benchmark.keeper import client
from mpi_collector.node.pid_stat import parse_pid_stat
from mpi_collector.node.read import process_files
from mpi_collector.node.read.collector_command import is_collector
from mpi_collector.node.sources import (
    BY_NAME,
    processes,
    select,
)
from mpi_collector.node.status import OK, SKIPPED, SLOW
from mpi_collector.transport.child import ChildRecorder
from mpi_collector.transport.own_python import own_argv, python_argv
from mpi_collector.transport.ssh import bootstrap

KB = 1024


#: a grandchild that reads ``n`` bytes and ends, its child with it; a parent that starts them whenever it is told to
READS = "import os; fd = os.open('/dev/zero', 0); [os.read(fd, 65536) for _ in range(int({n}) // 65536)]"


PARENT = f"""
import subprocess, sys
for line in sys.stdin:
    subprocess.run(["sh", "-c", '"$0" -S -c "$1"; true', sys.executable, {READS!r}.format(n=line)], check=True)
    print("done", flush=True)
"""


Sums = dict[str, dict[str, int]]


def by_name(text: bytes) -> Sums:
    out: Sums = {}
    for line in text.decode().splitlines():
        name, field, value = line.split()
        out.setdefault(name, {})[field] = int(value)
    return out


def total(sums: Sums, field: str) -> int:
    return sum(fields.get(field, 0) for fields in sums.values())


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """Its command line has a word that no other process has."""
    child = subprocess.Popen([sys.executable, "-S", "-c", PARENT, f"only_{os.getpid()}"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)  # fmt: skip
    yield child
    assert child.stdin is not None
    child.stdin.close()
    child.wait(10)


def reader_of(spec: str) -> processes.ProcessReader:
    (source,) = select(spec)
    reader: processes.ProcessReader = source.reader("/")
    return reader


def test_a_tree(parent: subprocess.Popen[str]) -> None:
    """The process with the word, and what it starts; a plain pattern takes the first alone."""
    assert parent.stdin is not None and parent.stdout is not None
    word = f"only_{os.getpid()}"
    tree, alone = reader_of(f"processes:tree:{word}"), reader_of(f"processes:{word}")
    nobody = reader_of(f"processes:{word}nobody")
    deadline = time.monotonic() + 10
    while not total(by_name(tree.read()), "processes"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    parent.stdin.write(f"{1 << 36}\n")  # reads until it is ended
    parent.stdin.flush()
    while total(by_name(tree.read()), "processes") < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (child,) = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    (grandchild,) = Path(f"/proc/{child}/task/{child}/children").read_text().split()
    found = [total(by_name(r.read()), "processes") for r in (tree, alone, nobody)]
    os.kill(int(grandchild), 9)
    assert found == [3, 1, 0]
    for reader in (tree, alone, nobody):
        reader.close()


def test_the_collector_does_not_match_itself() -> None:
    assert is_collector(
        b"mpirun -np 2 python -m mpi_collector --sources processes:dlio -- dlio_benchmark".split()
    )
    for name in ("mpi_collector", "mpi-collector"):
        assert is_collector(f"/usr/bin/python3 /home/x/.local/bin/{name} collect".encode().split())
        assert is_collector(f"mpirun -np 2 {name} --sources processes:dlio -- x".encode().split())
    assert is_collector([word.encode() for word in own_argv("collect", "--bridge")])
    for program in (client._PROGRAM, SuiteChildRecorder.program, ChildRecorder.program):
        assert is_collector([word.encode() for word in python_argv(program)])
    assert is_collector([b"python3", b"-u", b"-I", b"-c", bootstrap._READ.encode()])
    assert not is_collector(b"python /home/x/mpi_collector/train.py".split())
    assert not is_collector(b"python train.py --data /home/x/mpi_collector".split())
    assert not is_collector(b"/opt/bin/python3.11 train.py --data mpi_collector".split())
    assert not is_collector([])


def cpu_ms(sums: Sums) -> int:
    return total(sums, "user_ms") + total(sums, "system_ms")


def family_ms(pid: int) -> int:
    """CPU time of a process and of the children that it waited for, as the kernel has it."""
    stat = parse_pid_stat(Path(f"/proc/{pid}/stat").read_bytes())
    ticks = stat.utime + stat.stime + stat.cutime + stat.cstime
    return ticks * 1000 // os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("apart_s", [0.01, 0.5])
def test_children_count_once(parent: subprocess.Popen[str], apart_s: float) -> None:
    """The kernel adds what a child did to its parent when the parent waits for it; looked at often, and too seldom to see it."""
    assert parent.stdin is not None and parent.stdout is not None
    reader = reader_of(f"processes:tree:only_{os.getpid()}")
    deadline = time.monotonic() + 10
    while not total(by_name(reader.read()), "processes"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)
    first = by_name(reader.read())
    before, before_ms, kernel_ms = (
        total(first, "read_call_bytes"),
        cpu_ms(first),
        family_ms(parent.pid),
    )
    amounts = [1 << 29, 65536, 1 << 28, 3 << 28, *[1 << 26] * 8]
    for amount in amounts:
        parent.stdin.write(f"{amount}\n")
        parent.stdin.flush()
        while not readable(parent):
            reader.read()
            time.sleep(apart_s)
        os.read(parent.stdout.fileno(), 100)
    for _ in range(4):
        time.sleep(0.05)
        last = by_name(reader.read())
    raw = int(Path(f"/proc/{parent.pid}/io").read_text().split()[1])
    reader.close()
    assert raw > sum(amounts)  # the kernel's own addition
    # interpreters read their own files too, little beside this
    assert total(last, "read_call_bytes") - before == pytest.approx(sum(amounts), rel=0.02)
    assert cpu_ms(last) - before_ms == pytest.approx(
        family_ms(parent.pid) - kernel_ms, abs=30 * len(amounts), rel=0.03
    )


def readable(process: subprocess.Popen[str]) -> bool:
    import select as waiting

    return bool(waiting.select([process.stdout], [], [], 0)[0])


def test_short_lived_processes(parent: subprocess.Popen[str]) -> None:
    """Read now and then while many come and go: no sum ever falls."""
    churn = subprocess.Popen(["sh", "-c", "while :; do /bin/true; ls >/dev/null; done"])
    reader = reader_of("processes")
    last: Sums = {}
    try:
        for _ in range(60):
            sums = by_name(reader.read())
            for name, fields in last.items():
                for field, value in fields.items():
                    if name != "left_out" and field.encode() not in processes.GAUGES:
                        assert sums[name][field] >= value, (name, field)
            last = sums
            time.sleep(0.02)
    finally:
        churn.kill()
        churn.wait()
        reader.close()


class Tree:
    """A /proc with what we put there."""

    def __init__(self, root: Path) -> None:
        self.proc = root / "proc"
        self.proc.mkdir()

    def put(
        self,
        pid: int,
        name: str = "x",
        ticks: int = 0,
        read: int = 0,
        start: int = 7,
        parent: int = 1,
        flags: int = 0,
    ) -> None:
        (self.proc / str(pid)).mkdir(exist_ok=True)
        rest = f"S {parent} 1 1 0 -1 {flags} 5 0 3 0 {ticks} 2 0 0 20 0 1 0 {start} 1000000 10 0"
        (self.proc / str(pid) / "stat").write_text(f"{pid} ({name}) {rest}")
        (self.proc / str(pid) / "io").write_text(f"rchar: {read}\nsyscr: 7\n")
        (self.proc / str(pid) / "cmdline").write_bytes(name.encode() + b"\0--now\0")

    def remove(self, pid: int) -> None:
        for f in (self.proc / str(pid)).iterdir():
            f.write_text("")  # as a descriptor of a process that is gone
            f.unlink()
        (self.proc / str(pid)).rmdir()


def test_a_number_that_is_used_again(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.put(10, read=500)
    reader = processes.ProcessReader(str(tmp_path))
    assert by_name(reader.read())["x"]["read_call_bytes"] == 500
    tree.remove(10)
    tree.put(10, read=30, start=8)
    for _ in range(3):
        last = by_name(reader.read())["x"]["read_call_bytes"]
    assert last == 530
    reader.close()


def test_a_file_that_is_not_to_be_had_for_a_moment(tmp_path: Path) -> None:
    """The same process again, not another one: nothing is counted twice."""
    tree = Tree(tmp_path)
    tree.put(10, read=500)
    reader = processes.ProcessReader(str(tmp_path))
    reader.read()
    (tmp_path / "proc/10/stat").write_text("")
    assert by_name(reader.read())["x"] | {"processes": 0} == by_name(reader.read())["x"] | {
        "processes": 0
    }
    tree.put(10, read=600)
    for _ in range(3):
        last = by_name(reader.read())["x"]["read_call_bytes"]
    assert last == 600
    reader.close()


def test_more_than_there_is_room_for(tmp_path: Path) -> None:
    """The rest is told; kernel threads are none of them."""
    tree = Tree(tmp_path)
    for pid in range(10, 15):
        tree.put(pid)
    tree.put(20, flags=0x208040)
    reader = processes.ProcessReader(str(tmp_path), processes_max=3)
    found = by_name(reader.read())
    assert (found["x"]["processes"], found["left_out"]["processes"]) == (3, 2)
    tree.remove(11)
    reader.read()
    found = by_name(reader.read())
    assert (found["x"]["processes"], found["left_out"]["processes"]) == (3, 1)
    reader.close()


def test_without_descriptors_to_spare(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    for pid in (10, 11, 12):
        tree.put(pid, read=100)
    before = len(os.listdir("/proc/self/fd"))
    reader = processes.ProcessReader(str(tmp_path), open_max=1)
    assert by_name(reader.read())["x"]["read_call_bytes"] == 300
    assert len(os.listdir("/proc/self/fd")) - before <= 2
    tree.put(12, read=150)
    assert by_name(reader.read())["x"]["read_call_bytes"] == 350
    reader.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_child_may_be_listed_before_its_parent(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.put(10, "grandchild", parent=11)
    tree.put(11, "child", parent=12)
    tree.put(12, "job")
    tree.put(13, "shell")
    source = BY_NAME["processes"]()
    source.choose("tree:^job")
    reader = source.reader(str(tmp_path))
    assert set(by_name(reader.read())) == {"grandchild", "child", "job"}
    tree.put(13, "job2")  # it runs another program
    assert "job2" in by_name(reader.read())
    reader.close()


def test_recorded(parent: subprocess.Popen[str], tmp_path: Path) -> None:
    """From the option to the column, with a pattern that chooses somebody and with one that chooses nobody."""
    word = f"only_{os.getpid()}"
    for pattern, count in ((word, 1), (word + "nobody", 0)):
        results = tmp_path / pattern
        with mpi_collector.collect(interval=0.05, sources=f"loadavg,processes:{pattern}", results_dir=results,
                                   spool_dir=str(tmp_path), quiet=True, sampler="thread"):  # fmt: skip
            time.sleep(0.5)
        with mpi_collector.load(results) as run:
            (host,) = run.values()
            names = [
                c for c in host.columns if c.startswith("processes.") and c.endswith(".processes")
            ]
            assert len(names) == count
            assert set(host.array("source_status")[:, 1].tolist()) <= {OK, SKIPPED, SLOW}
            for name in names:
                assert np.nanmax(host.value(name)) == 1  # a busy host may be too slow at some tick


def test_processes_against_psutil() -> None:
    """A busy child has the CPU time that psutil sees; when it has ended it stays in the sums."""
    word = f"only_{os.getpid()}"  # a machine may run so many other commands that this one has no column of its own
    (source,) = select(f"processes:{word}")
    reader = source.reader("/")
    child = subprocess.Popen([sys.executable, "-c", f"{word} = 0\nwhile True: {word} += 1"])
    time.sleep(1)
    before = by_name(reader.read())
    name = psutil.Process(child.pid).name()
    used = psutil.Process(child.pid).cpu_times()
    assert before[name]["user_ms"] >= int(used.user * 1000) - 500
    assert before[name]["processes"] >= 1
    child.kill()
    child.wait()
    after = by_name(reader.read())
    assert after[name]["user_ms"] >= before[name]["user_ms"]


def test_processes_of_a_launcher(tmp_path: Path) -> None:
    """A child that runs another program under its PID, whose io is closed for a moment, that ends: no sum ever falls."""

    def process(pid: int, name: str, user_ticks: int, read: int | None) -> None:
        (tmp_path / "proc" / str(pid)).mkdir(parents=True, exist_ok=True)
        rest = f"S 1 1 1 0 -1 0 5 0 3 0 {user_ticks} 2 0 0 20 0 1 0 4242 1000000 10"
        (tmp_path / "proc" / str(pid) / "stat").write_text(f"{pid} ({name}) {rest}")
        (tmp_path / "proc" / str(pid) / "io").write_text(
            "" if read is None else f"rchar: {read}\nsyscr: 7\n"
        )

    process(10, "mpirun", 100, 5000)
    reader = BY_NAME["processes"]().reader(str(tmp_path))
    first = by_name(reader.read())
    assert first["mpirun"]["read_call_bytes"] == 5000
    process(10, "dlio worker", 150, None)
    second = by_name(reader.read())
    assert second["mpirun"] == {**first["mpirun"], "processes": 0, "threads": 0, "rss_bytes": 0}
    assert second["dlio_worker"]["read_call_bytes"] == 0
    assert second["dlio_worker"]["user_ms"] == 50 * 1000 // os.sysconf("SC_CLK_TCK")
    process(10, "dlio worker", 150, 5600)
    assert by_name(reader.read())["dlio_worker"]["read_call_bytes"] == 600
    for f in (tmp_path / "proc" / "10").iterdir():
        f.unlink()
    assert by_name(reader.read())["dlio_worker"]["read_call_bytes"] == 600


def test_a_process() -> None:
    """Its counters are those of its stat and io, USER_HZ as milliseconds, pages as bytes."""
    words = (FIXTURES / "linux-6.18/proc/4242/stat").read_text().split()
    io = dict(
        line.split(": ") for line in (FIXTURES / "linux-6.18/proc/4242/io").read_text().splitlines()
    )
    found = recorded("processes", FIXTURES / "linux-6.18")
    tick_ms = 1000 // os.sysconf("SC_CLK_TCK")
    assert found == {f"processes.python3.{k}": v for k, v in {
        "processes": 1, "threads": 2, "user_ms": (int(words[13]) + int(words[15])) * tick_ms,
        "system_ms": (int(words[14]) + int(words[16])) * tick_ms, "rss_bytes": int(words[23]) * os.sysconf("SC_PAGE_SIZE"),
        "major_faults": int(words[11]) + int(words[12]), "read_call_bytes": int(io["rchar"]), "write_call_bytes": int(io["wchar"]),
        "read_calls": int(io["syscr"]), "write_calls": int(io["syscw"]), "read_bytes": int(io["read_bytes"]),
        "write_bytes": int(io["write_bytes"]),
    }.items()}  # fmt: skip


def test_who_sleeps_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a process that has not run only schedstat is read, now and then all; a thread or a run of its own shows at once."""
    program = (
        "import sys, threading, time\n"
        "for line in sys.stdin:\n"
        "    if line == 'work\\n':\n"
        "        open('/dev/zero', 'rb', buffering=0).read(1 << 20)\n"
        "    else:\n"
        "        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
        "    print('done', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None and child.stdout is not None

        def do(what: str) -> None:
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write(what + "\n")
            child.stdin.flush()
            child.stdout.readline()
            time.sleep(0.2)  # until it sleeps again

        do("work")
        process = process_files.Process("/proc", str(child.pid), True, False)
        process.look()
        process.take()
        if not process._runs:
            pytest.skip("this kernel does not count the time slices of a process")
        readings: list[int] = []
        read_again = process_files.read_again

        def counted(fd: int) -> bytes:
            readings.append(fd)
            return read_again(fd)

        monkeypatch.setattr(process_files, "read_again", counted)
        for _ in range(18):
            assert process.look()
            assert process.take() == []
        assert len(readings) == 18 + 2 * 2
        do("work")
        assert process.look()
        added = process.take()
        assert added[3] >= 1 << 20
        do("thread")
        readings.clear()
        for _ in range(3):
            assert process.look()
            process.take()
        assert process.gauges[1] == 2
        assert len(readings) == 9
        child.kill()
        child.wait()
        assert not process.look()
        process.close()
