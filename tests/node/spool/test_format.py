"""One checksum for every writer and every reader, also at ticks beyond 32 bits."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from nodekit import FIXTURES, FakeTime, Run, file_spool

from mpi_collector.batch.decoder import BatchDecoder
from mpi_collector.node import sources
from mpi_collector.node.read.probe import Probe
from mpi_collector.node.row.decode import RowDecoder
from mpi_collector.node.row.layout import STOP_TICK
from mpi_collector.node.sample.sampler import TickGrid
from mpi_collector.node.spool.directory import RunDirectory
from mpi_collector.node.spool.format import is_whole, write_stamp
from mpi_collector.node.spool.reader import SpoolReader
from mpi_collector.node.spool.replica import Changes, Replica
from mpi_collector.node.spool.writer import Spool
from mpi_collector.node.table.table import SampleTable

SMALL = str(FIXTURES / "linux-4.18")
TICKS = [0, 2**32 - 4, 2**32 - 3, 2**32 - 2, 2**32 - 1, 2**32, 2**40 - 1, 2**40 + 7]
SECOND = 1_000_000_000


def sample_at(run: Run, clock: FakeTime, tick: int) -> None:
    """Take the sample of this tick and the one of the stop."""
    grid = TickGrid(clock.now - tick * SECOND, SECOND, clock.now + SECOND)
    run.sampler.start(grid)
    run.sampler.first_sample.wait(30)
    while run.sampler.running:
        pass
    assert run.sampler.stop() == 2 and run.sampler.failure is None


def staged_before_its_decoding(spool: Spool, image: bytes) -> SpoolReader:
    """A reader of the spool as a killed process leaves it: samples staged, no row written."""
    data = bytearray(image)
    for slot in range(spool.shape.rows):
        write_stamp(data, spool.shape.row_offset(slot), 0)
    return SpoolReader(memoryview(data), "killed")


@pytest.mark.parametrize("tick", TICKS)
@pytest.mark.parametrize("decoder", [RowDecoder, BatchDecoder])
def test_every_reader_reads_what_the_sampler_wrote(
    tmp_path: Path, tick: int, decoder: type[RowDecoder]
) -> None:
    """Stage slots and rows of one tick: reader, table, replica and batch decoder agree on them."""
    clock = FakeTime()
    probe = Probe(sources.select("basic"), SMALL)
    spool = file_spool(tmp_path, probe)
    images: list[bytes] = []

    class Watched(decoder):  # type: ignore[valid-type,misc]
        """Keeps an image of the spool as it is before the decoder is asked."""

        def watch(self) -> None:
            images.append(bytes(spool.view))

        if decoder is BatchDecoder:

            def decode_stage(self, view: memoryview, shape: object, wanted: object) -> object:
                self.watch()
                return super().decode_stage(view, shape, wanted)
        else:

            def decode(self, raws: list[object], tick: int) -> object:
                self.watch()
                return super().decode(raws, tick)

    watched = Watched(probe.sources, probe.layout, spool.event)
    with Run("basic", SMALL, spool=spool, time=clock, decoder=watched, policy="ring") as run:
        sample_at(run, clock, tick)
        assert [t for t, _at in spool.reader().rows()] in ([tick, STOP_TICK], [STOP_TICK, tick])
        table = SampleTable(spool.reader())
        assert table.ticks == [tick, STOP_TICK] and all(set(s) == {0} for s in table.statuses())
        first = SampleTable(staged_before_its_decoding(spool, images[0]))
        assert first.ticks == [tick] and list(first.row(0)) == list(table.row(0))
        assert list(first.head("late_ns")) == list(table.head("late_ns"))[:1]
        directory = RunDirectory(str(tmp_path), "copy").open()
        replica = Replica(directory, "host", spool.shape.size)
        os.close(directory)
        replica.apply(*Changes(spool).take(0))
        assert SampleTable(replica.reader()).ticks == table.ticks
        replica.close(remove=True)
    probe.close()


@pytest.mark.parametrize("bit", range(64))
def test_no_wrong_bit_of_a_stamp_is_missed(bit: int) -> None:
    """The checksum covers all of a stamp, not only its low half."""
    with Run("loadavg", SMALL) as run:
        run.spool.write_row(0, 7, bytes(8 * run.spool.shape.row_words))
        at = run.spool.shape.row_offset(0)
        assert is_whole(run.spool.view, at, run.spool.shape.row_size)
        (stamp,) = struct.unpack_from("<Q", run.spool.mm, at)
        struct.pack_into("<Q", run.spool.mm, at, stamp ^ 1 << bit)
        assert not is_whole(run.spool.view, at, run.spool.shape.row_size)
