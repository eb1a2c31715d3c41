"""A file system (FUSE, without a library) that shows a directory, until a file says what is to go wrong.

faultyfs.py MOUNTPOINT DIRECTORY CONTROL      prints "ready"

CONTROL holds a line:
    ok
    hang                    no request is answered until the line is another one
    fail ERROR [OP ...]     requests (only those named: LOOKUP, GETATTR, WRITE, ...) fail with ERROR, as in "fail ESTALE GETATTR"
    once ERROR [OP ...]     the next such request fails, once
CONTROL.log gets a line for every request: time (UTC, s), name, path.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

_NAMES = {
    1: "LOOKUP", 2: "FORGET", 3: "GETATTR", 4: "SETATTR", 9: "MKDIR", 10: "UNLINK", 11: "RMDIR", 12: "RENAME", 13: "LINK",
    14: "OPEN", 15: "READ", 16: "WRITE", 17: "STATFS", 18: "RELEASE", 20: "FSYNC", 25: "FLUSH", 26: "INIT", 27: "OPENDIR",
    28: "READDIR", 29: "RELEASEDIR", 30: "FSYNCDIR", 35: "CREATE", 36: "INTERRUPT", 42: "BATCH_FORGET", 45: "RENAME2",
}  # fmt: skip
_UNANSWERED = ("FORGET", "BATCH_FORGET", "INTERRUPT")
_NEVER_FAIL = ("INIT", "RELEASE", "RELEASEDIR", *_UNANSWERED)
_HEAD = struct.Struct("<IIQQIIII")  #: length, opcode, unique, node, uid, gid, pid, padding
_MAX_WRITE = 1 << 17


def _attributes(node: int, info: os.stat_result) -> bytes:
    """struct fuse_attr."""
    times = [int(t) for t in (info.st_atime, info.st_mtime, info.st_ctime)]
    parts = [t % 10**9 for t in (info.st_atime_ns, info.st_mtime_ns, info.st_ctime_ns)]
    return struct.pack(
        "<6Q10I", node, info.st_size, info.st_blocks, *times, *parts, info.st_mode, info.st_nlink, info.st_uid, info.st_gid,
        0, 4096, 0,
    )  # fmt: skip


def _words(body: bytes) -> list[str]:
    return [os.fsdecode(w) for w in body.split(b"\0")[:-1]]


class Server:
    def __init__(self, fd: int, base: str, control: Path) -> None:
        self._fd = fd
        self._control = control
        self._line = "ok"
        self._paths = {1: base}
        self._nodes = {base: 1}
        self._files: dict[int, int] = {}  # node -> a descriptor
        self._log = open(f"{control}.log", "a", buffering=1)  # noqa: SIM115
        self._do: dict[str, Callable[[int, bytes], bytes]] = {
            "INIT": lambda node, body: struct.pack("<IIIIHHI", 7, 23, 4096, 0, 8, 6, _MAX_WRITE),
            "LOOKUP": lambda node, body: self._entry(self._child(node, _words(body)[0])),
            "GETATTR": lambda node, body: self._attr(node),
            "SETATTR": self._setattr,
            "MKDIR": self._mkdir,
            "UNLINK": lambda node, body: self._void(os.unlink, self._child(node, _words(body)[0])),
            "RMDIR": lambda node, body: self._void(os.rmdir, self._child(node, _words(body)[0])),
            "RENAME": lambda node, body: self._rename(node, body, 8),
            "RENAME2": lambda node, body: self._rename(node, body, 16),
            "LINK": self._link,
            "OPEN": self._open,
            "CREATE": self._create,
            "READ": self._read,
            "WRITE": self._write,
            "STATFS": self._statfs,
            "RELEASE": lambda node, body: self._void(os.close, struct.unpack_from("<Q", body)[0]),
            "FSYNC": lambda node, body: self._void(os.fsync, struct.unpack_from("<Q", body)[0]),
            "FLUSH": lambda node, body: b"",
            "OPENDIR": lambda node, body: struct.pack("<QII", 0, 0, 0),
            "READDIR": self._readdir,
            "RELEASEDIR": lambda node, body: b"",
            "FSYNCDIR": lambda node, body: b"",
        }

    def serve(self) -> None:
        while True:
            try:
                request = os.read(self._fd, _MAX_WRITE + 4096)
            except OSError as e:
                if e.errno in (errno.ENODEV, errno.EINVAL):  # unmounted
                    return
                continue
            _size, opcode, unique, node, *_ = _HEAD.unpack_from(request)
            name = _NAMES.get(opcode, str(opcode))
            number, body = self._answer(name, node, request[_HEAD.size :])
            if name not in _UNANSWERED:
                try:
                    os.write(self._fd, struct.pack("<IiQ", 16 + len(body), -number, unique) + body)
                except OSError:  # who asked has gone
                    pass

    def _answer(self, name: str, node: int, body: bytes) -> tuple[int, bytes]:
        """(errno, answer)."""
        if name not in _UNANSWERED:
            self._log.write(f"{time.time():.3f} {name} {self._paths.get(node, '')}\n")
        if name not in _NEVER_FAIL and (number := self._fault(name)):
            return number, b""
        if name not in self._do:
            return errno.ENOSYS, b""
        try:
            return 0, self._do[name](node, body)
        except OSError as e:
            return e.errno or errno.EIO, b""

    def _fault(self, name: str) -> int:
        """The error with which a request fails; 0: it does not. Waits while nothing is answered."""
        while (line := self._control.read_text().strip() or self._line) == "hang":
            time.sleep(0.02)
        self._line = line
        what, *more = line.split()
        if what == "ok" or (more[1:] and name not in more[1:]):
            return 0
        if what == "once":
            self._control.write_text("ok")
        return int(getattr(errno, more[0]))

    # ---- nodes
    def _child(self, node: int, name: str) -> str:
        return os.path.join(self._paths[node], name)

    def _node(self, path: str) -> int:
        if path not in self._nodes:
            self._nodes[path] = max(self._paths) + 1
            self._paths[self._nodes[path]] = path
        return self._nodes[path]

    def _stat(self, node: int) -> os.stat_result:
        try:
            return os.lstat(self._paths[node])
        except FileNotFoundError:
            if node not in self._files:
                raise
            return os.fstat(self._files[node])

    def _entry(self, path: str) -> bytes:
        """struct fuse_entry_out, valid for no time: every look arrives here."""
        info = os.lstat(path)
        node = self._node(path)
        return struct.pack("<QQQQII", node, 0, 0, 0, 0, 0) + _attributes(node, info)

    def _attr(self, node: int) -> bytes:
        return struct.pack("<QII", 0, 0, 0) + _attributes(node, self._stat(node))

    def _void(self, function: Callable[..., object], *arguments: object) -> bytes:
        function(*arguments)
        for argument in arguments:
            if isinstance(argument, str):
                self._nodes.pop(argument, None)  # a new file of this name is another node
        return b""

    # ---- requests
    def _setattr(self, node: int, body: bytes) -> bytes:
        valid, _, fh, size = struct.unpack_from("<IIQQ", body)
        if valid & 8:
            os.truncate(fh if valid & 64 else self._paths[node], size)
        return self._attr(node)

    def _mkdir(self, node: int, body: bytes) -> bytes:
        path = self._child(node, _words(body[8:])[0])
        os.mkdir(path)
        return self._entry(path)

    def _rename(self, node: int, body: bytes, at: int) -> bytes:
        old, new = _words(body[at:])
        into = self._child(struct.unpack_from("<Q", body)[0], new)
        return self._void(os.rename, self._child(node, old), into)

    def _link(self, node: int, body: bytes) -> bytes:
        path = self._child(node, _words(body[8:])[0])
        os.link(self._paths[struct.unpack_from("<Q", body)[0]], path)
        return self._entry(path)

    def _open(self, node: int, body: bytes) -> bytes:
        flags = struct.unpack_from("<I", body)[0]
        fd = self._files[node] = os.open(self._paths[node], flags & ~os.O_NOFOLLOW)
        return struct.pack("<QII", fd, 0, 0)

    def _create(self, node: int, body: bytes) -> bytes:
        flags, mode = struct.unpack_from("<II", body)
        path = self._child(node, _words(body[16:])[0])
        fd = os.open(path, flags, mode)
        entry = self._entry(path)
        self._files[self._nodes[path]] = fd
        return entry + struct.pack("<QII", fd, 0, 0)

    def _read(self, node: int, body: bytes) -> bytes:
        fh, offset, size = struct.unpack_from("<QQI", body)
        return os.pread(fh, size, offset)

    def _write(self, node: int, body: bytes) -> bytes:
        fh, offset, size = struct.unpack_from("<QQI", body)
        return struct.pack("<II", os.pwrite(fh, body[40 : 40 + size], offset), 0)

    def _statfs(self, node: int, body: bytes) -> bytes:
        s = os.statvfs(self._paths[1])
        return struct.pack(
            "<5Q4I24x", s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree, s.f_bsize, 255, s.f_frsize, 0
        )  # fmt: skip

    def _readdir(self, node: int, body: bytes) -> bytes:
        _fh, offset, size = struct.unpack_from("<QQI", body)
        out = b""
        for n, name in enumerate(sorted(os.listdir(self._paths[node]))[offset:], offset + 1):
            data = os.fsencode(name)
            entry = struct.pack("<QQII", 1 << 32, n, len(data), 0) + data
            entry += bytes(-len(entry) % 8)
            if len(out) + len(entry) > size:
                break
            out += entry
        return out


def main() -> None:
    place, base, control = sys.argv[1:]
    fd = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    if libc.mount(b"faultyfs", place.encode(), b"fuse", 6, options):  # MS_NOSUID | MS_NODEV
        sys.exit(f"cannot mount: {os.strerror(ctypes.get_errno())}")
    print("ready", flush=True)
    Server(fd, base, Path(control)).serve()


if __name__ == "__main__":
    main()
