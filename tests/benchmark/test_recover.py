"""``recover`` on one host: a spool goes only when its rows are in the files, and never from under a run that lives."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import mpi_collector
from mpi_collector.benchmark.found_spools import FoundSpool, LocalSpool
from mpi_collector.benchmark.recover import recover_run
from mpi_collector.benchmark.suite_recorder import packed
from mpi_collector.cli.recover import main
from mpi_collector.node.agent.recorder import Recorder
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.spool.directory import user_directory

RUN = "host_20260105_120000-abcdef"


def spool(place: Path, key: str, ticks: int = 5) -> Recorder:
    """One that is being written."""
    place.mkdir(exist_ok=True)
    options = SamplingOptions(
        interval_s=0.01, max_samples=64, sources="loadavg", spool_dir=str(place)
    )
    recorder = Recorder(options, RUN, key, {"benchmark": "host", "stem": RUN[:-7]})
    recorder.prepare()
    recorder.own_clock()
    recorder.start(time.monotonic_ns() + 5_000_000, time.time_ns(), 64)
    while recorder.sampler.taken < ticks:
        time.sleep(0.005)
    return recorder


def dead(place: Path, key: str, ticks: int = 5) -> Path:
    """Its file, as a killed process leaves it."""
    recorder = spool(place, key, ticks)
    recorder.sampler.stop()
    recorder.close()
    return place / user_directory() / RUN / key


def recovered(place: Path, results: Path, *words: str) -> int:
    return main(
        [
            RUN,
            "--transport",
            "local",
            "--spool-dir",
            str(place),
            "--results-dir",
            str(results),
            *words,
        ]
    )


class Gone(LocalSpool):
    """A host that answers, and no longer does when its table is taken."""

    def write_to(self, sink: Any) -> None:
        del sink
        raise RuntimeError("a: the cable is out")


def test_what_was_not_saved_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A host that is lost while its rows are fetched keeps its spool: a second try has them all."""
    shm, results = tmp_path / "shm", tmp_path / "results"
    paths = {key: dead(shm, key) for key in ("a", "b")}
    found = [
        FoundSpool("a", partial(Gone, str(shm), RUN, "a")),
        FoundSpool("b", lambda: LocalSpool(str(shm), RUN, "b")),
    ]
    assert recover_run(RUN, found, results, False, {}) == 0
    assert paths["a"].exists() and not paths["b"].exists()
    with mpi_collector.load(results) as run:
        assert list(run) == ["b"]
        assert run.run["hosts_partial"] == {"a": "a: the cable is out"}
    assert "a: the cable is out" in capsys.readouterr().err
    assert recovered(shm, tmp_path / "again") == 0
    with mpi_collector.load(tmp_path / "again") as run:
        assert list(run) == ["a"]
    assert not (shm / user_directory()).exists()


def test_a_spool_that_cannot_be_packed_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spool whose meta data are good and whose rows are not is named; the others are saved."""
    shm, results = tmp_path / "shm", tmp_path / "results"
    dead(shm, "a")
    bad = dead(shm, "b")

    def damaged(table: Any, key: str, json: bool) -> Iterator[Any]:
        yield from packed(table, key, json)
        if key == "b":
            raise KeyError("policy")

    monkeypatch.setattr("mpi_collector.benchmark.found_spools.packed", damaged)
    found = [FoundSpool(key, partial(LocalSpool, str(shm), RUN, key)) for key in ("a", "b")]
    assert recover_run(RUN, found, results, False, {}) == 0
    assert bad.exists()
    with mpi_collector.load(results) as run:
        assert list(run) == ["a"]
        assert "damaged: KeyError: 'policy'" in run.run["hosts_partial"]["b"]


def test_of_two_the_longer_one_and_else_the_other(tmp_path: Path) -> None:
    """Of a spool and a copy the longer one counts and both go; one that cannot be fetched stays, and the other counts."""
    for lost in (False, True):
        long, short, results = (
            tmp_path / f"long{lost}",
            tmp_path / f"short{lost}",
            tmp_path / f"results{lost}",
        )
        paths = [dead(long, "a", 12), dead(short, "a", 3)]
        first = Gone if lost else LocalSpool
        found = [
            FoundSpool("a", partial(LocalSpool, str(short), RUN, "a")),
            FoundSpool("a", partial(first, str(long), RUN, "a")),
        ]
        assert recover_run(RUN, found, results, False, {}) == 0
        with mpi_collector.load(results) as run:
            assert (len(run["a"].tick) >= 12) is not lost
            assert not run.run["hosts_partial"]
        assert [p.exists() for p in paths] == [lost, False]


def test_nothing_is_taken_from_a_run_that_lives_somewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of its hosts has died, another one samples on: what is there now would be torn apart."""
    shm, results = tmp_path / "shm", tmp_path / "results"
    path = dead(shm, "a")
    living = spool(shm, "b")
    code = recovered(shm, results)
    living.sampler.stop()
    living.close()
    assert code == 2
    assert f"{RUN} is still alive on b" in capsys.readouterr().err
    assert path.exists() and not results.exists()
    assert recovered(shm, results) == 0
    with mpi_collector.load(results) as run:
        assert list(run) == ["a", "b"]


def test_results_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The spools are kept, and a second try elsewhere has them."""
    shm = tmp_path / "shm"
    path = dead(shm, "a")
    (tmp_path / "file").touch()
    assert recovered(shm, tmp_path / "file" / "results") == 2
    assert "the spools are kept" in capsys.readouterr().err
    assert path.exists()
    assert recovered(shm, tmp_path / "results") == 0


@pytest.mark.parametrize("what", ["symlink", "another user's", "directory", "pipe", "damaged"])
def test_beside_what_is_no_spool_of_ours(tmp_path: Path, what: str) -> None:
    """It is passed over or named, stays where it is, and the others come back."""
    shm, results = tmp_path / "shm", tmp_path / "results"
    place = dead(shm, "a").parent
    odd, target = place / "odd", tmp_path / "target"
    if what == "symlink":
        shutil.copy(place / "a", target)
        odd.symlink_to(target)
    elif what == "another user's":
        if os.getuid():
            pytest.skip("not root: there are no files of others to be had")
        shutil.copy(place / "a", odd)
        os.chown(odd, 12345, 12345)
    elif what == "directory":
        odd.mkdir()
    elif what == "pipe":
        os.mkfifo(odd)
    else:
        body = bytearray((place / "a").read_bytes())
        struct.pack_into("<q", body, 16, 1 << 40)
        odd.write_bytes(body)
    assert recovered(shm, results) == 0
    assert os.path.lexists(odd)
    with mpi_collector.load(results) as run:
        assert list(run) == ["a"]
        assert list(run.run["hosts_partial"]) == (["odd"] if what == "damaged" else [])


def test_killed_in_the_middle(tmp_path: Path) -> None:
    """kill -9 of recover itself, with the rows half written: no file has appeared, the spool is there, and it works again."""
    shm, results = tmp_path / "shm", tmp_path / "results"
    path = dead(shm, "a")

    class Killed(LocalSpool):
        def write_to(self, sink: Any) -> None:
            super().write_to(sink)
            os.kill(os.getpid(), signal.SIGKILL)

    pid = os.fork()
    if not pid:
        recover_run(RUN, [FoundSpool("a", lambda: Killed(str(shm), RUN, "a"))], results, False, {})
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    assert path.exists()
    assert not [p for p in results.iterdir() if not p.name.startswith(".")]
    assert recovered(shm, results) == 0
    with mpi_collector.load(results) as run:
        assert len(run["a"].tick) >= 5
    assert not shm.joinpath(user_directory()).exists()


def test_nobody_knows_the_end(tmp_path: Path) -> None:
    """All hosts were stopped, and the launch side has died before it wrote the files: it alone knew why."""
    dead(tmp_path / "spool", "a")
    words = [
        RUN,
        "--spool-dir",
        str(tmp_path / "spool"),
        "--results-dir",
        str(tmp_path / "results"),
    ]
    assert main(words) == 0
    with mpi_collector.load(tmp_path / "results") as run:
        assert run.run["facts"]["a"]["complete"]
        assert run.run["ended_by"] == "recover"
        verdict = run.run["verdict"]
    assert verdict["verdict"] == "partial"
    (reason,) = (text for text in verdict["reasons"] if "late" not in text and "missed" not in text)
    assert "what ended the run is not known" in reason
