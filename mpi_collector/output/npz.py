"""``*_timeseries.npz``, the recording: a zip of ``.npy`` members, appended to as hosts arrive.

The members come deflated from the nodes: the writer neither compresses nor holds a host in memory.
Zip64 records are written where sizes or the number of members need them. Formats: APPNOTE.TXT of
zip, numpy.lib.format.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO, NamedTuple

from mpi_collector.node.table.npy import NpzMember, json_member, npy_header

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_BIG = 0xFFFFFFFF
_DEFLATED = 8
_UTF8 = 0x800
_DOS_DATE = 0x21  # 1980-01-01: equal runs give equal bytes

README = """\
mpi_collector recording. Read it with numpy alone:
  npz = numpy.load(FILE, allow_pickle=False)
  run = json.loads(str(npz["run"]))          # hosts, times, options; run["hosts"] lists the host \
keys
  columns = list(npz[HOST + "/columns"])      # source.field or source.device.field
  values = npz[HOST + "/values"]              # int64, rows x columns; -2**63 = missing; counters \
are modulo 2**64
  x = values[:, columns.index("diskstats.nvme0n1.sectors_read")]
Per host: units, kinds (counter, gauge), tick (row k was due at t0 + k * interval on a grid all \
hosts share; -1 = the extra
row taken at the stop), timestamp_ns (UTC of the row's begin on the time line all hosts share), \
clock_bound_ns (how far off
that may be), begin_mono_ns, begin_wall_ns (the host's own clocks), late_ns, duration_ns, flags, \
and rows x sources:
source_begin_ns, source_duration_ns, source_status (0 = ok), in the order of sources. meta is \
JSON: identity, clocks, events.
"""


class NpzMark(NamedTuple):
    """A state of an ``NpzWriter``."""

    at: int  #: position in the file, bytes
    directory_bytes: int
    members: int


class NpzWriter:
    """Appends members to ``file``."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._at = 0
        # of the zip, in its binary form: as objects it would be the largest thing in memory
        self._directory = bytearray()
        self._directory_bytes = 0  # of what was put away
        self._count = 0

    def _write(self, data: bytes | bytearray | memoryview) -> None:
        self._file.write(data)
        self._at += len(data)

    def begin(self, head: dict[str, Any]) -> None:
        """Begin a member, whose ``head["packed"]`` deflated bytes follow through ``write``.

        head: ``NpzMember.head()``.
        """
        name = (head["name"] + ".npy").encode()
        crc = head["crc"]
        size = head["size"]
        packed = head["packed"]
        self._list(name, crc, packed, size)
        big = size >= _BIG or packed >= _BIG
        extra = struct.pack("<HHQQ", 1, 16, size, packed) if big else b""
        sizes = (_BIG, _BIG) if big else (packed, size)
        version = 45 if big else 20
        head_bytes = _LOCAL.pack(
            0x04034B50, version, _UTF8, _DEFLATED, 0, _DOS_DATE, crc, *sizes, len(name), len(extra)
        )
        self._write(head_bytes + name + extra)

    def write(self, data: bytes | memoryview) -> None:
        """Write deflated bytes of the member that was begun."""
        self._write(data)

    def _list(self, name: bytes, crc: int, packed: int, size: int) -> None:
        """Enter the member that begins here into the zip's directory."""
        at = self._at
        big = max(size, packed, at) >= _BIG
        extra = struct.pack("<HHQQQ", 1, 24, size, packed, at) if big else b""
        sizes = (_BIG, _BIG) if big else (packed, size)
        offset = _BIG if big else at
        version = 45 if big else 20
        made_by = (3 << 8) | version  # Unix
        lengths = (len(name), len(extra), 0)  # no comment
        place = (0, 0, 0o600 << 16, offset)  # disk, attributes: internal, external; offset
        head = _CENTRAL.pack(
            0x02014B50,
            made_by,
            version,
            _UTF8,
            _DEFLATED,
            0,
            _DOS_DATE,
            crc,
            *sizes,
            *lengths,
            *place,
        )
        self._directory += head + name + extra
        self._count += 1

    def put_away(self) -> None:
        """Write the zip's directory behind the members for now: nothing stays in memory."""
        self._file.write(self._directory)
        self._directory_bytes = len(self._directory)
        self._directory = bytearray()

    def go_on(self, file: BinaryIO) -> None:
        """Go on in ``file``, which is the same one after ``put_away``."""
        self._file = file
        file.seek(self._at)
        self._directory = bytearray(file.read(self._directory_bytes))
        file.seek(self._at)
        file.truncate()

    def mark(self) -> NpzMark:
        """Return the state to which ``rollback`` returns."""
        return NpzMark(self._at, len(self._directory), self._count)

    def rollback(self, mark: NpzMark) -> None:
        """Remove everything behind ``mark``, as of a host whose rank died while it sent."""
        self._at = mark.at
        self._count = mark.members
        del self._directory[mark.directory_bytes :]
        self._file.seek(self._at)
        self._file.truncate()

    def add(self, members: Iterable[NpzMember]) -> None:
        """Write whole members."""
        for m in members:
            self.begin(m.head())
            for chunk in m.chunks:
                self.write(chunk)

    def finish(self, run: Mapping[str, object]) -> None:
        """Write the members of the run and the zip's directory. ``run``: the run document."""
        self.add([json_member("run", run), _text_member("README", README)])
        start = self._at
        self._write(self._directory)
        self._end(start, self._at - start)

    def _end(self, start: int, size: int) -> None:
        count = self._count
        if count >= 0xFFFF or start >= _BIG or size >= _BIG:
            at = self._at
            self._write(
                struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, size, start)
            )
            self._write(struct.pack("<IIQI", 0x07064B50, 0, at, 1))
        short = min(count, 0xFFFF)
        self._write(
            struct.pack(
                "<IHHHHIIH", 0x06054B50, 0, 0, short, short, min(size, _BIG), min(start, _BIG), 0
            )
        )


def _text_member(name: str, text: str) -> NpzMember:
    """Return a member that holds one string."""
    return NpzMember("npz", name, [npy_header(f"<U{len(text)}", ()), text.encode("utf-32-le")])


#: bytes of the plain document, four a character; that of a large host has 5 MB
_JSON_BYTES_MAX = 64 << 20


def json_of(packed: bytes) -> dict[str, Any]:
    """Return the document in the deflated bytes of a member made by ``json_member``.

    {} when there are no bytes. ValueError when it is damaged or too large.
    """
    if not packed:
        return {}
    try:
        plain = zlib.decompressobj(-15).decompress(packed, _JSON_BYTES_MAX + 1)
        if len(plain) > _JSON_BYTES_MAX:
            raise ValueError(f"more than {_JSON_BYTES_MAX >> 20} MB of meta data")
        head = 10 + int.from_bytes(plain[8:10], "little")
        return dict(json.loads(plain[head:].decode("utf-32-le")))
    except (zlib.error, TypeError, RecursionError) as e:
        raise ValueError(f"{type(e).__name__}: {e}") from e
