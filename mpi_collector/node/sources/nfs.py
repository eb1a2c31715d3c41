"""/proc/self/mountstats: NFS mounts of this mount namespace (net/sunrpc/stats.c, fs/nfs/super.c).

Versions 1.0 and 1.1 of the statistics. The columns are those that nfsiostat(8) shows.
"""

import os
import re
import select

from ..read.kernel_file import WholeFile, open_or_none, read_whole
from ..read.reader import Reader
from ..row.layout import Field
from ..row.scan import is_number
from .base import ReaderSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_LOOK_EVERY = 64  #: readings of which one looks at mountstats, also without NFS mounts
#: operations that have columns of their own; the others are summed as OTHER
_OPS = (
    b"READ",
    b"WRITE",
    b"COMMIT",
    b"GETATTR",
    b"LOOKUP",
    b"ACCESS",
    b"OPEN",
    b"CREATE",
    b"REMOVE",
    b"SETATTR",
    b"READDIR",
    b"OTHER",
)
_SAME = {b"READDIRPLUS": b"READDIR", b"OPEN_NOATTR": b"OPEN", b"READ_PLUS": b"READ"}
#: the words of a per-op line in order: field, unit, meaning
_OP = (
    (b"ops", "operations", "operations completed"),
    (b"transmissions", "requests", "requests sent, retransmits included"),
    (b"timeouts", "timeouts", "requests that timed out (major timeouts)"),
    (b"sent_bytes", "bytes", "bytes sent, RPC headers included"),
    (b"received_bytes", "bytes", "bytes received, RPC headers included"),
    (b"queue_ms", "ms", "time requests waited to be sent"),
    (b"rtt_ms", "ms", "time from sending a request to its reply"),
    (b"execute_ms", "ms", "time from the request to its completion, queue and round trip included"),
    (b"errors", "operations", "operations that failed; since Linux 5.3"),
)
#: the words of the line ``bytes:`` in order: field, unit, meaning
_BYTES = (
    (b"normal_read_bytes", "bytes", "bytes read by applications, from the page cache too"),
    (b"normal_write_bytes", "bytes", "bytes written by applications, to the page cache too"),
    (b"direct_read_bytes", "bytes", "bytes read with O_DIRECT"),
    (b"direct_write_bytes", "bytes", "bytes written with O_DIRECT"),
    (b"server_read_bytes", "bytes", "bytes read from the server"),
    (b"server_write_bytes", "bytes", "bytes written to the server"),
    (b"read_pages", "pages", "pages read by readpage(s)"),
    (b"write_pages", "pages", "pages written by writepage(s)"),
)
#: transport -> where sends, receives and bad transaction ids are on its line
_XPRT = {b"tcp": (7, 8, 9), b"rdma": (7, 8, 9), b"udp": (4, 5, 6)}
_XPRT_FIELDS = (
    (b"xprt_sends", "requests sent over its connections, which mounts of one server may share"),
    (
        b"xprt_receives",
        "replies received over its connections, which mounts of one server may share",
    ),
    (
        b"xprt_bad_xids",
        "replies with an unknown transaction id on its connections, "
        "which mounts of one server may share",
    ),
)
_XPRT_NAMES = tuple(name for name, _doc in _XPRT_FIELDS)
#: operation -> its fields in the order of the words
_OP_NAMES = {op: tuple(op + b"_" + name for name, _unit, _doc in _OP) for op in _OPS}
_ESCAPED = re.compile(rb"[\s@]")


def _escape(name: bytes) -> bytes:
    """Return a mount point without blanks; mountinfo's octal escapes stay."""
    return _ESCAPED.sub(lambda m: b"\\%03o" % ord(m.group()), name)


def _fields() -> "tuple[Field, ...]":
    out = [Field(name.decode(), unit, "counter", doc) for name, unit, doc in _BYTES]
    for op in (o.decode() for o in _OPS):
        out += [
            Field("%s_%s" % (op, name.decode()), unit, "counter", "%s: %s" % (op, doc))
            for name, unit, doc in _OP
        ]
    out += [Field(name.decode(), "requests", "counter", doc) for name, doc in _XPRT_FIELDS]
    return tuple(out)


class Nfs(ReaderSource):
    """A device is a mount point; all its connections (nconnect) are summed.

    A file system that is mounted in several places counts once.
    """

    name = "nfs"
    order = 11
    kernel_file = "/proc/self/mountstats"
    doc = (
        "NFS client: bytes, operations, retransmits, queue, round trip and execution time "
        "of every mount"
    )
    fields_from_start = True  # of a version that is mounted later, too
    may_be_empty = True
    later_bytes = 40960
    since = "2.6.17"
    budget_us = 20000
    fields = _fields()

    def reader(self, root: str) -> "NfsReader":
        return NfsReader(root)

    def prepare(self, raw: bytes) -> bytes:
        """Return a line per value of every NFS mount."""
        out = []
        for block in _blocks(raw):
            if _is_nfs(block):
                place = _escape(_place(block))
                out += [
                    b"%s %s %d" % (place, name, value)
                    for name, value in sorted(_mount(block.split(b"\n")[1:]).items())
                ]
        return b"\n".join(out)


def _blocks(raw: bytes) -> "list[bytes]":
    """Return what stands behind ``device `` of every mount."""
    return (b"\n" + raw).split(b"\ndevice ")[1:]


def _is_nfs(block: bytes) -> bool:
    # SERVER:/PATH mounted on PLACE with fstype nfs4 statvers=1.1
    words = block.partition(b"\n")[0].split(b" ")
    return len(words) > 6 and words[6] in (b"nfs", b"nfs4")


def _place(block: bytes) -> bytes:
    return block.split(b" ", 4)[3]


class NfsReader(Reader):
    """The NFS mounts of mountstats, each file system once.

    A bind mount, or another mount of the same file system, shows the same counters again. The
    number of the file system tells (major:minor in mountinfo, proc(5)); that is read again when the
    mounts have changed. Without mountinfo every mount counts.

    While there is no NFS mount, mountstats is read only when the mounts have changed.
    """

    def __init__(self, root: str) -> None:
        super().__init__()
        self._root = root
        self._mountstats = WholeFile(root, "proc/self/mountstats")
        self._mounts = MountChanges(root)
        self._none = False  # no NFS mount at the last look
        self._heads: "list[bytes]" = []
        self._repeated: "set[int]" = set()

    def read(self) -> bytes:
        """Return the blocks of mountstats that count."""
        if not self._mounts.changed() and self._none:  # asked first: a change after it shows next
            return b""
        raw = self._mountstats.read()
        self._none = b" with fstype nfs" not in raw
        if self._none:
            return b""
        # of mounts on the same place the last one hides the others, and keeps the name
        blocks = list({_place(block): block for block in _blocks(raw) if _is_nfs(block)}.values())
        heads = [block.partition(b"\n")[0] for block in blocks]
        if heads != self._heads:
            self._heads = heads
            self._repeated = self._look([_place(block) for block in blocks])
        return b"".join(
            [b"device %s\n" % block for n, block in enumerate(blocks) if n not in self._repeated]
        )

    def _look(self, places: "list[bytes]") -> "set[int]":
        """Return which of the mounts repeat the file system of one before them."""
        numbers = {}
        for line in read_whole(self._root, "proc/self/mountinfo").split(b"\n"):
            words = line.split(b" ", 5)  # ID PARENT MAJOR:MINOR ROOT PLACE ...
            if len(words) > 5:
                numbers[words[4]] = words[2]
        seen = set()
        out = set()
        for n, place in enumerate(places):
            number = numbers.get(place)
            if number in seen:
                out.add(n)
            elif number:
                seen.add(number)
        return out

    def close(self) -> None:
        self._mountstats.close()
        self._mounts.close()


class MountChanges:
    """Whether something was mounted or unmounted: the kernel tells a poll of mountinfo (proc(5)).

    Where that cannot be had, and at one call in ``_LOOK_EVERY``, it is taken for changed.
    """

    def __init__(self, root: str) -> None:
        # poll tells nothing of an ordinary file
        there = os.path.realpath(root) == "/"
        self._fd = open_or_none(os.path.join(root, "proc/self/mountinfo")) if there else None
        self._poll = select.poll()
        if self._fd is not None:
            self._poll.register(self._fd, select.POLLPRI)
        self._calls = 0

    def changed(self) -> bool:
        """Return whether the mounts may have changed since the last call."""
        self._calls += 1
        if self._fd is None or self._calls % _LOOK_EVERY == 1:
            return True
        return bool(self._poll.poll(0))

    def close(self) -> None:
        """Close mountinfo."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _mount(lines: "list[bytes]") -> "dict[bytes, int]":
    """Return {field: value} of the lines of a mount."""
    out: "dict[bytes, int]" = {}
    in_ops = False
    for line in lines:
        words = line.split()
        if not words:
            continue
        first = words[0]
        if first.startswith(b"bytes:"):
            for (name, _unit, _doc), word in zip(_BYTES, words[1:]):
                if is_number(word):
                    out[name] = int(word)
        elif first.startswith(b"xprt:") and len(words) > 1:
            _add(out, _XPRT_NAMES, words, _XPRT.get(words[1], ()))
        elif line.lstrip().startswith(b"per-op statistics"):
            in_ops = True
        elif in_ops and first.endswith(b":"):
            op = _SAME.get(first[:-1], first[:-1])
            names = _OP_NAMES.get(op, _OP_NAMES[b"OTHER"])
            _add(out, names, words, range(1, len(names) + 1))
    return out


def _add(
    sums: "dict[bytes, int]",
    names: "Iterable[bytes]",
    words: "list[bytes]",
    places: "Iterable[int]",
) -> None:
    """Add the words at ``places`` to the sums of ``names``, those that are there and numbers."""
    for name, at in zip(names, places):
        if at < len(words) and is_number(words[at]):
            sums[name] = sums.get(name, 0) + int(words[at])
