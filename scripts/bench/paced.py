"""CPU time per sample of programs that sample once in an interval, compared side by side.

All run at the same time, each at its own phase within the second. The phases are rotated from round
to round, so that neither the machine's drift nor a neighbour's warm caches favour one. The CPU time
is the scheduler's (/proc/PID/task/*/schedstat), of a program and of what it has started, without
the start-up.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import kit

from mpi_collector.node.read.probe import STAGE_SLOTS

SETTLE = 10  #: samples that are not counted
#: samples in a batch of ours; in the first one the decoder still learns
BATCH = STAGE_SLOTS

#: paced as all of them, by absolute deadlines on the monotonic clock
LOOP = """
import sys, time
interval, phase = float(sys.argv[1]), float(sys.argv[2])
def paced(sample):
    t = float(int(time.monotonic()) + 2) + phase
    while True:
        time.sleep(max(0, t - time.monotonic()))
        sample()
        t += interval
"""

OURS = """
import gc, sys, time
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.options import SamplingOptions
from mpi_collector.batch.recorder import BatchRecorder
from mpi_collector.node.agent.recorder import Recorder
interval, phase, sources, decoder, root = float(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:6]
kind = Recorder if decoder == "python" else BatchRecorder
options = SamplingOptions(interval_s=interval, sources=sources, root=root)
recorder = kind(options, f"bench-{mono_ns()}", "host", {"benchmark": "host"})
recorder.prepare()
recorder.own_clock()
if decoder == "none":
    recorder._decoder.decode_stage = lambda view, shape, wanted: ()
t0 = (mono_ns() // 10**9 + 2) * 10**9 + int(phase * 1e9)
recorder.start(t0, time.time_ns(), 3600)
sys.stdin.read()
recorder.stop()
recorder.discard()
"""


@dataclass
class Program:
    """Something that samples. ``argv`` may hold {phase}.

    ``servers``: what it needs; their CPU time counts. ``driver``: what asks it to sample; its time
    does not count.
    """

    name: str
    argv: list[str]
    servers: list[list[str]] = field(default_factory=list)
    driver: list[str] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=dict)
    cwd: str | None = None


@dataclass
class Absent:
    """A program that cannot run here, and why."""

    name: str
    why: str


def python(name: str, code: str, interval: float, *words: str) -> Program:
    return Program(name, [sys.executable, "-c", code, str(interval), "{phase}", *words])


def ours(
    name: str, sources: str, interval: float, decoder: str = "numpy", root: str = "/"
) -> Program:
    return python(name, OURS, interval, sources, decoder, root)


def floor(work: Path, interval: float, root: str = "", also: str = "") -> Program | Absent:
    """The C program that only reads; ``also``: further files below proc."""
    name = "C program that only preads"
    cc = shutil.which("cc") or shutil.which("gcc")
    if cc is None:
        return Absent(name, "no C compiler")
    target = work / "floor"
    if not target.exists():
        subprocess.run([cc, "-O2", "-o", str(target), str(kit.HERE / "floor.c")], check=True)
    return Program(
        name, [str(target), "1000000", str(interval), "{phase}", root or "/", *also.split()]
    )


class Running:
    """A program that was started."""

    def __init__(self, program: Program, phase: float) -> None:
        quiet = subprocess.DEVNULL
        environ = {**kit.environment(), **program.environ}
        self._parts: list[subprocess.Popen[bytes]] = []
        for argv in [*program.servers, program.argv, *([program.driver] if program.driver else [])]:
            words = [w.replace("{phase}", f"{phase:.3f}") for w in argv]
            part = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=quiet,
                stderr=quiet,
                env=environ,
                cwd=program.cwd,
            )
            self._parts.append(part)
            if argv in program.servers:
                time.sleep(1.0)  # until it listens
        self._counted = self._parts[: len(program.servers) + 1]

    def pids(self) -> list[int]:
        """Return the processes that count."""
        return [pid for part in self._counted for pid in kit.family(part.pid)]

    def wait(self) -> None:
        """Wait for a program that ends by itself."""
        self._parts[-1].wait(180)

    def cpu_ns(self) -> int:
        return sum(kit.family_cpu_ns(p.pid) for p in self._counted)

    @property
    def alive(self) -> bool:
        return all(p.poll() is None for p in self._parts)

    def end(self) -> None:
        for p in reversed(self._parts):
            if p.stdin:
                p.stdin.close()  # ours leaves nothing behind when it ends by itself
        if OURS in self._parts[-1].args:  # type: ignore[operator]
            self._parts[-1].wait(20)
        for p in reversed(self._parts):
            kit.end(p)


def one_round(
    programs: list[Program], samples: int, interval: float, turn: int
) -> dict[str, float]:
    """Return microseconds of CPU per sample of each program, all running at once.

    Programs that ended early are left out.
    """
    running: dict[str, Running] = {}
    try:
        for i, program in enumerate(programs):
            phase = ((i * 3 + turn * 2) % len(programs)) / len(programs) * min(interval, 1.0)
            running[program.name] = Running(program, phase)
        # start-up; of ours, the first sample, which is decoded by itself
        time.sleep(4 + SETTLE * interval)
        before = {name: r.cpu_ns() for name, r in running.items()}
        time.sleep(samples * interval)
        spent = {name: r.cpu_ns() - before[name] for name, r in running.items() if r.alive}
    finally:
        for r in running.values():
            r.end()
    return {name: ns / samples / 1000 for name, ns in spent.items()}


def rounds(
    programs: list[Program], count: int, samples: int, interval: float
) -> list[dict[str, float]]:
    return [one_round(programs, samples, interval, turn) for turn in range(count)]


def rows(
    programs: list[Program | Absent], results: list[dict[str, float]], base: str
) -> list[list[str]]:
    """Return lines of a table: name, ratio to ``base`` (median, least, greatest), microseconds."""
    lines = []
    for program in programs:
        if isinstance(program, Absent):
            lines.append([program.name, "not measured", program.why])
            continue
        found = [
            (r[program.name] / r[base], r[program.name])
            for r in results
            if program.name in r and base in r
        ]
        if len(found) < len(results):
            lines.append([program.name, "not measured", "it ended by itself"])
            continue
        ratios, values = (sorted(v) for v in zip(*found))
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}" if len(ratios) > 1 else ""
        lines.append(
            [
                program.name,
                f"{statistics.median(ratios):.2f}",
                spread,
                f"{statistics.median(values):.0f}",
            ]
        )
    return [line + [""] * (4 - len(line)) for line in lines]


HEADS = ("program", "x floor", "least to most", "us per sample")
