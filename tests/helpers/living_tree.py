"""A machine made of files that change between two samples, recorded by the whole program.

``record`` writes the first state of a tree, runs ``collect`` below it (``MPI_COLLECTOR_ROOT``), and
writes the next state whenever a sample was taken: real sampling, files and ``summary --json``, and
every row of the recording is one of the states in order, however busy the machine is. On a busy one
the first state may last for several rows.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLOCK = "proc/diskstats"  #: the file whose reading shows that a sample is taken
_IN_ACCESS = 1
_IN_MODIFY = 2
_EVENT = struct.Struct("iIII")
_SETTLED_S = 0.01  #: no file was read for so long: the sample is complete
_GIVE_UP_S = 60.0


@dataclass(frozen=True)
class Link:
    """A symbolic link to ``target``."""

    target: str


def plant(root: Path, state: Mapping[str, Any]) -> None:
    """Make the files of ``state`` below ``root`` what they are in it; others stay.

    A file is written in place, with one call: whoever holds it open reads the old or the new text.
    """
    for path, content in state.items():
        at = root / path
        if content is None:
            at.unlink(missing_ok=True)
            continue
        at.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Link):
            at.unlink(missing_ok=True)
            at.symlink_to(content.target)
            continue
        text = content.encode("utf-8", "surrogateescape")
        fd = os.open(at, os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(fd, text, 0)
        os.ftruncate(fd, len(text))
        os.close(fd)


# ---- recording
@dataclass
class Recorded:
    """A recording of a living tree. ``summary``: what ``summary --json`` prints of it."""

    path: Path
    summary: dict[str, Any]
    messages: str  #: what ``collect`` printed

    @property
    def host(self) -> dict[str, Any]:
        """The summary of the one host."""
        (host,) = self.summary["hosts"].values()
        return dict(host)

    @property
    def devices(self) -> dict[tuple[str, str], dict[str, Any]]:
        """{(kind, name): entry} of the key ``devices`` of the summary."""
        return {(d["kind"], d["name"]): d for d in self.summary["devices"]}

    def mean(self, figure: str) -> float | None:
        """The mean of a figure, None where it is unknown or not there."""
        return self._of_cluster(figure, "mean")

    def peak(self, figure: str) -> float | None:
        return self._of_cluster(figure, "peak")

    def _of_cluster(self, figure: str, which: str) -> float | None:
        found: float | None = self.summary["cluster"].get(figure, {}).get(which)
        return found

    def moved(self, figure: str) -> float:
        """The growth that the mean of a rate stands for: mean x duration of the recording."""
        mean = self.mean(figure)
        assert mean is not None, f"{figure} is not known"
        return mean * float(self.summary["span_s"])


def record(
    directory: Path,
    states: Sequence[Mapping[str, Any]],
    *,
    sources: str = "diskstats,netdev",
    interval_s: float = 0.1,
    clock: str = CLOCK,
    last_at_stop: bool = False,
    words: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Recorded:
    """Record a tree that is in the next of ``states`` at each tick.

    States after the first hold what changes. ``last_at_stop``: no tick but the stop row sees the
    last state; otherwise both see it. ``words``: more options of ``collect``. ``clock``: a file
    that a source of ``sources`` reads at every tick.
    """
    root = directory / "tree"
    plant(root, states[0])
    results = directory / "results"
    go, done = directory / "go", directory / "done"
    os.mkfifo(go)
    os.mkfifo(done)
    command = ["collect", "--sources", sources, "--timeseries-interval", str(interval_s)]
    command += ["--results-dir", str(results), "--json", "never", "--report", "never", *words, "--"]
    command += ["/bin/sh", "-c", f"echo > '{go}'; read -r _ < '{done}'"]
    tree = os.fork()
    if not tree:
        _become(
            lambda: _live(root, clock, states[1:], (go, done), last_at_stop),
            directory / "tree.txt",
            {},
        )
    code = 99
    try:
        code, said = run_cli(
            command, directory / "collect.txt", {"MPI_COLLECTOR_ROOT": str(root), **(environ or {})}
        )
    finally:
        if code:
            os.kill(tree, signal.SIGKILL)  # COMMAND may never have been started
        _, status = os.waitpid(tree, 0)
    assert code == 0, said
    assert status == 0, (directory / "tree.txt").read_text()
    (path,) = results.glob("*_timeseries.npz")
    return Recorded(path, summary_of(path, directory), said)


def summary_of(path: Path, directory: Path) -> dict[str, Any]:
    """What ``summary --json`` prints of a recording."""
    code, said = run_cli(["summary", str(path), "--json"], directory / "summary.json", {})
    assert code == 0, said
    return dict(json.loads(said))


def run_cli(words: Sequence[str], output: Path, environ: Mapping[str, str]) -> tuple[int, str]:
    """Run ``mpi_collector WORDS`` in a child of this process; return its exit code and output."""
    from mpi_collector.cli.main import main

    pid = os.fork()
    if not pid:
        _become(lambda: main(list(words)), output, environ)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), output.read_text()


def _become(program: Callable[[], int], output: Path, environ: Mapping[str, str]) -> None:
    """Run ``program`` as this process, and end it."""
    code = 99
    try:
        fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        sys.stdin = open(os.devnull, encoding="ascii")  # noqa: SIM115 - as long as the process
        os.environ.update(environ)
        code = program()
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else 98
        if isinstance(e.code, str):
            print(e.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - shown by the test, from the output
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


# ---- the tree
class Readings:
    """The readings of files, by whatever process (inotify(7))."""

    def __init__(self, clock: Path, *others: Path) -> None:
        self._clock = clock
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_CLOEXEC)
        mask = _IN_ACCESS | _IN_MODIFY
        watched = [
            libc.inotify_add_watch(self._fd, os.fsencode(path), mask) for path in (clock, *others)
        ]
        assert self._fd >= 0 and -1 not in watched, os.strerror(ctypes.get_errno())
        self._of_clock = watched[0]

    def wait(self) -> None:
        """Return when the clock was read since it was written, and then no file for a moment."""
        deadline = time.monotonic() + _GIVE_UP_S
        read = False
        while not read:
            for mask in self._events(_GIVE_UP_S):
                read = bool(mask & _IN_ACCESS)
            if time.monotonic() > deadline:
                raise SystemExit(f"{self._clock} was not read for {_GIVE_UP_S:g} s")
        self.settle()

    def settle(self) -> None:
        """Return when no file was read for a moment."""
        while select.select([self._fd], [], [], _SETTLED_S)[0]:
            self._events(0)

    def _events(self, timeout_s: float) -> list[int]:
        """Return what was done to the clock, in order."""
        if not select.select([self._fd], [], [], timeout_s)[0]:
            return []
        data = os.read(self._fd, 65536)
        found = []
        at = 0
        while at < len(data):
            watch, mask, _cookie, length = _EVENT.unpack_from(data, at)
            if watch == self._of_clock:
                found.append(mask)
            at += _EVENT.size + length
        return found


def _live(
    root: Path,
    clock: str,
    states: Sequence[Mapping[str, Any]],
    fifos: tuple[Path, Path],
    last_at_stop: bool,
) -> int:
    """Write a state after each sample. ``fifos``: of COMMAND's begin and end."""
    changing = {root / path for state in states for path in state if (root / path).is_file()}
    readings = Readings(root / clock, *(changing - {root / clock}))
    go, done = fifos
    go.read_text()
    try:
        readings.settle()
        for n, state in enumerate(states):
            if n:
                readings.wait()
            # the clock is written last, and always: readings before it are those of the old state
            plant(root, {p: c for p, c in state.items() if p != clock})
            plant(root, {clock: state.get(clock) or (root / clock).read_text()})
        if not last_at_stop:
            readings.wait()
    finally:
        done.write_text("\n")  # also where this fails: COMMAND waits for it
    return 0


# ---- kernel texts
_DISK = ("reads_completed", "reads_merged", "sectors_read", "time_reading_ms")
_DISK += ("writes_completed", "writes_merged", "sectors_written", "time_writing_ms")
_DISK += ("ios_in_progress", "time_doing_ios_ms", "weighted_time_doing_ios_ms")
_HEAD = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
"""


def diskstats(devices: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    """/proc/diskstats with these values by device, 0 where none is given."""
    lines = [
        f"{8 + n:4d} {0:7d} {name} {' '.join(str(values.get(k, 0)) for k in _DISK)}\n"
        for n, (name, values) in enumerate(devices.items())
    ]
    return {"proc/diskstats": "".join(lines)}


def netdev(interfaces: Mapping[str, tuple[int, int]]) -> dict[str, str]:
    """/proc/net/dev with these bytes received and sent by interface."""
    lines = [
        f"{name:>6}: {rx:7d} {rx // 1000} 0 0 0 0 0 0 {tx:8d} {tx // 1000} 0 0 0 0 0 0\n"
        for name, (rx, tx) in interfaces.items()
    ]
    return {"proc/net/dev": _HEAD + "".join(lines)}


def disk_sysfs(name: str, *, device: bool = True) -> dict[str, Any]:
    """The directory of a disk in /sys/block; ``device``: of a driver, not made by software."""
    files: dict[str, Any] = {f"sys/block/{name}/size": "2097152\n"}
    if device:
        files[f"sys/block/{name}/device/vendor"] = "x\n"
    return files


def net_sysfs(
    name: str, *, device: bool = True, devtype: str = "", index: int = 2, iflink: int | None = None
) -> dict[str, Any]:
    """The directory of an interface in /sys/class/net."""
    at = f"sys/class/net/{name}"
    files: dict[str, Any] = {
        f"{at}/type": "772\n" if name == "lo" else "1\n",
        f"{at}/ifindex": f"{index}\n",
        f"{at}/iflink": f"{index if iflink is None else iflink}\n",
        f"{at}/uevent": (f"DEVTYPE={devtype}\n" if devtype else "") + f"INTERFACE={name}\n",
        f"{at}/operstate": "up\n",
    }
    if device:
        files[f"{at}/device/vendor"] = "0x15b3\n"
    return files
