"""Figures as a Perfetto trace (ui.perfetto.dev): a counter a figure, a slice a phase.

The trace is protobuf, perfetto/trace/perfetto_trace.proto. Times are UTC ns; a clock snapshot says
so. A value stands from the begin of its interval on, and is NaN while it is unknown. Every slice
has the clock bound of its host as an argument: by how much its times may be off.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from mpi_collector.store.figure_table import FigureRows, FigureTable
from mpi_collector.store.figures.figure import Figure

_REALTIME, _BOOTTIME = 1, 6  #: builtin clocks; the second is that of traces
_SLICE_BEGIN, _SLICE_END, _INSTANT, _COUNTER = 1, 2, 3, 4
_STATE_CLEARED = 1
_SEQUENCE = 1
_NO_HOST = "not a recorded host"


def write(figures: FigureTable, about: Mapping[str, Any], file: BinaryIO) -> None:
    """Write the trace: the phases, then the figures host after host."""
    trace = _Trace(file, about["start_ns"])
    run = trace.process(f"phases of {about['run']}", 1)
    bounds = about["clock_bound_ns"]
    tracks: dict[tuple[str, str | None], int] = {}
    for phase in about["phases"]:
        name, host = phase["name"], phase["host"]
        where = name if host is None else f"{name} ({host})"
        track = tracks.get((name, host))
        if track is None:
            tracks[name, host] = track = trace.track(where, run)
        bound = bounds.get(host)
        told = {
            "host": host or _NO_HOST,
            "clock_bound_ns": "not known" if bound is None else bound,
        }
        trace.phase(track, name, phase["begin_ns"], phase["end_ns"], told)
    for n, rows in enumerate(figures):
        process = trace.process(rows.host, n + 2)
        for figure in figures.figures:
            if figure.name in rows.values:
                trace.counter(trace.counter_track(figure, process), rows, figure.name)


class _Trace:
    """Writes packets. Tracks have numbers of their own."""

    def __init__(self, file: BinaryIO, start_ns: int) -> None:
        self._file = file
        self._tracks = 0
        clocks = [_bytes(1, _number(1, c) + _number(2, start_ns)) for c in (_REALTIME, _BOOTTIME)]
        self._packet(start_ns, _bytes(6, b"".join(clocks)), _number(13, _STATE_CLEARED))

    def _packet(self, at_ns: int | None, *fields: bytes) -> None:
        when = b"" if at_ns is None else _number(8, at_ns)
        self._file.write(_bytes(1, when + _number(10, _SEQUENCE) + b"".join(fields)))

    def _describe(self, *fields: bytes) -> int:
        self._tracks += 1
        self._packet(None, _bytes(60, _number(1, self._tracks) + b"".join(fields)))
        return self._tracks

    def process(self, name: str, pid: int) -> int:
        return self._describe(_bytes(3, _number(1, pid) + _text(6, name)))

    def track(self, name: str, parent: int) -> int:
        return self._describe(_text(2, name), _number(5, parent))

    def counter_track(self, figure: Figure, parent: int) -> int:
        unit = _bytes(8, _text(6, figure.unit))
        return self._describe(_text(2, figure.label), _number(5, parent), unit)

    def _event(self, at_ns: int, kind: int, track: int, *fields: bytes) -> None:
        event = _number(9, kind) + _number(11, track) + b"".join(fields)
        self._packet(at_ns, _bytes(11, event))

    def phase(
        self, track: int, name: str, begin_ns: int, end_ns: int, told: Mapping[str, str | int]
    ) -> None:
        """Write a slice, or an instant where it has no length."""
        about = [_bytes(4, _text(10, key) + _annotation(value)) for key, value in told.items()]
        kind = _SLICE_BEGIN if begin_ns < end_ns else _INSTANT
        self._event(begin_ns, kind, track, _text(23, name), *about)
        if begin_ns < end_ns:
            self._event(end_ns, _SLICE_END, track)

    def counter(self, track: int, rows: FigureRows, name: str) -> None:
        """Write a value where it changes, and NaN where it is not known any more."""
        before = math.nan
        after_ns: int | None = None
        values: Sequence[float] = rows.values[name].tolist()
        for begin, end, value in zip(rows.begin_ns.tolist(), rows.end_ns.tolist(), values):
            if after_ns is not None and begin > after_ns:
                self._value(track, after_ns, math.nan)
                before = math.nan
            if value != before and not (math.isnan(value) and math.isnan(before)):
                self._value(track, begin, value)
            before, after_ns = value, end
        if after_ns is not None and not math.isnan(before):
            self._value(track, after_ns, math.nan)

    def _value(self, track: int, at_ns: int, value: float) -> None:
        self._event(at_ns, _COUNTER, track, _key(44, 1) + struct.pack("<d", value))


# ---- protobuf: a field is its number and type, then a varint, 8 bytes, or bytes with their length
def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _number(field: int, value: int) -> bytes:
    return _key(field, 0) + _varint(value)


def _bytes(field: int, content: bytes) -> bytes:
    return _key(field, 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode("utf-8", "backslashreplace"))


def _annotation(value: str | int) -> bytes:
    return _text(6, value) if isinstance(value, str) else _number(4, value)
