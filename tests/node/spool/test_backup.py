"""Backups of spools: complete, private, never through a symlink, read like spools."""

from __future__ import annotations

import os
import shutil
import stat
import threading
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mpi_collector.node.agent.recorder import Recorder
from mpi_collector.node.errors import SpoolError
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.spool import backup
from mpi_collector.node.spool.directory import find_spools, user_directory
from mpi_collector.node.table.recovered import RecoveredSpool


def record(place: Path, safe: Path | None, rows: int = 64, samples: int = 5) -> Recorder:
    options = SamplingOptions(interval_s=0.01, max_samples=rows, sources="basic",
    spool_dir=str(place),
                              rescue_dir=str(safe) if safe else None)  # fmt: skip
    recorder = Recorder(options, "run_1", "a", {"benchmark": "host", "stem": "s"})
    recorder.prepare()
    recorder.own_clock()
    recorder.start(time.monotonic_ns() + 5_000_000, time.time_ns(), rows)
    while recorder.sampler.taken < samples:
        time.sleep(0.005)
    return recorder


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("shm", "safe"):
        (tmp_path / name).mkdir()
    return tmp_path / "shm", tmp_path / "safe"


def saved(places: tuple[Path, Path]) -> Path:
    """The file of a recording that nobody fetched."""
    recorder = record(*places)
    recorder.close()
    return places[1] / user_directory() / "run_1" / "a"


def test_an_orphan_sets_it_down_and_keeps_its_spool(places: tuple[Path, Path]) -> None:
    """The backup has the same rows as the spool; it is private, small, and discarded with it."""
    path = saved(places)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    (spool,) = find_spools(str(places[0]))
    (found,) = find_spools(str(places[1]))
    assert (found["run"], found["key"], found["alive"], found["dir"]) == (
        "run_1",
        "a",
        False,
        str(places[1]),
    )
    assert found["bytes"] < spool["bytes"] / 4
    one, other = (RecoveredSpool(str(p), "run_1", "a") for p in places)
    assert one.about() == other.about()
    assert one.table.values == other.table.values
    assert one.table.head_words == other.table.head_words
    assert not one.about()["facts"]["complete"]
    with pytest.raises(SpoolError, match="still alive"):  # somebody is at it
        RecoveredSpool(str(places[1]), "run_1", "a")
    other.discard()
    assert list(places[1].iterdir()) == []


def test_what_is_safe_needs_no_rescue(places: tuple[Path, Path]) -> None:
    """An early backup (SIGTERM) is removed after the gathering, else replaced by a later one."""
    recorder = record(*places)
    recorder.back_up()
    early = list(RecoveredSpool(str(places[1]), "run_1", "a").table.ticks)
    taken = recorder.sampler.taken
    while recorder.sampler.taken < taken + 4:
        time.sleep(0.005)
    recorder.back_up()
    later = list(RecoveredSpool(str(places[1]), "run_1", "a").table.ticks)
    assert later[: len(early)] == early
    assert len(later) > len(early)
    recorder.stop()
    recorder.discard()
    assert find_spools(str(places[1])) == [] == find_spools(str(places[0]))
    assert list(places[1].iterdir()) == []


def test_while_it_samples(places: tuple[Path, Path]) -> None:
    """Every one of ten backups made while rows are written can be read."""
    recorder = record(*places, rows=16, samples=40)
    for _ in range(10):
        recorder.back_up()
        spool = RecoveredSpool(str(places[1]), "run_1", "a")
        assert len(spool.table) >= 8
        del spool
    thread = threading.Thread(target=recorder.back_up)
    thread.start()
    recorder.close()
    thread.join()
    assert -1 in RecoveredSpool(str(places[1]), "run_1", "a").table.ticks


def test_plain_memory_is_rescued(places: tuple[Path, Path]) -> None:
    """Without a spool it is the only copy."""
    shutil.rmtree(places[0])
    recorder = record(*places)
    assert "plain memory" in recorder.warnings[0]
    recorder.close()
    assert RecoveredSpool(str(places[1]), "run_1", "a").about()["facts"]["ticks"] >= 5


def test_said_before_the_job(places: tuple[Path, Path]) -> None:
    """A directory that is missing or none is a warning at the start."""
    shm, safe = places
    cases = {"No such file": safe / "none", "Not a directory": safe / "file"}
    (safe / "file").write_text("")
    for says, directory in cases.items():
        recorder = record(shm, directory)
        (warning,) = recorder.warnings
        assert warning.startswith("--rescue-dir: ") and says in warning
        recorder.close()
        shutil.rmtree(shm / user_directory())
    assert not backup.why_unusable(str(safe))
    assert not list((safe / user_directory()).iterdir())


@pytest.mark.parametrize("what", ["file", "link", "dangling"])
def test_nothing_is_overwritten_or_followed(places: tuple[Path, Path], what: str) -> None:
    """What stands under the name stays as it is, and so does what a link points to."""
    path = places[1] / user_directory() / "run_1" / "a"
    path.parent.mkdir(parents=True, mode=0o700)
    path.parent.parent.chmod(0o700)
    path.parent.chmod(0o700)
    victim = places[1] / "victim"
    if what != "dangling":
        victim.write_text("mine")
    if what == "file":
        path.write_text("mine")
    else:
        path.symlink_to(victim)
    recorder = record(*places)
    recorder.close()
    assert (path.read_text() if what != "dangling" else "mine") == "mine"
    assert victim.exists() == (what != "dangling")
    assert [p.name for p in path.parent.iterdir()] == ["a"]
    assert find_spools(str(places[0]))  # the spool is there as ever


def test_without_hard_links(places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_words: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    saved(places)
    assert -1 in RecoveredSpool(str(places[1]), "run_1", "a").table.ticks


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("damaged")
    (base / "shm").mkdir()
    (base / "safe").mkdir()
    return saved((base / "shm", base / "safe"))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_files(file: Path, data: st.DataObject) -> None:
    """Any bit, any length: an error that names the file, or what was in it."""
    good = file.read_bytes()
    body = bytearray(
        good[: data.draw(st.integers(0, len(good)))] if data.draw(st.booleans()) else good
    )
    if body and data.draw(st.booleans()):
        body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    changed = file.parent / "changed"
    changed.write_bytes(body)
    if bytes(body) == good:
        assert list(backup.open_any(str(changed)).rows())
        return
    with pytest.raises(SpoolError, match="changed: "):
        backup.open_any(str(changed))


@given(st.integers(-(2**63), 2**63), st.integers(-(2**63), 2**63), st.booleans())
@example(1 << 39, 8, True)
@settings(max_examples=50, deadline=None)
def test_sizes_that_cannot_be(file: Path, size: int, plain: int, more: bool) -> None:
    """Whole frames that claim anything: no memory is taken for it."""
    import zlib

    from mpi_collector.node.frames import encode

    changed = file.parent / "claims"
    changed.write_bytes(
        encode({"number": 1, "size": size, "plain": plain, "more": more}, zlib.compress(bytes(8)))
    )
    with pytest.raises(SpoolError, match="claims"):
        backup.open_any(str(changed))


def test_links_and_pipes_are_no_spools(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "none"):
        with pytest.raises(SpoolError, match=name):
            backup.open_any(str(tmp_path / name))
