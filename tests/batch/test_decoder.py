"""Shapes, spare slots, and that the batch decoder is the token-wise one, only faster."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from batchkit import NAMES, calls, texts
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi_collector.batch.decoder import BatchDecoder
from mpi_collector.node import sources
from mpi_collector.node.row.decode import DEVICES, RowDecoder, make_layout, wrap
from mpi_collector.node.row.layout import MISSING, Layout
from mpi_collector.node.spool.format import STAMP_SHIFT, SpoolShape
from mpi_collector.node.spool.stage import staged_row


def line(device: str, value: int) -> bytes:
    return f"   8       0 {device} {' '.join(str(value + i) for i in range(17))}\n".encode()


class Stage:
    """A stage in memory, filled with given texts, as the sampler would fill it."""

    def __init__(
        self, layout: Layout, caps: list[int], samples: list[list[Any]], room: int = 0
    ) -> None:
        self.shape = SpoolShape(0, layout.width, caps, len(samples), 1)
        self.shape.text_room = (
            (room or sum(self.shape.caps)) // 8 * 8
        )  # for all texts of a sample together
        self.shape.stage_size = self.shape.stage_head + self.shape.text_room
        self.shape.rows_at = self.shape.stage_at + len(samples) * self.shape.stage_size
        self.data = bytearray(self.shape.rows_at)
        self.wanted = []
        for tick, raws in enumerate(samples):
            base = self.shape.stage_at + tick * self.shape.stage_size
            words = [tick + STAMP_SHIFT, 0, 1000 + tick, 5, 990 + tick, 0, 77, MISSING]
            at = base + self.shape.stage_head
            for i, (raw, cap) in enumerate(zip(raws, self.shape.caps)):
                n = (
                    raw
                    if isinstance(raw, int)
                    else min(len(raw), cap, base + self.shape.stage_size - at)
                )
                if not isinstance(raw, int):
                    self.data[at : at + n] = raw[:n]
                    at += n
                words += [n, 1000 + tick + i]
            struct.pack_into(f"<{len(words)}q", self.data, base, *words)
            self.wanted.append((tick, tick, base))

    def both_ways(
        self, make: Any
    ) -> tuple[list[bytes], list[bytes], list[dict[str, Any]], list[dict[str, Any]]]:
        """Rows and events of the token-wise decoder, and of the batch decoder."""
        plain_events: list[dict[str, Any]] = []
        batch_events: list[dict[str, Any]] = []
        view = memoryview(self.data)
        chosen, layout = make()
        plain = RowDecoder(chosen, layout, plain_events.append)
        rows = [staged_row(view, base, self.shape, plain, tick) for tick, _, base in self.wanted]
        chosen, layout = make()
        batch = BatchDecoder(chosen, layout, batch_events.append).decode_stage(
            view, self.shape, self.wanted
        )
        return rows, [row.tobytes() for row in batch], plain_events, batch_events


def factory(first: list[bytes]) -> Any:
    def make() -> tuple[list[Any], Layout]:
        chosen = [sources.BY_NAME[n]() for n in NAMES]
        return chosen, make_layout(chosen, first)

    return make


@st.composite
def changed(draw: Any, text: bytes) -> bytes:
    """A text after something happened to it.

    Usually new numbers, sometimes another shape, sometimes junk.
    """
    kind = draw(
        st.sampled_from(
            [
                "same",
                "numbers",
                "numbers",
                "numbers",
                "drop",
                "double",
                "rename",
                "byte",
                "cut",
                "empty",
            ]
        )
    )
    lines = text.splitlines(keepends=True)
    at = draw(st.integers(0, max(len(lines) - 1, 0)))
    if kind == "numbers":
        out = []
        for word in text.split(b" "):
            new = word.isdigit() and draw(st.integers(0, 40)) == 0
            out.append(
                str(draw(st.sampled_from([0, 7, 2**32, 2**63 + 5, 2**64 - 1, 2**64 + 3]))).encode()
                if new
                else word
            )
        return b" ".join(out)
    if kind == "drop" and lines:
        return b"".join(lines[:at] + lines[at + 1 :])
    if kind == "double" and lines:
        return b"".join(lines[: at + 1] + lines[at:])
    if kind == "rename":
        return text.replace(
            draw(st.sampled_from([b"vda", b"eth0", b"loop1", b"cpu1", b"nr_"])), b"new9", 1
        )
    if kind == "byte" and text:
        i = draw(st.integers(0, len(text) - 1))
        return text[:i] + draw(st.binary(min_size=0, max_size=2)) + text[i + 1 :]
    if kind == "cut":
        return text[: draw(st.integers(0, len(text)))]
    return b"" if kind == "empty" else text


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_batch_equals_token_by_token(data: Any) -> None:
    """Values, statuses and events are the same, for any change of the texts.

    They are compared bit for bit.
    """
    first = texts()
    samples = []
    for _ in range(data.draw(st.integers(1, 5))):
        samples.append([data.draw(changed(t)) if data.draw(st.booleans()) else t for t in first])
    caps = [len(t) + 64 for t in first]
    room = data.draw(
        st.sampled_from(
            [0, sum(map(len, first)) + 8, sum(map(len, first)) - 100, sum(map(len, first)) // 2]
        )
    )
    make = factory(first)
    rows, batch, events, batch_events = Stage(make()[1], caps, samples, room).both_ways(make)
    assert batch == rows
    order = NAMES.index
    assert batch_events == sorted(
        events, key=lambda e: order(e["source"])
    )  # source by source, each in the order of time


@pytest.mark.parametrize("tree", ["linux-2.6.32", "linux-4.18", "linux-6.18", "big-256cpu"])
def test_batch_uses_its_fast_way(tree: str) -> None:
    """On a real kernel's texts the fast way is taken, and gives the same."""
    first = texts(tree)
    make = factory(first)
    stage = Stage(make()[1], [len(t) + 64 for t in first], [first] * 5)
    rows, batch, _, _ = stage.both_ways(make)
    assert batch == rows
    chosen, layout = make()
    decoder = BatchDecoder(chosen, layout, print)
    whole = [calls(d) for d in decoder.decoders]
    decoder.decode_stage(memoryview(stage.data), stage.shape, stage.wanted)
    assert [len(w) for w in whole] == [1] * len(whole)


def test_a_source_that_failed_does_not_hurt_the_others() -> None:
    """A negative length is a status; a text that filled its room is cut at its last whole line."""
    first = texts()
    make = factory(first)
    samples: list[list[Any]] = [first, [-2, *first[1:]], [first[0], first[1] * 3, *first[2:]]]
    rows, batch, _, _ = Stage(make()[1], [len(t) + 64 for t in first], samples).both_ways(make)
    assert batch == rows
    assert len(set(rows)) == 3


def decoder_for(first: bytes) -> tuple[RowDecoder, list[dict[str, Any]]]:
    source = sources.BY_NAME["diskstats"]()
    events: list[dict[str, Any]] = []
    return RowDecoder([source], make_layout([source], [first]), events.append), events


def values(decoder: RowDecoder, raw: bytes, tick: int) -> dict[str, int]:
    row, _ = decoder.decode([raw], tick)
    return {c.name: v for c, v in zip(decoder.layout.columns(), row) if v != MISSING}


def test_devices_come_and_go() -> None:
    """A new device gets a spare slot and an event with its first tick.

    A removed one is missing from then on; one that returns has its old slot.
    """
    decoder, events = decoder_for(line("sda", 1))
    assert (
        values(decoder, line("sda", 2) + line("sdb", 100), 5)["diskstats.sdb.reads_completed"]
        == 100
    )
    assert [(e["type"], e["device"], e["tick"]) for e in events] == [("device", "sdb", 5)]
    assert not any("sda" in name for name in values(decoder, line("sdb", 200), 6))
    got = values(decoder, line("sdb", 300) + line("sda", 9), 7)
    assert (got["diskstats.sda.reads_completed"], got["diskstats.sdb.reads_completed"]) == (9, 300)
    assert len(events) == 1


def test_spare_slots_run_out_loudly() -> None:
    """What finds no room is counted once by name, and the others keep their values."""
    decoder, events = decoder_for(line("sda", 1))
    table = decoder.layout.by_key[("diskstats", DEVICES)]
    many = b"".join(line(f"sd{chr(98 + i)}", i) for i in range(table.slots + 1))
    got = values(decoder, line("sda", 5) + many, 3)
    assert got["diskstats.sda.reads_completed"] == 5
    values(decoder, line("sda", 6) + many, 4)
    lost = [e["name"] for e in events if e["type"] == "lost"]
    assert len(lost) == len(set(lost)) == 2


def test_layout_round_trip() -> None:
    """A layout survives JSON."""
    layout = factory(texts("big-256cpu"))()[1]
    again = Layout.from_dict(layout.to_dict())
    assert again.columns() == layout.columns()
    assert again.width == layout.width


@given(st.integers(-(2**70), 2**70))
def test_wrap(value: int) -> None:
    """Modulo 2^64 as int64."""
    assert -(2**63) <= wrap(value) < 2**63
    assert (wrap(value) - value) % 2**64 == 0


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(NAMES), st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_arbitrary_bytes_never_raise(name: str, raws: list[bytes]) -> None:
    """Whatever a kernel file may hold."""
    source = sources.BY_NAME[name]()
    decoder = RowDecoder([source], make_layout([source], [raws[0]]), lambda event: None)
    for tick, raw in enumerate(raws):
        row, statuses = decoder.decode([raw], tick)
        assert len(decoder.to_bytes(row)) == 8 * decoder.layout.width
        assert len(statuses) == 1
