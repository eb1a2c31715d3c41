"""The check of a packed table: an honest one passes however it is cut, and a changed one does not."""

from __future__ import annotations

import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi_collector.benchmark.suite_recorder import SuiteRecorder
from mpi_collector.errors import TableError
from mpi_collector.node.compat import mono_ns, wall_ns
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.table.npy import NpzMember, json_member
from mpi_collector.output.npz import json_of
from mpi_collector.transport.agreement import table_bounds
from mpi_collector.transport.base import HostState
from mpi_collector.transport.checked_sink import stream_table
from mpi_collector.transport.known_layouts import KnownLayouts
from mpi_collector.transport.table_check import TableBounds, TableCheck


class Table(NamedTuple):
    """A packed table and what was agreed on before."""

    bounds: TableBounds
    facts: dict[str, Any]
    members: list[NpzMember]

    @property
    def heads(self) -> list[dict[str, Any]]:
        return [m.head() for m in self.members]

    @property
    def packed(self) -> list[bytes]:
        return [b"".join(m.chunks) for m in self.members]


class Run:
    """A run of this host alone."""

    run = "run"
    capacity = 50

    def __init__(self, options: SamplingOptions) -> None:
        self.options = options
        self.t0_ns = mono_ns()
        self.epoch_ns = wall_ns()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    """A recording of this machine."""
    place = tmp_path_factory.mktemp("spools")
    options = SamplingOptions(
        interval_s=0.02, max_samples=50, sources="basic", spool_dir=str(place)
    )
    recorder = SuiteRecorder(options, "run", "node1", {"benchmark": "host"})
    host = HostState("node1", "node1", {}, ready=recorder.prepare())
    run = Run(options)
    recorder.own_clock()
    recorder.start(run.t0_ns, run.epoch_ns, run.capacity)
    assert recorder.wait_first(30)
    time.sleep(0.3)
    recorder.stop()
    recorder.own_clock()
    members = list(recorder.pack(json=True))
    yield Table(table_bounds(run, host, json=True), dict(recorder.facts()), members)
    recorder.discard()


def check(table: Table, heads: Sequence[dict[str, Any]], packed: Sequence[bytes], step: int = 1 << 20,
          whole: bool = True, facts: dict[str, Any] | None = None, layouts: KnownLayouts | None = None) -> None:  # fmt: skip
    told = table.facts if facts is None else facts
    checked = TableCheck(table.bounds, told, heads, whole, layouts)
    for data in packed:
        checked.begin()
        for at in range(0, len(data), step):
            checked.feed(data[at : at + step])
        checked.end_member()
    checked.end()


@pytest.mark.parametrize("step", [1, 7, 4096, 1 << 20])
def test_an_honest_table_passes(table: Table, step: int) -> None:
    check(table, table.heads, table.packed, step)
    check(table, table.heads, table.packed, step, whole=False)


def test_without_the_samples_of_the_suite(table: Table) -> None:
    alone = Table(replace(table.bounds, json=False), table.facts, table.members[:-1])
    check(alone, alone.heads, alone.packed)
    with pytest.raises(TableError, match="members"):
        check(alone, table.heads, table.packed)


@settings(max_examples=60)
@given(data=st.data())
def test_any_damage_is_found(table: Table, data: Any) -> None:
    """A byte of any member changed, cut off, or put in: TableError, and nothing else."""
    number = data.draw(st.integers(0, len(table.members) - 1))
    packed = table.packed
    at = data.draw(st.integers(0, len(packed[number]) - 1))
    kind = data.draw(st.sampled_from(["change", "cut", "add", "twice"]))
    old = packed[number]
    if kind == "change":
        new = old[:at] + bytes([old[at] ^ data.draw(st.integers(1, 255))]) + old[at + 1 :]
    elif kind == "cut":
        new = old[:at]
    elif kind == "add":
        new = old + bytes([data.draw(st.integers(0, 255))])
    else:
        new = old + old
    if kind == "change" and _inflated(new) == _inflated(old):
        return  # a bit that means nothing, such as those behind the end of a deflate stream
    packed[number] = new
    heads = table.heads
    heads[number]["packed"] = len(new)
    with pytest.raises(TableError):
        check(table, heads, packed)
    with pytest.raises(TableError):
        check(table, heads, packed, layouts=layouts_of(table))


def _inflated(packed: bytes) -> bytes | None:
    inflate = zlib.decompressobj(-15)
    try:
        data = inflate.decompress(packed)
    except zlib.error:
        return None
    return data if inflate.eof and not inflate.unused_data else None


def layouts_of(table: Table) -> KnownLayouts:
    """What the check of another host with the same layout has left."""
    known = KnownLayouts()
    check(table, table.heads, table.packed, layouts=known)
    return known


def changed_meta(table: Table, change: Callable[[dict[str, Any]], object]) -> NpzMember:
    meta = json_of(table.packed[0])
    change(meta)
    return json_member("node1/meta", meta)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["layout"]["tables"][0]["fields"][0].__setitem__(0, "another"),
        lambda m: m["layout"]["tables"][0].update(slots=-1),
        lambda m: m["layout"].update(sources=5),
        lambda m: m.update(layout=5),
        lambda m: m.pop("layout"),
        lambda m: m["snapshot"].update(mounts=5),
        lambda m: m.update(snapshot=5, snapshot_end={"hostname": "h", "mounts": 5}),
        lambda m: m.update(snapshot_end={"hostname": "h", "mounts": 5}),
        lambda m: m.update(snapshot_end={"mounts": []}),
        lambda m: m.update(snapshot_end=5),
    ],
)
def test_meta_of_a_host_like_another(
    table: Table, change: Callable[[dict[str, Any]], object]
) -> None:
    """What was checked of another host, or of the start, lets nothing through that is different."""
    layouts = layouts_of(table)
    check(table, table.heads, table.packed, layouts=layouts)
    member = changed_meta(table, change)
    heads = [member.head(), *table.heads[1:]]
    with pytest.raises(TableError, match="meta|layout"):
        check(table, heads, [b"".join(member.chunks), *table.packed[1:]], layouts=layouts)


@settings(max_examples=100)
@given(data=st.data())
def test_any_head(table: Table, data: Any) -> None:
    """Whatever the heads and facts say instead of the truth is found, before more is taken than there is."""
    heads = table.heads
    facts = dict(table.facts)
    number = st.integers(0, 1 << 48)
    if data.draw(st.booleans()):
        head = heads[data.draw(st.integers(0, len(heads) - 1))]
        field = data.draw(st.sampled_from(["size", "crc"]))
        before = head[field]
        head[field] = data.draw(number.filter(lambda n: n != before))
    else:
        field = data.draw(st.sampled_from(["samples", "ticks", "columns"]))
        facts[field] = data.draw(number.filter(lambda n: n != facts[field]))
    with pytest.raises(TableError):
        check(table, heads, table.packed, facts=facts)


def zeros(size: int) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return block * (size >> 20) + deflate.flush()


def test_bombs_take_no_memory(table: Table) -> None:
    """Each member in turn inflates to a gigabyte; of none more than its due is held."""
    bomb = zeros(1 << 30)
    for number, head in enumerate(table.heads):
        heads, packed = table.heads, table.packed
        packed[number] = bomb
        tracemalloc.start()
        with pytest.raises(TableError):
            check(table, heads, packed)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 40_000_000, head["name"]


class Sink:
    def __init__(self) -> None:
        self.made: list[str] = []
        self.bytes = 0

    def begin_host(self, key: str) -> None:
        self.made.append(f"begin {key}")

    def begin(self, head: dict[str, Any]) -> None:
        pass

    def write(self, data: bytes | memoryview) -> None:
        self.bytes += len(data)

    def end_host(self) -> None:
        self.made.append("end")

    def drop_host(self) -> None:
        self.made.append("drop")


@pytest.mark.parametrize("step", [1000, 1 << 20])
def test_a_stream(table: Table, step: int) -> None:
    """A good table goes through; of a bad one all is received, and the host is dropped."""

    def stream(packed: list[bytes], sink: Sink) -> int:
        data = memoryview(b"".join(packed))
        received = []

        def receive(size: int, take: Any) -> None:
            assert size == len(data)
            for at in range(0, size, step):
                take(data[at : at + step])
                received.append(len(data[at : at + step]))

        checked = TableCheck(table.bounds, table.facts, table.heads)
        try:
            stream_table(sink, "node1", table.heads, checked, receive)
        finally:
            assert sum(received) == len(data)
        return len(data)

    good, bad = Sink(), Sink()
    size = stream(table.packed, good)
    assert good.made == ["begin node1", "end"]
    assert good.bytes == size
    packed = table.packed
    packed[3] = packed[3][:-1] + bytes([packed[3][-1] ^ 1])
    with pytest.raises(TableError):
        stream(packed, bad)
    assert bad.made == ["begin node1", "drop"]


def test_the_bounds_are_those_of_the_run(table: Table) -> None:
    """A table of another host, run or grid is refused, and one that is larger than agreed."""
    for field, value in (("key", "node2"), ("run", "other"), ("columns", table.bounds.columns + 1), ("last_tick", 1),
                         ("rows", 3), ("end_ns", table.bounds.begin_ns), ("grid", {**table.bounds.grid, "capacity": 7})):  # fmt: skip
        other = table._replace(bounds=replace(table.bounds, **{field: value}))
        with pytest.raises(TableError):
            check(other, table.heads, table.packed)
