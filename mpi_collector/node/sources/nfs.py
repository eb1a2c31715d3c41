"""/proc/self/mountstats: NFS mounts of this mount namespace (net/sunrpc/stats.c, fs/nfs/super.c; statvers 1.0 and 1.1)."""

import re

from ..layout import Field
from .base import Source, is_number, scan_cells

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
_BYTES_DOC = ("read by read()", "written by write()", "read with O_DIRECT", "written with O_DIRECT", "read from the server",
              "written to the server", "read by readpage(s)", "written by writepage(s)")
_XPRT = {b"tcp": (7, 8, 9), b"rdma": (7, 8, 9), b"udp": (4, 5, 6)}  #: where sends, receives and bad transaction ids are
_XPRT_NAMES = (b"xprt_sends", b"xprt_receives", b"xprt_bad_xids")
_NEAR = 1 << 26  #: bytes or events that one file system's counters move while its lines are written
_ESCAPED = re.compile(rb"[\s@]")


def _escape(name):
    # type: (bytes) -> bytes
    """A mount point without blanks; mountinfo's octal escapes stay."""
    return _ESCAPED.sub(lambda m: b"\\%03o" % ord(m.group()), name)


def _fields():
    # type: () -> tuple
    out = []
    for name, doc in zip(_BYTES, _BYTES_DOC):
        unit = "pages" if name.endswith(b"pages") else "bytes"
        out.append(Field(name.decode(), unit, "counter", "%s %s" % (unit, doc)))
    for op in (o.decode() for o in _OPS):
        out += [Field("%s_%s" % (op, name.decode()), unit, "counter", "%s: %s" % (op, doc)) for _at, name, unit, doc in _OP]
    for name in _XPRT_NAMES:
        doc = "%s of its connections, which mounts of one server may share" % name.decode()[5:].replace("_", " ")
        out.append(Field(name.decode(), "requests", "counter", doc))
    return tuple(out)


class Nfs(Source):
    """A device is a mount point; all its connections (nconnect) are summed. Mounts of one file system count once."""

    name = "nfs"
    order = 11
    path = "proc/self/mountstats"
    doc = "NFS client: bytes, operations, retransmits, queue, round trip and execution time of every mount"
    record_max = 8192
    may_be_empty = True
    lists_devices = False
    since = "2.6.17"
    budget_us = 20000
    fields = _fields()

    def __init__(self):
        # type: () -> None
        self._twins = _Twins()

    def prepare(self, raw):
        # type: (bytes) -> bytes
        """What is known of every NFS mount, a line per value."""
        out = []  # type: list
        for mount, lines in self._twins.first(_mounts(raw)):
            for name, value in sorted(_mount(lines).items()):
                out.append(b"%s %s %d" % (mount, name, value))
        return b"\n".join(out)

    def scan(self, text):
        # type: (bytes) -> tuple
        roles, problems = [], []  # type: list, list
        scan_cells(text.split(b"\n"), roles, problems)
        return roles, problems


def _mounts(raw):
    # type: (bytes) -> list
    """[(mount point, server, lines)] of the NFS mounts; one that hides another of the same place keeps its name alone."""
    found = []  # type: list
    for line in raw.split(b"\n"):
        if line.startswith(b"device "):
            words = line.split(b" ")
            is_nfs = b"fstype" in words and words[-1:] != [b"fstype"] and words[words.index(b"fstype") + 1] in (b"nfs", b"nfs4")
            found.append((_escape(words[4]), words[1].partition(b":/")[0], []) if is_nfs and len(words) > 4 else None)
        elif found and found[-1] is not None:
            found[-1][2].append(line.strip())
    return list({m[0]: m for m in found if m is not None}.values())


class _Twins:
    """A bind mount, or another mount of the same file system, shows the very same counters again; they count once.

    Two that once were equal stay twins until their counters are far apart: those of a file system of their own soon are, while
    those of the same one only move a little between two lines of one reading.
    """

    def __init__(self):
        # type: () -> None
        self._known = set()  # type: set

    def first(self, mounts):
        # type: (list) -> list
        """``mounts`` without those that repeat one before them."""
        kept = []  # type: list
        for place, server, lines in mounts:
            about = _about(server, lines)
            if not any(self._same(k[0], place, k[3], about) for k in kept):
                kept.append((place, server, lines, about))
        return [(place, lines) for place, _server, lines, _about in kept]

    def _same(self, place, other, a, b):
        # type: (bytes, bytes, tuple, tuple) -> bool
        if a[0] != b[0] or len(a[1]) != len(b[1]) or len(a[1]) < 2:
            return False
        if a[1] == b[1] and any(a[1][1:]):  # nothing was done on either: no reason to think that they are the same
            self._known.add((place, other))
        elif (place, other) in self._known and any(abs(x - y) > _NEAR + x // 64 for x, y in zip(a[1], b[1])):
            self._known.discard((place, other))
        return (place, other) in self._known


def _about(server, lines):
    # type: (bytes, list) -> tuple
    """((server, options), [age, counters of events and bytes])."""
    head = {line.partition(b":")[0]: line.partition(b":")[2] for line in lines[:12]}
    numbers = b" ".join([head.get(k, b"") for k in (b"age", b"events", b"bytes")]).split()
    return (server, head.get(b"opts")), [int(n) for n in numbers if is_number(n)]


def _mount(lines):
    # type: (list) -> dict
    out = {}  # type: dict
    in_ops = False
    for line in lines:
        words = line.split()
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
