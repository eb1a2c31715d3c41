"""Real programs under the recorder: what `why` says of each, and whether it is true.

What is true is known by what the program does: one request after the other, a full queue, a pause
after every batch. Where two limits are as good as equal on any machine, both are listed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from corpus.real import MOST_BUSY, quiet_share

import mpi_collector

ROOT = Path(__file__).resolve().parents[2]
_FILE_MB = 512
_WAITS = """
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY)
ends, at = time.monotonic() + float(sys.argv[2]), 0
while time.monotonic() < ends:  # a batch, then the step of a "GPU"
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    at = (at + (2 << 20)) % (400 << 20)
    os.pread(fd, 2 << 20, at)
    time.sleep(0.06)
"""
_SEARCH = """
import os
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
import sys, time
import numpy as np
rng = np.random.default_rng(1)
data = rng.standard_normal((40_000, 128), dtype=np.float32)
ends = time.monotonic() + float(sys.argv[2])
while time.monotonic() < ends:
    np.argpartition(data @ rng.standard_normal(128, dtype=np.float32), 10)
"""
_REPLAY = """
import os, random, sys, time
random.seed(1)
fd = os.open(sys.argv[1] + ".log", os.O_WRONLY | os.O_CREAT | os.O_DSYNC)
store, ends = {}, time.monotonic() + float(sys.argv[2])
while time.monotonic() < ends:
    key = random.randrange(10_000)
    if key % 2:
        store[key] = os.write(fd, b"x" * 1024)  # put
    else:
        store.get(key)
"""


def programs(place: Path, seconds: int) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield (name, what is true, the command of the shell)."""
    data = place / "data"

    def fio(rw: str, depth: int, block: str, direct: int = 1) -> str:
        engine = "libaio" if direct else "psync"
        return (
            f"fio --name=job --filename={data} --rw={rw} --bs={block} --iodepth={depth} "
            f"--ioengine={engine} --direct={direct} --size={_FILE_MB}m --time_based "
            f"--runtime={seconds} --output=/dev/null"
        )

    def python(text: str) -> str:
        return f"{sys.executable} -c '{text}' {data} {seconds}"

    yield "fio sequential, depth 1, direct", ("latency",), fio("read", 1, "64k")
    yield "fio sequential, depth 32, direct", ("device",), fio("read", 32, "256k")
    yield "fio random, depth 1, direct", ("latency",), fio("randread", 1, "4k")
    yield "fio random, depth 32, direct", ("device",), fio("randread", 32, "64k")
    yield "fio random, buffered", ("latency",), fio("randread", 1, "4k", direct=0)
    size = "bs=1M count=2000 status=none"
    yield "dd, fsync at the end", ("device",), f"dd if=/dev/zero of={place}/out {size} conv=fsync"
    small = "bs=1M count=600 status=none"
    yield (
        "dd without fsync", ("one core", "device", "write-back"),
        f"for i in 1 2 3 4 5 6; do dd if=/dev/zero of={place}/out {small}; done",
    )  # fmt: skip
    yield "reader with a slow GPU", ("nothing on the hosts",), python(_WAITS)
    demo = f"{sys.executable} {ROOT}/scripts/demo_job.py"
    yield "the demo's job", ("not known", "latency", "device", "one core", "cpu"), demo
    yield "vector search, one thread", ("one core",), python(_SEARCH)
    yield "key-value replay, synchronous log", ("latency",), python(_REPLAY)


def judge_programs(seconds: int, patience_s: float) -> None:
    """Run each program and print a line: what is said, how sure, and whether it is true.

    Each waits ``patience_s`` for a quiet machine; on a busy one nothing is judged.
    """
    print("| program | said | for | true |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="why-programs-", dir="/var/tmp") as name:
        place = Path(name)
        subprocess.run(["dd", "if=/dev/urandom", f"of={place / 'data'}", "bs=1M",
                        f"count={_FILE_MB}", "status=none"], check=True)  # fmt: skip
        for n, (program, causes, command) in enumerate(programs(place, seconds)):
            results = place / f"results{n}"
            busy = quiet_share(patience_s)
            argv = [sys.executable, "-m", "mpi_collector", "collect", "--timeseries-interval",
                    "0.25", "--results-dir", str(results), "--spool-dir", str(place), "--quiet",
                    "--json", "never", "--report", "never", "--", "sh", "-c",
                    command]  # fmt: skip
            subprocess.run(argv, cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           check=False)  # fmt: skip
            (made,) = results.glob("**/*_timeseries.npz")
            with mpi_collector.load(made) as recording:
                document = recording.why()
            limit = document["limited_by"]
            said = f"{limit['cause']} ({limit['confidence']})" if limit else "not known"
            reason = limit["for"] if limit else []
            text = "; ".join(e["text"] for e in reason) or document["not_known"][0]["reason"]
            right = (limit["cause"] if limit else "not known") in causes
            true = "yes" if right else "no"
            if busy > MOST_BUSY:  # what others do limits the program as well
                true = f"not judged: CPUs {100 * busy:.0f} % busy before it"
            print(f"| {program} | {said} | {text} | {true} |", flush=True)
