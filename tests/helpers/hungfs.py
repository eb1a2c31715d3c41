"""A file system (FUSE, without a library) with one Lustre client's statistics whose reading hangs or fails when a file says so.

hungfs.py MOUNTPOINT CONTROL         CONTROL holds "ok", "hang" or "fail"; prints "ready"
hungfs.py MOUNTPOINT CONTROL TEXT    MOUNTPOINT is a file, and shows what TEXT holds; "hang": every request does, stat(2) included
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
import time
from pathlib import Path

PATH = [
    "lustre",
    "llite",
    "lfs-0",
    "stats",
]  #: node 1 is the root, node k + 1 what PATH[k - 1] names; the last one is the file
LOOKUP, FORGET, GETATTR, OPEN, READ, RELEASE, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, INTERRUPT, BATCH_FORGET = (
    1, 2, 3, 14, 15, 18, 25, 26, 27, 28, 29, 36, 42)  # fmt: skip
_HEAD = struct.Struct("<IIQQIIII")  #: length, opcode, unique, node, uid, gid, pid, padding


def attributes(node: int) -> bytes:
    """struct fuse_attr."""
    leaf = node > len(PATH)
    mode = 0o100444 if leaf else 0o040555
    return struct.pack("<6Q10I", node, 0, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def entries(node: int, offset: int) -> bytes:
    """A directory's only name, once."""
    if offset or node > len(PATH):
        return b""
    name = PATH[node - 1].encode()
    entry = struct.pack("<QQII", node + 1, 1, len(name), 8 if node == len(PATH) else 4) + name
    return entry + bytes(-len(entry) % 8)


class Server:
    def __init__(self, fd: int, control: Path, text: bytes | None = None) -> None:
        self._fd, self._control, self._text, self._reads = fd, control, text, 0

    def serve(self) -> None:
        while True:
            try:
                request = os.read(self._fd, 1 << 17)
            except OSError as e:
                if e.errno in (errno.ENODEV, errno.EINVAL):  # unmounted
                    return
                continue
            _size, opcode, unique, node, *_ = _HEAD.unpack_from(request)
            answer = self._answer(opcode, node, request[_HEAD.size :])
            if answer is not None:
                number, body = (answer, b"") if isinstance(answer, int) else (0, answer)
                try:
                    os.write(self._fd, struct.pack("<IiQ", 16 + len(body), -number, unique) + body)
                except OSError:  # who asked has gone
                    pass

    def _answer(self, opcode: int, node: int, body: bytes) -> bytes | int | None:
        if opcode == INIT:
            return struct.pack("<IIIIHHIIHHI7I", 7, 23, 4096, 0, 8, 6, 4096, 1, 0, 0, 0, *[0] * 7)[
                :24
            ]
        if self._text is not None and opcode in (GETATTR, OPEN, FLUSH):
            self._hang()
        if opcode == LOOKUP:
            known = node <= len(PATH) and body.rstrip(b"\0").decode() == PATH[node - 1]
            return (
                struct.pack("<QQQQII", node + 1, 0, 60, 60, 0, 0) + attributes(node + 1)
                if known
                else errno.ENOENT
            )
        if opcode == GETATTR:
            return struct.pack("<QII", 0 if self._text else 60, 0, 0) + attributes(node)
        if opcode in (OPEN, OPENDIR):
            return struct.pack("<QII", 0, 1, 0)  # FOPEN_DIRECT_IO
        if opcode == READDIR:
            return entries(node, struct.unpack_from("<QQ", body)[1])
        if opcode == READ:
            return self._read(struct.unpack_from("<QQ", body)[1])
        if opcode in (RELEASE, RELEASEDIR, FLUSH):
            return b""
        return None if opcode in (FORGET, BATCH_FORGET, INTERRUPT) else errno.ENOSYS

    def _hang(self) -> str:
        """Wait until no request is to hang any more; what is to happen then."""
        while (state := self._control.read_text()) == "hang":
            time.sleep(0.02)
        return state

    def _read(self, offset: int) -> bytes | int:
        if self._hang() == "fail":
            return errno.EIO
        if self._text is not None:
            return self._text[offset:]
        if not offset:
            self._reads += 1
        text = f"snapshot_time 1.0 secs.nsecs\nread_bytes {self._reads} samples [bytes] 1 4096 {4096 * self._reads}\n"
        return text.encode()[offset:]


def main() -> None:
    place, control, *text = sys.argv[1:]
    if text:
        PATH.clear()
    fd = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    mode = "100000" if text else "40000"
    options = f"fd={fd},rootmode={mode},user_id=0,group_id=0,allow_other".encode()
    if libc.mount(b"hungfs", place.encode(), b"fuse", 6, options):  # MS_NOSUID | MS_NODEV
        sys.exit(f"cannot mount: {os.strerror(ctypes.get_errno())}")
    print("ready", flush=True)
    Server(fd, Path(control), Path(text[0]).read_bytes() if text else None).serve()


if __name__ == "__main__":
    main()
