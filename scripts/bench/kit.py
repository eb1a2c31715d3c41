"""What the benches share: processes measured from outside, tables, paths."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
TEST_HELPERS = REPOSITORY / "tests" / "helpers"
sys.path[:0] = [str(REPOSITORY), str(TEST_HELPERS)]


def options(description: str | None) -> argparse.ArgumentParser:
    """A parser that knows ``--quick``."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a short version: fewer rounds, smaller counts, rougher figures",
    )
    return parser


# ---- tables
def title(text: str) -> None:
    print(f"\n## {text}\n", flush=True)


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A Markdown table; everything but the first column to the right."""
    cells = [[str(c) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(heads), *cells]) for i in range(len(heads))]
    print(
        "| "
        + " | ".join(
            h.ljust(w) if i == 0 else h.rjust(w) for i, (h, w) in enumerate(zip(heads, widths))
        )
        + " |"
    )
    print(
        "|"
        + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths))
        + "|"
    )
    for row in cells:
        print(
            "| "
            + " | ".join(
                c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))
            )
            + " |"
        )
    print(flush=True)


def kept(value: float, promise: float) -> str:
    return "kept" if value <= promise else "NOT KEPT"


def promise(text: str, value: float, bound: float) -> None:
    """Print a line that scripts/bench/run repeats at its end."""
    print(f"promise: {text}: {value:.3g}, at most {bound:.3g}: {kept(value, bound)}", flush=True)


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which ``share`` of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


# ---- processes, seen from outside
def read(path: str | Path) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:  # the process has gone
        return ""


def cpu_ns(pid: int) -> int:
    """CPU time of all threads of a process, as the scheduler counts it."""
    return sum(
        int((read(t) or "0").split()[0]) for t in Path(f"/proc/{pid}/task").glob("*/schedstat")
    )


def children(pid: int) -> list[int]:
    """Processes directly below; a child belongs to the thread that made it."""
    return [int(c) for f in Path(f"/proc/{pid}/task").glob("*/children") for c in read(f).split()]


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    return [pid, *(p for c in children(pid) for p in family(c))]


def family_cpu_ns(pid: int) -> int:
    return sum(cpu_ns(p) for p in family(pid))


def reaped_ns(pid: int) -> int:
    """CPU time of the children that a process has waited for; the kernel counts it in 10 ms."""
    words = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return sum(map(int, words[13:15])) * 10**9 // os.sysconf("SC_CLK_TCK") if words else 0


def kb(pid: int | str, field: str) -> int:
    """A field of ``/proc/PID/status`` in kB: VmRSS, VmHWM, RssAnon."""
    found = [
        line.split()[1]
        for line in read(f"/proc/{pid}/status").splitlines()
        if line.startswith(field + ":")
    ]
    return int(found[0]) if found else 0


def _jiffies() -> list[int]:
    return [int(w) for w in read("/proc/stat").split("\n")[0].split()[1:9]]


def busy_share() -> Callable[[], float]:
    """Return a function that gives the shares of CPU time used and stolen since this call."""
    before = _jiffies()

    def since() -> float:
        spent = [b - a for a, b in zip(before, _jiffies())]
        return 1 - (spent[3] + spent[4]) / max(sum(spent), 1)

    return since


def end(process: subprocess.Popen[bytes]) -> None:
    """Terminate what we started, and wait for it."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def environment(**extra: str) -> dict[str, str]:
    """Ours for a Python that must find this package."""
    path = os.pathsep.join(
        [str(REPOSITORY), str(TEST_HELPERS), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    return {
        **os.environ,
        "PYTHONPATH": path,
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        **extra,
    }


def machine() -> str:
    """One line on where this ran."""
    named = [
        line.partition(":")[2].strip()
        for line in read("/proc/cpuinfo").splitlines()
        if line.startswith("model name")
    ]
    model = named[0] if named else platform.machine()
    memory = int(read("/proc/meminfo").split()[1]) / 2**20
    return (
        f"{time.strftime('%Y-%m-%d')}: {os.cpu_count()} CPUs ({model}), {memory:.0f} GiB, "
        f"Linux {platform.release()}, Python {platform.python_version()}"
    )
