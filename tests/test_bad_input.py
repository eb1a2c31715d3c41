"""Damaged, huge and hostile files and variables give the declared error in bounded memory."""

from __future__ import annotations

import contextlib
import io
import json
import os
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic as sy
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import mpi_collector
from mpi_collector.errors import HostsError, RecordingError
from mpi_collector.node.errors import FrameError, SpoolError
from mpi_collector.node.frames import MAGIC, FrameDecoder
from mpi_collector.node.row.layout import DeviceTable, Field, Layout
from mpi_collector.node.spool import marks
from mpi_collector.node.spool.directory import RunDirectory
from mpi_collector.node.spool.reader import SpoolReader
from mpi_collector.node.spool.writer import Spool
from mpi_collector.node.table.recovered import RecoveredSpool
from mpi_collector.report.summary import document
from mpi_collector.transport.hosts import from_scheduler, parse_hostfile, parse_hosts

FUZZ = Path(__file__).parent / "fixtures" / "fuzz"
many = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@contextlib.contextmanager
def memory(most_bytes: int) -> Iterator[None]:
    """Assert that the block never allocates more than ``most_bytes``."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most_bytes
    finally:
        tracemalloc.stop()


# ---- hosts
RANGES = [
    "node[1-999999999]",
    "node[0-999999999/1]",
    "n[1-99999]m[1-99999]",
    "n[" + ",".join(["1-65536"] * 50) + "]",
    "node[000000001-999999999]",
]


@pytest.mark.parametrize("text", RANGES)
@pytest.mark.parametrize(
    "way",
    [
        "--hosts",
        "hostfile",
        "option",
        "SLURM_JOB_NODELIST",
        "PBS_NODEFILE",
        "LSB_HOSTS",
        "LSB_MCPU_HOSTS",
    ],
)
def test_ranges_are_refused_and_not_expanded(tmp_path: Path, way: str, text: str) -> None:
    """Every way to name hosts refuses a huge range within 5 MB, and names its place."""
    path = tmp_path / "hosts"
    path.write_text(f"a\n{text}{' slots=4' if way == 'option' else ''}\n")
    ways: dict[str, Any] = {
        "--hosts": lambda: parse_hosts(["a", text]),
        "hostfile": lambda: parse_hostfile(path),
        "option": lambda: parse_hostfile(path),
        "PBS_NODEFILE": lambda: from_scheduler({way: str(path)}),
        "LSB_MCPU_HOSTS": lambda: from_scheduler({way: f"{text} 4"}),
    }
    with memory(5 << 20), pytest.raises(HostsError) as caught:
        ways.get(way, lambda: from_scheduler({way: text}))()
    (message,) = caught.value.problems
    where = {"--hosts": "--hosts: ", "hostfile": f"{path}:2: ", "option": f"{path}:2: "}.get(
        way, way
    )
    assert message.startswith(where)
    assert "limit" in message or "more than 65,536" in message
    assert len(message) < 300 + len(str(path))


DIALECTS = {
    "openmpi": "node{0}{1} slots={2} max_slots={2}",
    "openmpi-old": "node{0}{1} slots = {2}",
    "mpich": "node{0}{1}:{2}",
    "mpich-binding": "node{0}{1}:{2} binding=map=0,3 ifname=ib0",
    "intel": "node{0}{1}:{2} user=x",
    "pbs": "node{0}{1}",
    "nodeset": "node[{0}-{1}]:{2}",
    "ipv6": "[2001:db8::{0}]:{2}",
    "comment": "node{0}{1} # slots={2}",
    "user": "bob@node{0}",
}


@given(
    st.sampled_from(sorted(DIALECTS)),
    st.lists(st.tuples(*[st.integers(0, 10**9) | st.text(max_size=4)] * 3), max_size=5),
    st.data(),
)
@many
def test_every_dialect_with_anything_in_it(
    tmp_path: Path, dialect: str, fill: list[tuple[Any, Any, Any]], data: st.DataObject
) -> None:
    """A damaged host file of any dialect gives hosts, or problems that name file and line."""
    text = "".join(DIALECTS[dialect].format(*words) + "\n" for words in fill)
    body = bytearray(text.encode("utf-8", "surrogatepass"))
    if body:
        body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "hosts"
    path.write_bytes(body)
    with memory(120 << 20):
        problems = refused(lambda: parse_hostfile(path))
    assert all(p.startswith(f"{path}:") for p in problems)
    numbered = [
        p for p in problems if "names no host" not in p and "more than" not in p.split(": ")[1]
    ]
    assert all(p[len(str(path)) + 1 :].split(":")[0].isdigit() for p in numbered)


def refused(parse: Callable[[], Any]) -> list[str]:
    """Return the problems of a host list; [] when it names at least one host."""
    try:
        assert parse()
    except HostsError as e:
        return e.problems
    return []


@given(
    st.sampled_from(
        [
            "SLURM_JOB_NODELIST",
            "SLURM_NODELIST",
            "PBS_NODEFILE",
            "LSB_MCPU_HOSTS",
            "LSB_HOSTS",
            "COBALT_NODEFILE",
            "OAR_NODEFILE",
        ]
    ),
    st.text(max_size=40),
)
@many
def test_any_scheduler(name: str, text: str) -> None:
    if text:
        assert all(p.startswith(name) for p in refused(lambda: from_scheduler({name: text})))
    else:
        assert from_scheduler({name: text}) is None


# ---- recordings
@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sy.cluster(
        tmp_path_factory.mktemp("good") / "host_20260105_120000_timeseries.npz", 2, 12
    )


def use(path: Path) -> None:
    """Read a recording as the verbs do."""
    with mpi_collector.load(path) as run:
        for host in run.values():
            assert len(host.tick) == len(host.timestamp_ns)
            for name in host.columns[:3]:
                host.rate(name) if host.kind(name) == "counter" else host.value(name)
        json.dumps(document(run))


def read_or_refused(path: Path) -> None:
    said = path.name
    try:
        use(path)
    except RecordingError as e:
        said = str(e)
    assert path.name in said


@given(st.data())
@many
def test_flipped_and_cut_recordings(tmp_path: Path, recording: Path, data: st.DataObject) -> None:
    body = bytearray(recording.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "host_20260105_120000_timeseries.npz"
    path.write_bytes(
        body[: data.draw(st.integers(0, len(body)))] if data.draw(st.booleans()) else body
    )
    read_or_refused(path)


def members(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as z:
        return {n: z.read(n) for n in z.namelist()}


@given(st.data())
@many
def test_flipped_inside_of_it(tmp_path: Path, recording: Path, data: st.DataObject) -> None:
    """Damaged members with valid checksums are read or refused."""
    parts = members(recording.read_bytes())
    name = data.draw(st.sampled_from(sorted(parts)))
    body = bytearray(parts[name])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(
            st.integers(0, min(len(body) - 1, data.draw(st.sampled_from([127, 1 << 20]))))
        )
        body[at] = data.draw(st.integers(0, 255))
    parts[name] = bytes(body)
    path = tmp_path / "host_20260105_120000_timeseries.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for n, b in parts.items():
            z.writestr(n, b)
    read_or_refused(path)


def test_a_bomb(tmp_path: Path, recording: Path) -> None:
    """A member that claims 40 GB and a gigabyte of zeros in place of a word are refused."""
    header = (
        b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '<i8', 'fortran_order': True, 'shape': (5000000000,), }".ljust(117)
        + b"\n"
    )
    for victim, body in (("tick", header), ("meta", bytes(1 << 30))):
        parts = members(recording.read_bytes())
        name = next(n for n in parts if n.endswith(f"/{victim}.npy"))
        parts[name] = body
        path = tmp_path / f"host_{victim}_timeseries.npz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as z:
            for n, b in parts.items():
                z.writestr(n, b)
        parts.clear()
        with memory(200 << 20), pytest.raises(RecordingError, match=f"host_{victim}"):
            use(path)


@given(st.data())
@many
def test_the_suites_json(tmp_path: Path, data: st.DataObject) -> None:
    """Damaged, truncated or deeply nested JSON is read or refused."""
    from mpi_collector.store.load import load

    sample = {
        "timestamp": "2026-01-05T12:00:00Z",
        "hostname": "a",
        "loadavg": {"load_1min": 1.0},
        "vmstat": {"pgfault": 3},
    }
    body = bytearray(
        json.dumps(
            {"samples_by_host": {"a": [sample, sample]}, "collection_interval_seconds": 1.0}
        ).encode()
    )
    for _ in range(data.draw(st.integers(0, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "host_20260105_120000_timeseries.json"
    deep = data.draw(st.sampled_from([b"", b"[" * 100_000]))
    path.write_bytes(
        deep + body[: data.draw(st.integers(0, len(body)))] if data.draw(st.booleans()) else body
    )
    with contextlib.suppress(RecordingError):
        load(path).close()


# ---- tables on their way from the hosts
def deflated(body: bytes, times: int = 1) -> bytes:
    stream = zlib.compressobj(1, zlib.DEFLATED, -15)
    return b"".join([*(stream.compress(body) for _ in range(times)), stream.flush()])


def as_text(document: str) -> bytes:
    """Return a JSON document as it is packed, behind a header of 118 bytes."""
    return b"\x93NUMPY\x01\x00v\x00" + bytes(118) + document.encode("utf-32-le")


DOCUMENTS = {
    "noise": b"\x07noise",
    "a list": deflated(as_text("[1]")),
    "no JSON": deflated(as_text("{")),
    "no text": deflated(b"\xff" * 300),
    "deep": deflated(as_text("[" * 100_000)),
    "a bomb": b"",
    "short": deflated(b"x"),
    "an odd snapshot": deflated(
        as_text('{"snapshot": {"cpuinfo": 3, "meminfo": [], "mounts": 1}}')
    ),
}


@pytest.mark.parametrize("what", sorted(DOCUMENTS))
def test_a_damaged_table_is_left_out(tmp_path: Path, what: str) -> None:
    """A host whose table is damaged is dropped, though the checksum of its frame is valid."""
    from mpi_collector.output.files import reserve
    from mpi_collector.output.sink import FileSink

    document = DOCUMENTS[what] or deflated(bytes(1 << 20), 512)
    sink = FileSink(reserve(tmp_path, "host", {}), json=False)
    sink.begin_host("a")
    sink.begin({"kind": "npz", "name": "a/meta", "crc": 0, "size": 1, "packed": len(document)})
    with memory(200 << 20), contextlib.suppress(RuntimeError):
        sink.write(document)
        sink.end_host()
        assert what == "an odd snapshot"  # read as far as it goes
    assert sink.hosts == (["a"] if what == "an odd snapshot" and sink.hosts else [])
    sink.abandon()


# ---- events and marks
LAYOUT = Layout(["loadavg"], [DeviceTable("loadavg", "", [Field("f", "", "gauge", "")], [""], 1)])
numbers = st.integers(-(2**70), 2**70) | st.floats() | st.none() | st.text(max_size=3)
values = st.recursive(
    numbers,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
events = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("grid"),
            "t0_ns": numbers,
            "epoch_ns": numbers,
            "interval_ns": numbers,
            "policy": st.sampled_from(["decimate", "ring", "stop", 7]),
            "capacity": numbers,
        }
    ),
    st.just(
        {
            "type": "grid",
            "t0_ns": 0,
            "epoch_ns": 10**18,
            "interval_ns": 10**9,
            "policy": "decimate",
            "capacity": 16,
        }
    ),
    st.fixed_dictionaries(
        {"type": st.just("clock"), "mono_ns": numbers, "offset_ns": numbers, "bound_ns": numbers}
    ),
    st.just({"type": "clock", "mono_ns": 0, "offset_ns": 0, "bound_ns": 0}),
    st.fixed_dictionaries(
        {"type": st.just("mark"), "text": values, "edge": values, "mono_ns": numbers}
    ),
    st.dictionaries(
        st.sampled_from(["type", "last_tick", "slot", "name", "source", "table", "tick"]),
        values,
        max_size=5,
    ).map(lambda d: {**d, "type": str(d.get("type"))}),
    st.builds(
        lambda kind, d: {**d, "type": kind},
        st.sampled_from(["end", "lost", "device", "slot", "damaged"]),
        st.dictionaries(
            st.sampled_from(["last_tick", "slot", "name", "source", "table", "tick"]),
            values,
            max_size=5,
        ),
    ),
)


@given(st.lists(events, max_size=5), st.lists(st.integers(0, 60), max_size=4, unique=True))
@example([{"type": "grid"}], [1])
@example(
    [
        {
            "type": "grid",
            "t0_ns": 0,
            "epoch_ns": 0,
            "interval_ns": 1,
            "policy": "decimate",
            "capacity": 16,
        },
        {"type": "mark", "text": [], "edge": [], "mono_ns": None},
    ],
    [],
)  # unhashable
@example(
    [
        {
            "type": "grid",
            "t0_ns": 0,
            "epoch_ns": 0,
            "interval_ns": 1,
            "policy": "decimate",
            "capacity": 0,
        }
    ],
    [1],
)  # shifted for ever
@example(
    [
        {
            "type": "grid",
            "t0_ns": 0,
            "epoch_ns": 0,
            "interval_ns": 1,
            "policy": "decimate",
            "capacity": float("nan"),
        }
    ],
    [1],
)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_events_that_cannot_be(tmp_path: Path, log: list[dict[str, Any]], ticks: list[int]) -> None:
    """Impossible events with valid checksums are recovered, or a SpoolError names the file."""
    directory = RunDirectory(str(tmp_path), "run").open()
    spool = Spool.create(
        directory, "a", {"layout": LAYOUT.to_dict(), "raw_bytes": [64]}, [64], 2, 16
    )
    os.close(directory)
    path = str(spool.path)
    for event in log:
        spool.event(event)
    for slot, tick in enumerate(ticks):
        spool.write_row(slot, tick, bytes(8 * spool.shape.row_words))
    spool.close()
    said = path
    try:
        found = RecoveredSpool(str(tmp_path), "run", "a")
        json.dumps(found.about())
        assert list(found.pack(False))
    except SpoolError as e:
        said = str(e)
    finally:
        os.unlink(path)
    assert path in said


@given(
    st.lists(
        st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("text", "edge", "mono_ns", "wall_ns"), values)
        ),
        max_size=3,
    )
)
@example([{"text": "x", "edge": "point", "mono_ns": float("inf"), "wall_ns": 1}])
@example([{"text": "x", "edge": "point", "mono_ns": 10**30, "wall_ns": 1}])
@many
def test_marks_that_cannot_be(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    """From a file of marks come valid marks within 63 bits, or nothing."""
    path = tmp_path / "marks"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for mark in marks.read(str(path)):
        np.array([mark["mono_ns"], mark["wall_ns"]], dtype=np.int64)
        assert mark["text"].isprintable() and mark["edge"] in marks.EDGES


def test_marks_in_a_pipe_or_a_directory(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    assert marks.read(str(tmp_path / "pipe")) == marks.read(str(tmp_path / "directory")) == []


# ---- what fuzzing found or grew from
def inputs(kind: str) -> list[Any]:
    return [pytest.param(p, id=p.stem) for p in sorted((FUZZ / kind).glob("*.z"))]


def test_there_are_inputs() -> None:
    assert len(inputs("frames")) >= 5 and len(inputs("spool")) >= 10


@pytest.mark.parametrize("path", inputs("frames"))
@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_frames_of_fuzzing(path: Path, size: int) -> None:
    """Frames in pieces of any size give messages or a FrameError."""
    stream, decoder = zlib.decompress(path.read_bytes()), FrameDecoder()
    stream = stream if size > 1 else stream[:5000]
    with contextlib.suppress(FrameError):
        for at in range(0, len(stream), size):
            assert all(isinstance(m, dict) for m, _ in decoder.feed(stream[at : at + size]))


@pytest.mark.parametrize("path", inputs("spool"))
def test_spools_of_fuzzing(tmp_path: Path, path: Path) -> None:
    """Spools found by fuzzing are recovered and packed, or give a SpoolError."""
    image = zlib.decompress(path.read_bytes())
    with contextlib.suppress(SpoolError):
        reader = SpoolReader(memoryview(image), "spool")
        assert all(isinstance(e["type"], str) for e in reader.events())
        assert all(0 <= at < len(image) for _tick, at in [*reader.rows(), *reader.staged()])
    os.close(RunDirectory(str(tmp_path), "run").open())
    (place,) = tmp_path.glob("*/run")
    (place / "a").write_bytes(image)
    with contextlib.suppress(SpoolError):
        list(RecoveredSpool(str(tmp_path), "run", "a").pack(False))


@pytest.mark.parametrize("size", [32 << 20, (32 << 20) + 1, 2**32 - 1])
def test_a_frame_of_any_length_waits_for_its_bytes(size: int) -> None:
    """A frame's length alone allocates nothing; one above the limit is a FrameError."""
    with memory(1 << 20), contextlib.suppress(FrameError):
        decoder = FrameDecoder()
        assert decoder.feed(struct.pack("<4sIII", MAGIC, size, 0, 0)) == []
        assert size <= 32 << 20
