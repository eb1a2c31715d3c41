"""The part of the corpus that is made for real: programs whose limit is injected on this machine.

A throttle of the blkio controller, a CPU quota and a memory limit (cgroup v1 or v2, whichever the
machine has), queue depths, threads that compute, files that are in memory or not. Each recipe runs
for a few seconds under the recorder. The machine must have nothing else to do: a recipe waits for
that, and is left out when it does not come.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECONDS = 8
INTERVAL_S = 0.25
SOURCES = "basic,stat,pressure,cgroup,job"
MOST_BUSY = 0.15  #: of all CPUs, before a recipe begins
MOST_BYTES = 120_000  #: of a recording
_FILE_MB = 512
_LOOP_MB = 512
_CGROUPS = Path("/sys/fs/cgroup")
_SPIN = "while True: pass"


@dataclass(frozen=True)
class RealRecipe:
    """A recording to make. ``command``: of the shell; {dir} and {loop} are places on storage.

    ``limits``: {controller: {file: value}} of cgroup v1; {dev} is the loop device's number.
    """

    name: str
    family: str
    causes: tuple[str, ...]
    command: str
    limits: dict[str, dict[str, str]] = field(default_factory=dict)
    beside: str = ""  #: a command of others, from before the recording to its end
    strength: str = "clear"
    sources: str = SOURCES
    facts: dict[str, Any] = field(default_factory=dict)


def _fio(rw: str, depth: int, block: str, place: str = "{dir}/data", direct: int = 1,
         jobs: int = 1, more: str = "") -> str:  # fmt: skip
    engine = "libaio" if direct else "psync"
    return (
        f"fio --name=job --filename={place} --rw={rw} --bs={block} --iodepth={depth} "
        f"--ioengine={engine} --direct={direct} --numjobs={jobs} --size={_FILE_MB}m --time_based "
        f"--runtime={SECONDS} --group_reporting --output=/dev/null {more}"
    )


def _throttled(n: int, mb: float, verb: str, command: str, strength: str = "clear") -> RealRecipe:
    limits = {"blkio": {f"blkio.throttle.{verb}_bps_device": f"{{dev}} {round(mb * 1e6)}"}}
    facts = {"ceiling": {"device": "loop", "bytes_per_s": mb * 1e6}}
    family = f"real-throttled-{verb}"
    return RealRecipe(
        f"{family}-{n:02d}", family, ("device", "cgroup"), command, limits, strength, facts=facts
    )


def recipes() -> Iterator[RealRecipe]:
    """Yield all recipes."""
    for n, (rw, block) in enumerate((("read", "4k"), ("randread", "4k"), ("randwrite", "4k"),
                                     ("randread", "16k"))):  # fmt: skip
        yield RealRecipe(f"real-depth-1-{n:02d}", "real-depth-1", ("latency",), _fio(rw, 1, block))
    yield RealRecipe(
        "real-dd-dsync-00", "real-dd-dsync", ("latency",),
        f"timeout {SECONDS} dd if=/dev/zero of={{dir}}/out bs=4k oflag=dsync",
    )  # fmt: skip
    for n, (rw, block) in enumerate((("read", "1m"), ("randread", "256k"), ("randread", "4k"),
                                     ("write", "1m"))):  # fmt: skip
        yield RealRecipe(
            f"real-depth-32-{n:02d}", "real-depth-32", ("device",), _fio(rw, 32, block, jobs=2)
        )
    loop = "{loop}"
    for n, mb in enumerate((2, 5, 10, 20, 40)):
        yield _throttled(n, mb, "read", _fio("randread", 16, "64k", loop))
        yield _throttled(n + 5, mb, "read", f"timeout {SECONDS} dd if={loop} of=/dev/null bs=1M "
                         "iflag=direct")  # fmt: skip
        yield _throttled(n, mb, "write", _fio("randwrite", 16, "64k", loop))
    for n, mb in enumerate((5, 20)):
        yield _throttled(n + 10, mb, "read", f"timeout {SECONDS} cat {loop} > /dev/null || true")
    for n, share in enumerate((0.2, 0.4, 0.6, 0.8)):
        limits = {"cpu": {"cpu.cfs_quota_us": str(round(share * 100_000))}}
        yield RealRecipe(
            f"real-quota-{n:02d}", "real-quota", ("cgroup",),
            f"timeout {SECONDS} {sys.executable} -c '{_SPIN}' & "
            f"timeout {SECONDS} {sys.executable} -c '{_SPIN}'; wait", limits,
        )  # fmt: skip
    for n, mb in enumerate((64, 128)):
        yield RealRecipe(
            f"real-memory-limit-{n:02d}", "real-memory-limit", ("memory", "cgroup", "device"),
            _fio("randread", 1, "64k", direct=0, jobs=4, more="--invalidate=1"),
            {"memory": {"memory.limit_in_bytes": str(mb << 20)}},
        )  # fmt: skip
    yield RealRecipe("real-sleep-00", "real-sleep", ("nothing on the hosts",), f"sleep {SECONDS}")
    spin = f"timeout {SECONDS} {sys.executable} -c '{_SPIN}'"
    all_cpus = f"{spin} & " * (2 * (os.cpu_count() or 1))
    yield RealRecipe("real-spin-00", "real-spin", ("one core",), spin)
    yield RealRecipe("real-all-cpus-00", "real-all-cpus", ("cpu",), f"{all_cpus} wait")
    for n, (command, cause) in enumerate(((spin, "cpu"), (f"sleep {SECONDS}", "not known"))):
        yield RealRecipe(
            f"real-neighbour-cpu-{n:02d}", "real-neighbour-cpu", (cause,), command,
            beside=f"{f'{sys.executable} -c {_SPIN!r} & ' * (2 * (os.cpu_count() or 1))} wait",
        )  # fmt: skip
    yield RealRecipe(
        "real-neighbour-disk-00", "real-neighbour-disk", ("device",), _fio("randread", 1, "64k"),
        beside=_fio("randread", 32, "256k", jobs=2),
    )  # fmt: skip


def busy_share(seconds: float) -> float:
    """Return the share of all CPU time that is used."""

    def read() -> list[int]:
        return [int(w) for w in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]

    before = read()
    time.sleep(seconds)
    grown = [b - a for a, b in zip(before, read())]
    return 1 - (grown[3] + grown[4]) / max(sum(grown), 1)


def quiet_share(patience_s: float) -> float:
    """Return the share of CPU time in use, once it is small or the patience is over."""
    ends = time.monotonic() + patience_s
    while (busy := busy_share(2.0)) > MOST_BUSY and time.monotonic() < ends:
        pass
    return busy


@contextmanager
def _storage() -> Iterator[tuple[Path, str, str]]:
    """Yield (a directory with a file, a loop device, its number)."""
    directory = Path(tempfile.mkdtemp(prefix="why-corpus-", dir="/var/tmp"))
    loop = ""
    try:
        for name, mb in (("data", _FILE_MB), ("image", _LOOP_MB)):
            subprocess.run(["dd", "if=/dev/urandom", f"of={directory / name}", "bs=1M",
                            f"count={mb}", "status=none"], check=True)  # fmt: skip
        loop = subprocess.run(
            ["losetup", "--direct-io=on", "--show", "-f", str(directory / "image")],
            check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip
        number = Path(f"/sys/block/{Path(loop).name}/dev").read_text().strip()
        yield directory, loop, number
    finally:
        if loop:
            subprocess.run(["losetup", "-d", loop], check=False)
        shutil.rmtree(directory)


@contextmanager
def _cgroups(recipe: RealRecipe, number: str) -> Iterator[str]:
    """Yield the shell words that put a job into its cgroups, which have its limits."""
    made = []
    words = ""
    try:
        for controller, files in recipe.limits.items():
            place = _CGROUPS / controller / f"why-corpus-{os.getpid()}"
            place.mkdir()
            made.append(place)
            for name, value in files.items():
                (place / name).write_text(value.format(dev=number))
            words += f"echo $$ > {place}/cgroup.procs; "
        yield words
    finally:
        for place in made:
            for _ in range(50):
                try:
                    place.rmdir()
                    break
                except OSError:  # a process is just ending
                    time.sleep(0.1)


@contextmanager
def _beside(command: str) -> Iterator[None]:
    """Let a command of the shell run meanwhile, in a process group that is ended afterwards."""
    if not command:
        yield
        return
    other = subprocess.Popen(["sh", "-c", command], start_new_session=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # fmt: skip
    time.sleep(1.0)
    try:
        yield
    finally:
        os.killpg(other.pid, signal.SIGKILL)
        other.wait()


def make_real(directory: Path, patience_s: float, only: str = "") -> None:
    """Make the recordings whose name matches ``only``, and their lines in the manifest.

    A recipe waits ``patience_s`` for the machine to be quiet; negative: it does not.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text()) if path.exists() else []
    with _storage() as (place, loop, number):
        for recipe in recipes():
            if not re.search(only, recipe.name):
                continue
            busy = _quiet(patience_s)
            if busy is None:
                print(f"{recipe.name}: left out, the machine is not quiet", file=sys.stderr)
                continue
            _record(directory / f"{recipe.name}.npz", recipe, place, loop, number)
            facts = {**recipe.facts, "kernel": os.uname().release, "cpus": os.cpu_count(),
                     "busy_before": round(busy, 3)}  # fmt: skip
            entry = {"file": f"{recipe.name}.npz", "recipe": recipe.family,
                     "causes": list(recipe.causes), "strength": recipe.strength, "held_out": False,
                     "made": "real", "facts": facts}  # fmt: skip
            manifest = [e for e in manifest if e["file"] != entry["file"]] + [entry]
            path.write_text(json.dumps(manifest, indent=1) + "\n")


def _quiet(patience_s: float) -> float | None:
    """Return the share of CPU time in use once it is small; None when it does not become so."""
    busy = quiet_share(patience_s)
    return busy if busy <= MOST_BUSY or patience_s < 0 else None


def _record(target: Path, recipe: RealRecipe, place: Path, loop: str, number: str) -> None:
    command = recipe.command.format(dir=place, loop=loop)
    for name in (place / "data", Path(loop)):  # cold
        with open(name, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    with (
        tempfile.TemporaryDirectory() as name,
        _cgroups(recipe, number) as words,
        _beside(recipe.beside.format(dir=place, loop=loop)),
    ):
        argv = [sys.executable, "-m", "mpi_collector", "collect", "--timeseries-interval",
                str(INTERVAL_S), "--sources", recipe.sources, "--results-dir", name, "--quiet",
                "--json", "never", "--report", "never", "--", "sh", "-c",
                words + command]  # fmt: skip
        root = str(Path(__file__).resolve().parents[2])
        subprocess.run(argv, env={**os.environ, "PYTHONPATH": root}, check=False,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # fmt: skip
        (made,) = Path(name).glob("**/*_timeseries.npz")
        shutil.copyfile(made, target)
    if target.stat().st_size > MOST_BYTES:
        print(f"{target.name}: {target.stat().st_size} bytes", file=sys.stderr)
