"""The copy of a spool on another host: what arrives, what is torn, what is refused."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi_collector.node.agent.recorder import Recorder
from mpi_collector.node.errors import SpoolError
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.spool.directory import has_writer
from mpi_collector.node.spool.reader import SpoolReader
from mpi_collector.node.spool.replica import Replica
from mpi_collector.node.table.table import SampleTable


@pytest.fixture
def recorder(tmp_path: Path):
    options = SamplingOptions(
        interval_s=0.01, max_samples=64, sources="basic", spool_dir=str(tmp_path)
    )
    recorder = Recorder(options, "run", "node1", {"benchmark": "host"})
    recorder.prepare()
    recorder.own_clock()
    yield recorder
    recorder.close(remove=True)


@pytest.fixture
def directory(tmp_path: Path):
    (tmp_path / "copies").mkdir(mode=0o700)
    fd = os.open(tmp_path / "copies", os.O_RDONLY)
    yield fd
    os.close(fd)


def run_for(recorder: Recorder, samples: int) -> None:
    if recorder.sampler is None:
        recorder.start(time.monotonic_ns() + 10_000_000, time.time_ns(), 64)
    while recorder.sampler.taken < samples:
        time.sleep(0.005)


def follow(recorder: Recorder, copy: Replica | None, directory: int) -> Replica:
    """Take change sets until there is nothing more."""
    while True:
        doc, blob = recorder.replicate(copy.number if copy else 0)
        copy = copy or Replica(directory, "node1", doc["size"])
        copy.apply(doc, blob)
        if not doc["more"]:
            return copy


def test_the_copy_follows_row_by_row(recorder: Recorder, directory: int) -> None:
    """After every change set the replica has the writer's rows and staged texts."""
    run_for(recorder, 5)
    copy = follow(recorder, None, directory)
    first = SampleTable(copy.reader())
    assert len(first) >= 5
    run_for(recorder, 40)  # past a batch: rows now, where texts were
    recorder.flush()
    copy = follow(recorder, copy, directory)
    assert set(first.ticks) <= set(SampleTable(copy.reader()).ticks)
    recorder.stop()
    copy = follow(recorder, copy, directory)
    mine, theirs = recorder.table(), SampleTable(copy.reader())
    assert theirs.ticks == mine.ticks
    assert list(theirs.values) == list(mine.values)
    assert list(theirs.head_words) == list(mine.head_words)
    assert theirs.events == mine.events
    copy.close(True)


def test_rows_that_are_used_again_replace_the_old_ones(recorder: Recorder, directory: int) -> None:
    """Decimation reuses rows; the copy thins out in the same way."""
    copy = None
    for samples in (30, 70, 140):
        run_for(recorder, samples)
        copy = follow(recorder, copy, directory)
    recorder.stop()
    copy = follow(recorder, copy, directory)
    assert SampleTable(copy.reader()).ticks == recorder.table().ticks


def test_a_lost_set_is_made_up_for(recorder: Recorder, directory: int) -> None:
    """A set that never arrived: everything comes again with the next."""
    run_for(recorder, 3)
    copy = follow(recorder, None, directory)
    run_for(recorder, 36)
    recorder.replicate(copy.number)  # on its way when the session broke
    recorder.stop()
    copy = follow(recorder, copy, directory)
    assert SampleTable(copy.reader()).ticks == recorder.table().ticks


def test_nothing_new_costs_next_to_nothing(recorder: Recorder, directory: int) -> None:
    run_for(recorder, 3)
    recorder.stop()
    copy = follow(recorder, None, directory)
    doc, blob = recorder.replicate(copy.number)
    assert doc["plain"] == 0
    assert len(blob) < 20


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**20), st.binary(max_size=200), st.integers(-5, 2**41))
def test_what_is_no_change_set_is_refused(
    tmp_path_factory, number: int, blob: bytes, size: int
) -> None:
    """Wherever it would write: nothing outside of the file, no other error than SpoolError."""
    import zlib

    directory = os.open(tmp_path_factory.mktemp("copies"), os.O_RDONLY)
    try:
        copy = Replica(directory, "x", 8192)
        for body in (blob, zlib.compress(blob)):
            with pytest.raises(SpoolError):
                copy.apply(
                    {"number": number, "size": size, "plain": len(blob) + 1, "more": False}, body
                )
        piece = size.to_bytes(8, "little", signed=True) + len(blob).to_bytes(8, "little") + blob
        try:
            copy.apply(
                {"number": 1, "size": 8192, "plain": len(piece), "more": False},
                zlib.compress(piece),
            )
        except SpoolError:
            assert not 0 <= size <= 8192 - len(blob)
        assert os.stat(copy.path).st_size == 8192
        copy.close(True)
    finally:
        os.close(directory)


def test_a_copy_that_is_not_begun_is_no_spool(directory: int) -> None:
    copy = Replica(directory, "x", 8192)
    with pytest.raises(SpoolError):
        copy.reader()
    copy.close(True)


def test_sizes_are_checked_before_memory_is_taken(directory: int) -> None:
    for size in (-1, 0, 4096, 1 << 60):
        with pytest.raises(SpoolError):
            Replica(directory, "x", size)
    assert SpoolReader is not None


def test_a_map_does_not_keep_the_lock(recorder: Recorder, directory: int, tmp_path: Path) -> None:
    """The replica's lock is not held by readers of its rows or by forked children."""
    run_for(recorder, 5)
    copy = follow(recorder, None, directory)
    path = str(tmp_path / "copies" / "node1")
    table = SampleTable(copy.reader())
    assert has_writer(path)
    copy.close(False)
    assert not has_writer(path)
    assert len(table) >= 5
