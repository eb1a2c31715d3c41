"""What came from memory, by what an NFS client counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from corpus.machine import IDLE, Load, Machine, Server
from corpus.record import Phase, record

from mpi_collector.formats.why_document import WhyDocument
from mpi_collector.store.recording import Recording
from mpi_collector.why.analysis import why

MACHINE = Machine(server=Server())
LOAD = Load(threads=8, request_bytes=1e6, where="server", cpu_s=50e-6)


def _answer(path: Path, load: Load, machine: Machine = MACHINE) -> WhyDocument:
    record(path, [machine], [Phase("", 3, (IDLE,)), Phase("read", 20, (load,))], seed=3)
    with Recording(path) as recording:
        return why(recording)


@pytest.mark.parametrize("cached", [0.0, 0.1, 0.5, 0.9])
def test_share_of_an_nfs_mount(cached: float, tmp_path: Path) -> None:
    answer = _answer(tmp_path / "run.npz", replace(LOAD, cached=cached))
    (share,) = answer["cache"]
    assert share["from_memory_share"] == pytest.approx(cached, abs=0.02)
    warned = [c for c in answer["claims"] if c["cause"] == "page cache"]
    assert bool(warned) == (cached >= 0.05)
    limit = answer["limited_by"]
    assert limit is None or limit["cause"] != "page cache"


def test_writes_say_nothing_about_reads(tmp_path: Path) -> None:
    (share,) = _answer(tmp_path / "run.npz", replace(LOAD, read=0.0))["cache"]
    assert share["asked_bytes"] is None
    assert share["from_memory_share"] is None


def test_without_what_was_asked_for_nothing_is_known(tmp_path: Path) -> None:
    load = replace(LOAD, where="disk", cached=0.7)
    answer = _answer(tmp_path / "run.npz", load, Machine())
    (share,) = answer["cache"]
    assert share["from_memory_share"] is None
    assert [c for c in answer["claims"] if c["cause"] == "page cache"] == []
