"""Read spools: damage is reported or dropped, and never spreads to what is whole."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nodekit import QUICK
from spoolkit import (
    CAPS,
    EVENTS,
    ROWS,
    STAGE_SLOTS,
    fill,
    found,
    make_meta,
    memory_spool,
)

from mpi_collector.node.errors import SpoolError
from mpi_collector.node.spool.format import (
    EVENTS_BYTES,
    HEADER_BYTES,
    HEADER_FIELDS,
    PAYLOAD_AT,
    SpoolShape,
    events_used_piece,
    header_offset,
    write_event,
    write_header,
)
from mpi_collector.node.spool.reader import SpoolReader, open_reader


class Image(bytes):
    """The bytes of a spool; reports of failures do not show them."""

    def __repr__(self) -> str:
        return f"<spool of {len(self)} bytes>"


@pytest.fixture(scope="module")
def image() -> Image:
    """A filled spool."""
    spool = memory_spool()
    fill(spool)
    data = Image(spool.mm)
    spool.close()
    return data


def reader_of(data: bytes | bytearray) -> SpoolReader:
    return SpoolReader(memoryview(data), "the/file")


@pytest.mark.parametrize("part", ["stamp", "payload", "crc"])
@QUICK
@given(slot=st.integers(0, ROWS - 2), data=st.data())
def test_damaged_row_is_dropped_alone(
    image: bytes, part: str, slot: int, data: st.DataObject
) -> None:
    """A row with one wrong bit, wherever it is, is dropped; its neighbours are as they were."""
    good = found(reader_of(image))
    shape = reader_of(image).shape
    lo, hi = {"stamp": (0, 8), "crc": (8, 16), "payload": (PAYLOAD_AT, shape.row_size)}[part]
    at = shape.row_offset(slot) + data.draw(st.integers(lo, hi - 1))
    damaged = bytearray(image)
    damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    assert found(reader_of(damaged)) == {t: r for t, r in good.items() if t != slot - 1}


@pytest.mark.parametrize("slot", [0, 7, ROWS - 2])
def test_torn_row(image: bytes, slot: int) -> None:
    """A row whose stamp was not written yet is not there."""
    shape = reader_of(image).shape
    torn = bytearray(image)
    struct.pack_into("<q", torn, shape.row_offset(slot), 0)
    assert set(found(reader_of(torn))) == set(range(-1, ROWS - 2)) - {slot - 1}


@QUICK
@given(at=st.integers(0, 300), bit=st.integers(0, 7))
def test_damaged_stage_head_is_dropped_alone(image: bytes, at: int, bit: int) -> None:
    """A staged sample with a wrong bit in its head is dropped, the other one is not."""
    shape = reader_of(image).shape
    damaged = bytearray(image)
    damaged[shape.stage_at + at % shape.stage_head] ^= 1 << bit
    assert [tick for tick, _at in reader_of(damaged).staged()] == [102]


def flips(first: int, last: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Places and bits to flip."""
    return st.lists(
        st.tuples(st.integers(first, last - 1), st.integers(0, 7)),
        min_size=1,
        max_size=4,
        unique=True,
    )


def flipped(image: bytes, places: list[tuple[int, int]]) -> bytearray:
    out = bytearray(image)
    for at, bit in places:
        out[at] ^= 1 << bit
    return out


def used_by_header() -> int:
    """Bytes of the header that say something, the length of the event log apart."""
    return header_offset(HEADER_FIELDS[-1]) + 8


@QUICK
@given(places=flips(0, used_by_header()))
@example(places=[(8 * 7, 2)])
@example(places=[(8 * 5, 62 - 56)])
def test_damaged_header(image: bytes, places: list[tuple[int, int]]) -> None:
    """Wrong bits in the header raise SpoolError with the name of the file."""
    with pytest.raises(SpoolError, match="the/file"):
        reader_of(flipped(image, places))


@QUICK
@given(places=flips(HEADER_BYTES, HEADER_BYTES + len(json.dumps(make_meta()))))
def test_damaged_meta(image: bytes, places: list[tuple[int, int]]) -> None:
    """Wrong bits in the meta data: SpoolError with file and place."""
    with pytest.raises(SpoolError, match=f"the/file: damaged at byte {HEADER_BYTES}"):
        reader_of(flipped(image, places))


@QUICK
@given(word=st.integers(0, 9), value=st.integers(-(2**63), 2**63 - 1))
@example(word=1, value=2**62)
@example(word=6, value=2**40)
@example(word=4, value=-1)
def test_header_words_of_any_size(image: bytes, word: int, value: int) -> None:
    """A header word with any other number than its own is refused."""
    out = bytearray(image)
    at = header_offset(HEADER_FIELDS[word])
    if struct.unpack_from("<q", out, at)[0] != value:
        struct.pack_into("<q", out, at, value)
        with pytest.raises(SpoolError, match="the/file"):
            reader_of(out)


@pytest.mark.parametrize("value", [-1, -(2**63), 1, 7, EVENTS_BYTES - 1, 2**62])
def test_wrong_length_of_the_event_log(image: bytes, value: int) -> None:
    """The events up to the first that is not whole; damage is named by an event of its own."""
    out = bytearray(image)
    at, word = events_used_piece(value)
    out[at : at + len(word)] = word
    events = reader_of(out).events()
    whole = [e for e in events if e["type"] != "damaged"]
    assert whole == EVENTS[: len(whole)]
    assert all("the/file: damaged at byte" in e["text"] for e in events[len(whole) :])
    assert value < 1000 or len(events) == len(EVENTS) + 1


@QUICK
@given(data=st.data())
def test_damaged_events(image: bytes, data: st.DataObject) -> None:
    """Events before wrong bits in the log are read; the damage is reported with its place."""
    reader = reader_of(image)
    start = reader.shape.events_at
    used = struct.unpack_from("<q", image, events_used_piece(0)[0])[0]
    places = data.draw(flips(start, start + used))
    events = reader_of(flipped(image, places)).events()
    whole = [e for e in events if e["type"] != "damaged"]
    assert whole == EVENTS[: len(whole)]
    if len(whole) < len(EVENTS):
        at = int(events[-1]["text"].split("byte ")[1].split(":")[0])
        assert events[-1]["type"] == "damaged" and start <= at <= max(p for p, _bit in places)


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"[]", b"1", b"{}", b'{"type": 1}', b"\xff", b"{"]
)
def test_event_that_is_none(body: bytes) -> None:
    """A right checksum does not make an event of it; it is named like damage."""
    spool = memory_spool()
    assert spool.event(EVENTS[0])
    at = spool.shape.events_at + spool.events_used
    write_event(spool.mm, spool.shape, spool.events_used, body)
    first, damage = spool.reader().events()
    assert first == EVENTS[0] and damage["type"] == "damaged" and "byte %d" % at in damage["text"]


@pytest.mark.parametrize(
    "doc",
    [
        b"[" * 100_000,
        b"[]",
        b'{"layout": 1, "raw_bytes": []}',
        b'{"layout": {"sources": [], "tables": {"a": 1}}}',
    ],
)
def test_meta_that_is_none(doc: bytes) -> None:
    """The same for the meta data."""
    shape = SpoolShape(len(doc), 3, CAPS, STAGE_SLOTS, ROWS)
    image = bytearray(shape.size)
    write_header(image, shape, doc)
    with pytest.raises(SpoolError, match="byte %d: meta data" % HEADER_BYTES):
        SpoolReader(image, "image")


@QUICK
@given(size=st.integers(0, 400_000))
@example(size=HEADER_BYTES)
def test_truncated(image: bytes, size: int) -> None:
    """A spool that lacks its end is refused by name, at any length."""
    with pytest.raises(SpoolError, match="the/file"):
        reader_of(image[: min(size, len(image) - 1)])


def test_too_long(image: bytes) -> None:
    """A spool with something behind its end has a wrong header."""
    with pytest.raises(SpoolError, match="the/file: damaged"):
        reader_of(image + b"\0" * 8)


@pytest.mark.parametrize("size", [0, 1, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 5000])
def test_truncated_file(tmp_path: Path, image: bytes, size: int) -> None:
    """The same for a file, which must not be mapped before its size is known."""
    (tmp_path / "host").write_bytes(image[:size])
    with pytest.raises(SpoolError, match="host"):
        open_reader(str(tmp_path / "host"))


def test_not_a_spool(tmp_path: Path) -> None:
    """Another file, another version, nothing, a directory, a pipe: SpoolError, and no waiting."""
    (tmp_path / "text").write_bytes(b"hello\n" * 2000)
    os.mkfifo(tmp_path / "pipe")
    for name in ("text", "pipe", "nothing", "."):
        with pytest.raises(SpoolError, match=str(tmp_path)):
            open_reader(str(tmp_path / name))


def test_other_version(image: bytes) -> None:
    """A spool of another version is told from a damaged one."""
    out = bytearray(image)
    struct.pack_into("<q", out, header_offset("version"), 1)
    with pytest.raises(SpoolError, match="version 1, this program reads 2"):
        reader_of(out)
