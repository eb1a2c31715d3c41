"""Decoding text after text: a shape that changes is decoded as if it were the first, devices keep their slots."""

from __future__ import annotations

import struct

import pytest
import reference
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nodekit import QUICK, SOURCES, Decoded, present, text_of

from mpi_collector.node import sources
from mpi_collector.node.row.decode import RowDecoder, make_layout, wrap
from mpi_collector.node.row.layout import MISSING, Column, DeviceTable, Field, Layout
from mpi_collector.node.spool.format import SpoolShape, StageHeader
from mpi_collector.node.spool.stage import StagedTexts, staged_row
from mpi_collector.node.status import ABSENT, DENIED, ERROR, MALFORMED, OK, TRUNCATED

# ---- texts of every source, as a kernel or a bad day prints them

#: not: 1_0 and +1, which int() takes, nor more than 64 bits; no kernel prints them
VALUES = st.one_of(st.integers(0, 200), st.integers(0, 2**64 - 1), st.just(-5)).map(b"%d".__mod__)
TOKENS = st.one_of(*[VALUES] * 9, st.sampled_from([b"x", b"-", b"\xff\xfe", b"0x1f"]))


def joined(tokens: tuple[object, ...]) -> bytes:
    """Nested tokens as one line."""
    return b" ".join(t if isinstance(t, bytes) else joined(tuple(t)) for t in tokens)  # type: ignore[arg-type]


def tokens(*counts: int) -> st.SearchStrategy[bytes]:
    """So many values on a line."""
    return (
        st.sampled_from(counts)
        .flatmap(lambda n: st.lists(TOKENS, min_size=n, max_size=n))
        .map(b" ".join)
    )


def lines(*parts: st.SearchStrategy[bytes], most: int = 7) -> st.SearchStrategy[bytes]:
    """Up to ``most`` lines of these parts, with or without a newline at the end."""
    line = st.tuples(*parts).map(b"".join)
    return st.tuples(
        st.lists(line, max_size=most).map(b"\n".join), st.sampled_from([b"\n", b"\n", b""])
    ).map(b"".join)


NAMES = st.sampled_from([b"sda", b"sdb", b"sda1", b"nvme0n1", b"md.0", b"\xc3\xa9", b"\xff"])
KEYS = st.sampled_from([b"nr_free", b"pgpgin", b"pgpgout", b"Active(anon)", b"a.b", b"k\xff"])
HEADERS = text_of("linux-4.18", "netdev").split(b"    lo")[0]
TEXTS: dict[str, st.SearchStrategy[bytes]] = {
    "diskstats": lines(
        st.just(b"   8       0 "), NAMES, st.just(b" "), tokens(4, 11, 11, 15, 17, 17, 20, 7)
    ),
    "netdev": lines(NAMES, st.sampled_from([b":", b": ", b":   "]), tokens(16, 16, 16, 17, 5)).map(
        HEADERS.__add__
    ),
    "vmstat": lines(KEYS, st.just(b" "), tokens(1, 1, 1, 1, 0)),
    "meminfo": lines(
        KEYS,
        st.sampled_from([b": ", b":       "]),
        tokens(1, 1, 1, 1, 0),
        st.sampled_from([b" kB", b""]),
    ),
    "stat": lines(
        st.one_of(
            st.tuples(
                st.sampled_from([b"cpu ", b"cpu0", b"cpu1", b"cpu2", b"cpu9"]),
                tokens(4, 10, 10, 10, 11),
            ),
            st.tuples(st.sampled_from([b"ctxt", b"btime", b"new"]), tokens(1, 1, 1, 2, 0)),
            st.tuples(st.just(b"intr"), tokens(1, 5, 9)),
            st.tuples(st.just(b"softirq"), tokens(11, 11, 3, 14)),
        ).map(joined)
    ),
    "loadavg": st.one_of(
        *[
            st.tuples(*[st.integers(0, 10**6)] * 6).map(
                lambda v: (
                    b"%d.%02d %d.%02d %d.%02d %d/%d %d\n"
                    % (v[0], v[0] % 100, v[1], v[1] % 100, v[2], v[2] % 100, v[3], v[4], v[5])
                )
            )
        ]
        * 3,
        st.sampled_from([b"", b"0.10 0.20", b"a b c d e f\n", b"0.1x 0.20 0.30 1/2 3\n"]),
    ),
}


# ---- shapes


@pytest.mark.parametrize("source", SOURCES)
@settings(QUICK, max_examples=60)
@given(data=st.data())
def test_every_text_as_if_fresh(source: str, data: st.DataObject) -> None:
    """In any order of texts every cell is what a fresh naive reading finds; what finds no room is told, not dropped."""
    texts = data.draw(st.lists(TEXTS[source], min_size=2, max_size=6))
    one = Decoded(source, texts[0])
    for tick, text in enumerate(texts):
        cells, status = one.decode(text, tick)
        expected, broken = reference.parse(source, text)
        lost = [e["name"] for e in one.events if e["type"] == "lost"]
        if not lost:  # what has no column is not looked at any more
            assert status == (
                MALFORMED if broken or not (text.split() or source == "diskstats") else OK
            )
        assert {n: v for n, v in expected.items() if n in cells and v != MISSING} == present(cells)
        assert len(lost) == len(set(lost))
        for name in expected.keys() - cells.keys():
            assert any(name.endswith("." + x) or f".{x}." in name for x in lost), name


@pytest.mark.parametrize("source", SOURCES)
def test_what_was_no_number_is_one_again(source: str) -> None:
    """One bad value costs one sample: the next text with the same labels is whole again."""
    good = text_of("linux-4.18", source)
    at = max(good.rfind(b" 0 "), good.rfind(b" 0\n"), good.rfind(b"/") - 2)
    bad = good[: at + 1] + b"x" + good[at + 2 :]
    one = Decoded(source, good)
    assert [one.decode(text)[1] for text in (good, bad, good, bad)] == [
        OK,
        MALFORMED,
        OK,
        MALFORMED,
    ]
    assert one.decode(good) == (reference.parse(source, good)[0], OK)


def test_bad_from_the_start_does_not_stay_bad() -> None:
    """A plan that was made of a bad text is not used for a good one that looks alike."""
    one = Decoded("loadavg", b"0.01 0.02 0.03 1/2 3\n")
    assert one.decode(b"a b c d e f\n")[1] == MALFORMED
    cells, status = one.decode(b"0.04 0.05 0.06 7/8 9\n")
    assert status == OK and list(cells.values()) == [4, 5, 6, 7, 8, 9]


def test_numbers_without_end() -> None:
    """Thousands of digits, which int() refuses, are a malformed value and nothing worse."""
    one = Decoded("meminfo", b"MemTotal: 5 kB\nMemFree: 6 kB\n")
    cells, status = one.decode(b"MemTotal: " + b"7" * 5000 + b" kB\nMemFree: 8 kB\n")
    assert (cells, status) == ({"meminfo.MemTotal": MISSING, "meminfo.MemFree": 8}, MALFORMED)


# ---- devices


def disk(*names: str) -> bytes:
    """A diskstats text; all values of a device are its place in the alphabet."""
    return b"".join(
        b"8 0 %s %s\n" % (n.encode(), b" ".join([b"%d" % (ord(n[0]) - 96)] * 17)) for n in names
    )


def test_device_appears_and_returns() -> None:
    """A new device gets a spare slot and an event with its tick; one that returns gets its old slot and no event."""
    one = Decoded("diskstats", disk("a", "b"))
    one.decode(disk("a", "b"), 0)
    one.decode(disk("a", "b", "c"), 7)
    assert one.events == [
        {
            "type": "device",
            "source": "diskstats",
            "table": "devices",
            "device": "c",
            "slot": 2,
            "tick": 7,
        }
    ]
    cells, _ = one.decode(disk("c"), 8)
    assert {n.split(".")[1] for n in present(cells)} == {"c"}
    cells, _ = one.decode(disk("b", "c", "a"), 9)  # in another order
    assert [cells[f"diskstats.{d}.sectors_read"] for d in "abc"] == [1, 2, 3]
    assert len(one.events) == 1


def test_spare_slots_used_up() -> None:
    """When no slot is left the device is reported lost, once; the others are unharmed."""
    one = Decoded("diskstats", disk("a"))
    names = "abcdefghijklm"
    for tick, n in enumerate((1, 9, 13, 13)):
        cells, status = one.decode(disk(*names[:n]), tick)
        assert status == OK
    table = one.layout.tables[0]
    room = table.slots - 1
    assert room >= 8 and table.devices == list(names[: room + 1])
    assert [e["device"] for e in one.events if e["type"] == "device"] == list(names[1 : room + 1])
    lost = [e for e in one.events if e["type"] == "lost"]
    assert [e["name"] for e in lost] == list(names[room + 1 :]) and {e["what"] for e in lost} == {
        "device"
    }
    assert cells["diskstats.i.reads_merged"] == 9


@QUICK
@given(
    steps=st.lists(
        st.lists(st.sampled_from("abcdefghijklmnop"), unique=True), min_size=1, max_size=8
    )
)
@example(steps=[[], ["a"], [], ["b", "a"]])
def test_devices_come_and_go(steps: list[list[str]]) -> None:
    """Whatever the order, a slot belongs to one device for good and every device is there, has an event, or is lost."""
    one = Decoded("diskstats", disk(*steps[0]))
    slots: dict[str, int] = {}
    for tick, names in enumerate(steps):
        cells, _ = one.decode(disk(*names), tick)
        for device, slot in one.layout.tables[0].slot_of.items():
            assert slots.setdefault(device, slot) == slot
        kept = {n.split(".")[1] for n in present(cells)}
        lost = {e["name"] for e in one.events if e["type"] == "lost"}
        assert kept == set(names) - lost and not lost & slots.keys()
        for n in kept:
            assert cells[f"diskstats.{n}.time_flushing_ms"] == ord(n) - 96
    told = [e["device"] for e in one.events if e["type"] == "device"]
    assert told == [d for d in slots if d not in steps[0]]


def test_new_field_of_a_known_table() -> None:
    """A field that was not there at the start has no column: reported once, its neighbours kept."""
    one = Decoded("vmstat", b"a 1\nb 2\n")
    for tick in (4, 5):
        assert one.decode(b"a 3\nnew 9\nb 4\n", tick) == ({"vmstat.a": 3, "vmstat.b": 4}, OK)
    assert one.events == [
        {"type": "lost", "source": "vmstat", "what": "field", "name": "new", "tick": 4}
    ]


def test_cpu_goes_offline_and_returns() -> None:
    """An offline CPU is missing, not idle; the columns of the others do not move."""
    both, alone = (
        b"cpu 9 9 9 9\ncpu0 1 2 3 4\ncpu1 5 6 7 8\nctxt 3\n",
        b"cpu 9 9 9 9\ncpu1 6 7 8 9\nctxt 4\n",
    )
    one = Decoded("stat", both)
    one.decode(both)
    cells, status = one.decode(alone)
    assert status == OK and cells["stat.cpu0.idle"] == MISSING and cells["stat.cpu1.idle"] == 9
    assert one.decode(both)[0]["stat.cpu0.idle"] == 4


# ---- rows


@QUICK
@given(values=st.lists(st.integers(-(2**70), 2**70), min_size=7, max_size=7))
def test_row_bytes(values: list[int]) -> None:
    """Numbers beyond int64 are kept modulo 2^64, everything else as it is."""
    one = Decoded("loadavg", b"0.01 0.02 0.03 1/2 3\n")
    row = [*values, MISSING][: one.layout.width]
    packed = struct.unpack("<%dq" % one.layout.width, one.rows.to_bytes(row))
    assert all((a - b) % 2**64 == 0 for a, b in zip(row, packed)) and list(map(wrap, row)) == list(
        packed
    )


def staged(texts: list[bytes | int], shape: SpoolShape) -> bytes:
    """A stage slot that holds these texts, or the negative status of one that was not read."""
    words = [1, 2, 10_000, 20_000, 9_000, 0, 77, 88]
    for i, text in enumerate(texts):
        words += [text if isinstance(text, int) else len(text), 10_000 + 50 * (i + 1)]
    data = b"".join(t for t in texts if isinstance(t, bytes))
    return struct.pack("<%dq" % len(words), *words) + data.ljust(shape.text_room, b"\xaa")


def test_staged_row_statuses() -> None:
    """From a stage slot: whole, cut at the buffer's end, unreadable, and nonsense in the length; times beside them."""
    chosen = sources.select("vmstat,meminfo,loadavg,stat")
    firsts = [b"cpu 1 2 3 4\nctxt 5\n", b"a 1\nb 2\nc 3\n", b"M: 1 kB\n", b"0.01 0.02 0.03 1/2 3\n"]
    layout = make_layout(chosen, firsts)
    shape = SpoolShape(10, layout.width, [64] * 4, 1, 16)
    cut = b"a 11\nb 22\n".ljust(62, b"\n") + b"c 3"[:2]
    slot = memoryview(staged([firsts[0], cut, -ABSENT, 65], shape))
    texts = StagedTexts(slot, 0, shape, StageHeader(slot, 0, shape).sizes).texts
    assert texts == [firsts[0], cut, ABSENT, ERROR] and len(cut) == 64
    row = staged_row(slot, 0, shape, RowDecoder(chosen, layout, pytest.fail), 5)
    words = struct.unpack("<%dq" % (len(row) // 8), row)
    head = shape.row_head_words
    assert words[:5] == (10_000, 20_000, 1_000, 200, 0)
    assert words[5:head] == (0, 50, OK, 50, 50, TRUNCATED, 100, 50, ABSENT, 150, 50, ERROR)
    cells = {c.name: v for c, v in zip(layout.columns(), words[head:])}
    assert cells["stat.ctxt"] == 5 and (
        cells["vmstat.a"],
        cells["vmstat.b"],
        cells["vmstat.c"],
    ) == (11, 22, MISSING)
    assert cells["meminfo.M"] == cells["loadavg.load_1min"] == MISSING
    assert (cells["collector.cpu_ns"], cells["collector.rss_bytes"]) == (77, 88)


def test_a_source_that_was_not_read() -> None:
    """A source that was not read has the status it was given, and all its cells are missing."""
    one = Decoded("loadavg", b"0.01 0.02 0.03 1/2 3\n")
    row, statuses = one.rows.decode([DENIED], 0)
    assert statuses == [DENIED] and set(row) == {MISSING}


# ---- layout


def test_layout_round_trip() -> None:
    """A layout that went through its dict has the same columns; spare slots are there and have no device."""
    layout = make_layout(
        sources.select("diskstats,loadavg"), [disk("a", "b"), b"0.01 0.02 0.03 1/2 3\n"]
    )
    again = Layout.from_dict(layout.to_dict())
    assert (
        again.columns() == layout.columns() and len(layout.columns()) == layout.width == again.width
    )
    spare = [c for c in layout.columns() if c.device is None]
    assert len(spare) == 17 * (layout.tables[0].slots - 2)
    assert layout.columns()[0] == Column(
        "diskstats.a.reads_completed",
        "reads",
        "counter",
        "diskstats",
        "devices",
        "a",
        "reads_completed",
    )


def test_table_refuses() -> None:
    """More devices than slots is a mistake of the caller; an unknown device or field is a KeyError."""
    field = Field("f", "", "gauge", "")
    with pytest.raises(ValueError, match="2 devices in 1"):
        DeviceTable("s", "t", [field], ["a", "b"], 1)
    table = DeviceTable("s", "t", [field], ["a"], 2)
    for device, name in (("b", "f"), ("a", "g")):
        with pytest.raises(KeyError):
            table.column(device, name)
