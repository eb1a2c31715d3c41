"""/proc/self/mountstats: NFS mounts of this mount namespace (net/sunrpc/stats.c, fs/nfs/super.c; statvers 1.0 and 1.1)."""

import os
import re

from ..row.layout import Field
from .base import Source, is_number, scan_cells

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: operations that have columns of their own; the others are summed as OTHER
_OPS = (b"READ", b"WRITE", b"COMMIT", b"GETATTR", b"LOOKUP", b"ACCESS", b"OPEN", b"CREATE", b"REMOVE", b"SETATTR", b"READDIR",
        b"OTHER")  # fmt: skip
_SAME = {b"READDIRPLUS": b"READDIR", b"OPEN_NOATTR": b"OPEN", b"READ_PLUS": b"READ"}
#: words of a per-op line: operations, transmissions, timeouts, bytes sent, bytes received, queue, rtt, execute (ms), errors
_OP = ((0, b"ops", "operations", "operations done"), (1, b"transmissions", "requests", "requests sent, again or not"),
       (2, b"timeouts", "timeouts", "requests that timed out"), (3, b"sent_bytes", "bytes", "bytes sent"),
       (4, b"received_bytes", "bytes", "bytes received"), (5, b"queue_ms", "ms", "time requests waited to be sent"),
       (6, b"rtt_ms", "ms", "time until the answer"), (7, b"execute_ms", "ms", "time from request to completion"),
       (8, b"errors", "operations", "operations that failed (Linux 5.3)"))  # fmt: skip
_BYTES = (b"normal_read_bytes", b"normal_write_bytes", b"direct_read_bytes", b"direct_write_bytes", b"server_read_bytes",
          b"server_write_bytes", b"read_pages", b"write_pages")  # fmt: skip
_BYTES_DOC = (
    "read by read()",
    "written by write()",
    "read with O_DIRECT",
    "written with O_DIRECT",
    "read from the server",
    "written to the server",
    "read by readpage(s)",
    "written by writepage(s)",
)
_XPRT = {
    b"tcp": (7, 8, 9),
    b"rdma": (7, 8, 9),
    b"udp": (4, 5, 6),
}  #: where sends, receives and bad transaction ids are
_XPRT_NAMES = (b"xprt_sends", b"xprt_receives", b"xprt_bad_xids")
_CHUNK = 1 << 18
_ESCAPED = re.compile(rb"[\s@]")


def _escape(name: bytes) -> bytes:
    """A mount point without blanks; mountinfo's octal escapes stay."""
    return _ESCAPED.sub(lambda m: b"\\%03o" % ord(m.group()), name)


def _fields() -> tuple:
    out = []
    for name, doc in zip(_BYTES, _BYTES_DOC):
        unit = "pages" if name.endswith(b"pages") else "bytes"
        out.append(Field(name.decode(), unit, "counter", "%s %s" % (unit, doc)))
    for op in (o.decode() for o in _OPS):
        out += [
            Field("%s_%s" % (op, name.decode()), unit, "counter", "%s: %s" % (op, doc))
            for _at, name, unit, doc in _OP
        ]
    for name in _XPRT_NAMES:
        doc = "%s of its connections, which mounts of one server may share" % name.decode()[
            5:
        ].replace("_", " ")
        out.append(Field(name.decode(), "requests", "counter", doc))
    return tuple(out)


class Nfs(Source):
    """A device is a mount point; all its connections (nconnect) are summed. A file system in several places counts once."""

    name = "nfs"
    order = 11
    kernel_file = "/proc/self/mountstats"
    doc = "NFS client: bytes, operations, retransmits, queue, round trip and execution time of every mount"
    makes_its_text = True
    may_be_empty = True
    since = "2.6.17"
    budget_us = 20000
    fields = _fields()

    def reader(self, root: str) -> "Any":
        return _Reader(root)

    def prepare(self, raw: bytes) -> bytes:
        """What is known of every NFS mount, a line per value."""
        out: list = []
        for block in _blocks(raw):
            if _is_nfs(block):
                place = _escape(_place(block))
                out += [
                    b"%s %s %d" % (place, name, value)
                    for name, value in sorted(_mount(block.split(b"\n")[1:]).items())
                ]
        return b"\n".join(out)

    def scan(self, text: bytes) -> tuple:
        roles: list = []
        problems: list = []
        scan_cells(text.split(b"\n"), roles, problems)
        return roles, problems


def _blocks(raw: bytes) -> list:
    """What is behind ``device `` of every mount."""
    return (b"\n" + raw).split(b"\ndevice ")[1:]


def _is_nfs(block: bytes) -> bool:
    words = block.partition(b"\n")[0].split(
        b" "
    )  # SERVER:/PATH mounted on PLACE with fstype nfs4 statvers=1.1
    return len(words) > 6 and words[6] in (b"nfs", b"nfs4")


def _place(block: bytes) -> bytes:
    return block.split(b" ", 4)[3]


class _Reader:
    """The NFS mounts of mountstats, each file system once.

    A bind mount, or another mount that shares its file system, shows the very same counters again. The kernel's number of the
    file system tells (major:minor in mountinfo), which is read when the mounts have changed.
    """

    def __init__(self, root: str) -> None:
        self._fd = os.open(os.path.join(root, "proc/self/mountstats"), os.O_RDONLY | os.O_CLOEXEC)
        self._mountinfo = os.path.join(root, "proc/self/mountinfo")
        self._heads: list = []
        self._repeated: set = set()

    def read(self) -> bytes:
        chunks: list = []
        at = 0
        while not chunks or chunks[-1]:
            chunks.append(os.pread(self._fd, _CHUNK, at))
            at += len(chunks[-1])
        raw = b"".join(chunks)
        if b" with fstype nfs" not in raw:
            return b""
        # one that hides another of the same place keeps its name alone
        blocks = list({_place(block): block for block in _blocks(raw) if _is_nfs(block)}.values())
        heads = [block.partition(b"\n")[0] for block in blocks]
        if heads != self._heads:
            self._heads, self._repeated = heads, self._look([_place(block) for block in blocks])
        return b"".join(
            [b"device %s\n" % block for n, block in enumerate(blocks) if n not in self._repeated]
        )

    def _look(self, places: list) -> set:
        """Which of the mounts repeat one before them."""
        numbers: dict = {}
        try:
            with open(self._mountinfo, "rb") as f:
                for line in f.read().split(b"\n"):
                    words = line.split(b" ", 5)  # ID PARENT MAJOR:MINOR ROOT PLACE ...
                    if len(words) > 5:
                        numbers[words[4]] = words[2]
        except OSError:  # then all of them count
            pass
        seen: set = set()
        out: set = set()
        for n, place in enumerate(places):
            number = numbers.get(place)
            if number in seen:
                out.add(n)
            elif number:
                seen.add(number)
        return out

    def close(self) -> None:
        os.close(self._fd)


def _mount(lines: list) -> dict:
    out: dict = {}
    in_ops = False
    for line in lines:
        words = line.split()
        line = line.strip()
        if line.startswith(b"bytes:"):
            out.update((n, int(w)) for n, w in zip(_BYTES, words[1:]) if is_number(w))
        elif line.startswith(b"xprt:") and len(words) > 1:
            for name, at in zip(_XPRT_NAMES, _XPRT.get(words[1], ())):
                if at < len(words) and is_number(words[at]):
                    out[name] = out.get(name, 0) + int(words[at])
        elif line.startswith(b"per-op statistics"):
            in_ops = True
        elif in_ops and words and words[0].endswith(b":"):
            op = _SAME.get(words[0][:-1], words[0][:-1])
            op = op if op in _OPS else b"OTHER"
            for at, name, _unit, _doc in _OP:
                if at + 1 < len(words) and is_number(words[at + 1]):
                    key = op + b"_" + name
                    out[key] = out.get(key, 0) + int(words[at + 1])
    return out
