"""Directories on a file system that can be made to hang, to fail or to vanish (faultyfs.py)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bed import Bed, poll

_PROGRAM = Path(__file__).parent / "faultyfs.py"


class FaultyDirectory:
    """``path``: where it is mounted; ``base``: what is in it, seen without the file system."""

    def __init__(self, above: Path) -> None:
        self.path = above / "mounted"
        self.base = above / "base"
        self.path.mkdir()
        self.base.mkdir()
        self.control = above / "control"
        self.server = 0  #: machine's pid of the process that answers for it
        self.ok()

    def ok(self) -> None:
        """Answer as any file system does."""
        self._set("ok")

    def hang(self) -> None:
        """Answer nothing from now on."""
        self._set("hang")

    def fail(self, error: str, *operations: str) -> None:
        """Fail with ``error`` (ESTALE, ...), in requests of these names or in all."""
        self._set(" ".join(["fail", error, *operations]))

    def fail_once(self, error: str, *operations: str) -> None:
        """The same in the next request only."""
        self._set(" ".join(["once", error, *operations]))

    def kill(self) -> None:
        """kill -9 of what answers: every request fails with ENOTCONN."""
        os.kill(self.server, 9)

    def requests(self) -> list[tuple[float, str]]:
        """(UTC in s, name) of every request so far."""
        lines = Path(f"{self.control}.log").read_text().splitlines()
        return [(float(line.split()[0]), line.split()[1]) for line in lines]

    def _set(self, line: str) -> None:
        new = self.control.with_suffix(".new")
        new.write_text(line)
        new.rename(self.control)

    @property
    def words(self) -> list[str]:
        """The arguments of the program behind it."""
        return [str(_PROGRAM), str(self.path), str(self.base), str(self.control)]


def missing_for_fuse() -> str:
    """Why there can be no such directory here; "" when there can."""
    if os.getuid() != 0:
        return "mounting needs root"
    return "" if os.access("/dev/fuse", os.R_OK | os.W_OK) else "no /dev/fuse"


@contextmanager
def faulty_directory(above: Path | None = None) -> Iterator[FaultyDirectory]:
    """One on this machine. The test is skipped where that cannot be."""
    if why := missing_for_fuse():
        pytest.skip(why)
    found = FaultyDirectory(Path(tempfile.mkdtemp(dir=above)))
    server = subprocess.Popen([sys.executable, *found.words], stdout=subprocess.PIPE)
    found.server = server.pid
    try:
        assert server.stdout is not None
        if server.stdout.readline() != b"ready\n":
            pytest.skip("no FUSE file system can be mounted")
        yield found
    finally:
        found.ok()
        time.sleep(0.1)  # what hangs goes on
        subprocess.run(["umount", "-l", found.path], check=False, capture_output=True)
        server.kill()
        server.wait(10)


@contextmanager
def faulty_directory_on(bed: Bed, host: int, python: str) -> Iterator[FaultyDirectory]:
    """One that a fake host (0: the launch side) sees."""
    if why := missing_for_fuse():
        pytest.skip(why)
    found = FaultyDirectory(bed.directory("faulty"))
    server = bed.start(host, [python, *found.words])
    try:
        poll("its start", 10, lambda: server.out or server.process.poll() is not None)
        if server.out != b"ready\n":
            pytest.skip(f"no FUSE file system can be mounted: {server.err}")
        found.server = next(p.pid for p in bed.processes(host) if str(_PROGRAM) in p.words)
        yield found
    finally:
        found.ok()
        time.sleep(0.1)
        if host:
            bed.run(host, ["umount", "-l", str(found.path)])
        else:
            subprocess.run(["umount", "-l", found.path], check=False, capture_output=True)
        server.kill()
