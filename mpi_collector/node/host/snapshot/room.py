"""Room on the file systems of directories, asked by a process of its own.

statvfs(2) of a file system that has gone wrong may not return, and a process with a thread in it
cannot end, not even by SIGKILL. The process that asks can be left behind.
"""

import os
import subprocess
import sys

from ...compat import mono_ns, readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Sequence, Tuple

    #: (sizes, None) or (None, why there are none)
    Room = Tuple[Optional[Dict[str, int]], Optional[str]]

#: prints a line for each argument: five numbers, or an error
_PROGRAM = """
import os, sys
for path in sys.argv[1:]:
    try:
        r = os.statvfs(path)
        line = "%d %d %d %d %d" % (r.f_blocks, r.f_bavail, r.f_frsize, r.f_files, r.f_ffree)
    except OSError as e:
        line = "error " + (e.strerror or str(e))
    print(line, flush=True)
"""
_READ_BYTES = 1 << 16
_START_S = 3.0  #: for the process to start, in addition


def room_on(paths: "Sequence[str]", timeout_s: float) -> "List[Room]":
    """Return size_bytes, free_bytes, inodes, inodes_free of the file system of each of ``paths``.

    A file system that does not answer within ``timeout_s`` is skipped.
    """
    found: "List[Room]" = []
    while len(found) < len(paths):
        try:
            found += _ask(paths[len(found) :], timeout_s)
        except OSError as e:
            return found + [(None, "not asked: %s" % e.strerror)] * (len(paths) - len(found))
    return found


def _ask(paths: "Sequence[str]", timeout_s: float) -> "List[Room]":
    """Return the room on the first of ``paths``, up to the first that does not answer."""
    # without site-packages and the user's settings: it starts faster
    words = [sys.executable, "-I", "-S", "-c", _PROGRAM]
    process = subprocess.Popen(
        words + list(paths),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdout is not None
    fd = process.stdout.fileno()
    lines: "List[str]" = []
    text = b""
    limit_ns = int((timeout_s + _START_S) * 1e9)
    deadline = mono_ns() + limit_ns
    while len(lines) < len(paths):
        left_s = (deadline - mono_ns()) * 1e-9
        data = os.read(fd, _READ_BYTES) if left_s > 0 and readable((fd,), left_s) else b""
        if not data:
            break
        text += data
        if b"\n" in data:
            deadline = mono_ns() + int(timeout_s * 1e9)
        lines = text.decode("utf-8", "replace").split("\n")[:-1]
    process.stdout.close()
    _leave(process)
    found = [_parsed(line) for line in lines]
    return found if len(found) == len(paths) else [*found, (None, "does not answer")]


def _parsed(line: str) -> "Room":
    word, _, rest = line.partition(" ")
    if word == "error":
        return None, rest
    blocks, free, size, inodes, inodes_free = map(int, line.split())
    return {
        "size_bytes": blocks * size,
        "free_bytes": free * size,
        "inodes": inodes,
        "inodes_free": inodes_free,
    }, None


def _leave(process: "subprocess.Popen[bytes]") -> None:
    """End the process, which may hang in the kernel: nobody waits for it."""
    try:
        process.kill()
        process.wait(0.2)
    except subprocess.TimeoutExpired:
        process.returncode = -9  # as far as anybody here will know
    except OSError:
        pass
