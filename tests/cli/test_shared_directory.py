"""A results directory in which anyone may write: what other users put there is none of our runs'."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from other_user import NOBODY, as_user, needs_root, shared_directory

import mpi_collector
from mpi_collector.benchmark.dlio import statistics_of_run
from mpi_collector.benchmark.keeper.directory import ResultsDirectory
from mpi_collector.benchmark.keeper.values import RecordedCommand
from mpi_collector.cli.control import mark, stop
from mpi_collector.errors import RecordingError
from mpi_collector.node.spool import marks
from mpi_collector.output.files import release, reserve

pytestmark = needs_root

MARK = json.dumps({"text": "planted", "edge": "point", "mono_ns": 1, "wall_ns": 1}) + "\n"
HUGE = 6 << 30


def _text(path: Path) -> None:
    path.write_text(MARK)
    path.chmod(0o666)


def _huge(path: Path) -> None:
    path.write_text("{")
    os.truncate(path, HUGE)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))


KINDS: dict[str, Callable[[Path], None]] = {
    "file": _text,
    "empty": Path.touch,
    "huge": _huge,
    "pipe": lambda path: os.mkfifo(path, 0o666),
    "socket": _socket,
    "zeros": lambda path: path.symlink_to("/dev/zero"),
    "link": lambda path: path.symlink_to("/etc/hostname"),
    "dangling": lambda path: path.symlink_to("/nonexistent/file"),
    "loop": lambda path: path.symlink_to(path.name),
    "directory": Path.mkdir,
}


def plant(path: Path, kind: str) -> None:
    """Have another user make a file of this kind; a device takes root."""
    if kind == "device":
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero
        os.lchown(path, NOBODY, NOBODY)
    else:
        as_user(NOBODY, lambda: KINDS[kind](path))
    assert os.lstat(path).st_uid == NOBODY


every_kind = pytest.mark.parametrize("kind", [*KINDS, "device"])


@pytest.fixture
def shared() -> Iterator[Path]:
    with shared_directory() as path:
        yield path


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    """Nothing hangs, or takes a gigabyte."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    signal.alarm(60)
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)
    signal.alarm(0)


@pytest.fixture
def directory(shared: Path) -> Iterator[ResultsDirectory]:
    """The results directory of a run, in the keeper's hands."""
    made = ResultsDirectory()
    made.reserve(shared, "host", "abc123", os.getpid(), {})
    yield made
    made.release()


NO_COMMAND = RecordedCommand((), 0, 1)


@every_kind
def test_a_planted_request_ends_no_run(directory: ResultsDirectory, kind: str) -> None:
    plant(directory.files.stop_request, kind)
    assert not directory.stop_requested()


@every_kind
def test_planted_marks_are_none(directory: ResultsDirectory, kind: str) -> None:
    plant(directory.files.marks, kind)
    assert directory.marks(NO_COMMAND, 10).marks == []


@pytest.mark.parametrize("uid", [0, NOBODY])
def test_requests_of_the_user_and_of_root_count(uid: int) -> None:
    """``uid``: whose run it is. Root may end every run; another user none."""

    with shared_directory() as shared:
        for owner, counts in ((uid, True), (0, True), (65533, False)):
            made = ResultsDirectory()
            made.reserve(shared, "host", "x", os.getpid(), {})
            os.chown(made.files.marker, uid, uid)
            made.files.stop_request.touch()
            os.chown(made.files.stop_request, owner, owner)
            assert made.stop_requested() == counts, owner
            made.files.marks.write_text(MARK)
            os.chown(made.files.marks, owner, owner)
            assert len(made.marks(NO_COMMAND, 10).marks) == int(counts)
            made.release()


def words(shared: Path, *further: str) -> list[str]:
    return [*further, "--results-dir", str(shared), "--spool-dir", str(shared / "none")]


@every_kind
def test_stop_and_mark_beside_what_was_planted(
    directory: ResultsDirectory, shared: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """They say which file is in the way, and of which kind; nobody's file is written."""
    plant(directory.files.stop_request, kind)
    plant(directory.files.marks, kind)
    assert stop(words(shared)) == 2
    assert mark(words(shared, "text")) == 2
    said = capfd.readouterr().err.splitlines()
    for line, path in zip(said, (directory.files.stop_request, directory.files.marks), strict=True):
        assert f"{path}: belongs to another user" in line
    assert MARK.count("\n") == 1 and (kind != "file" or directory.files.marks.read_text() == MARK)


def test_stop_and_mark_reach_the_run(directory: ResultsDirectory, shared: Path) -> None:
    assert mark(words(shared, "text")) == 0
    assert len(directory.marks(NO_COMMAND, 10).marks) == 1
    assert stop(words(shared)) == 0
    assert directory.stop_requested()


@every_kind
def test_planted_markers_are_no_runs(
    shared: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """They name no run, and take nobody's place; neither does what claims to be a result."""
    for n, name in enumerate(
        (".mpi_collector_host_20260101_000000.run.json", "host_20260101_000000_metadata.json")
    ):
        plant(shared / name, kind)
        assert n or stop(words(shared)) == 2
    assert "no such run" in capfd.readouterr().err
    made = ResultsDirectory()
    made.reserve(shared, "host", "abc123", os.getpid(), {})
    try:
        assert stop(words(shared)) == 0
        assert made.stop_requested()
    finally:
        made.release()


def test_a_run_that_another_user_claims_to_have(shared: Path) -> None:
    marker = shared / ".mpi_collector_host_20260101_000000.run.json"
    as_user(NOBODY, lambda: marker.write_text('{"run": "host_20260101_000000-aaaaaa"}') and None)
    assert stop(words(shared)) == 2


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small recording."""
    from mutations import bases

    return bases(tmp_path_factory.mktemp("bases"))[0]


def copy(recording: Path, target: Path, owner: int) -> Path:
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(recording.read_bytes())
    os.chown(target, owner, owner)
    return target


@every_kind
def test_the_newest_recording_is_no_other_users(shared: Path, recording: Path, kind: str) -> None:
    own = copy(recording, shared / "host_20260101_000000_timeseries.npz", 0)
    if kind != "directory":
        plant(shared / "host_20270101_000000_timeseries.npz", kind)
    as_user(NOBODY, (shared / "below").mkdir)
    if kind != "device":
        plant(shared / "below" / "host_20280101_000000_timeseries.npz", kind)
    with mpi_collector.load(shared) as run:
        assert run.path == own


def test_recordings_of_others_are_named_where_there_are_no_own_ones(
    shared: Path, recording: Path
) -> None:
    path = copy(recording, shared / "host_20270101_000000_timeseries.npz", NOBODY)
    link = shared / "host_20280101_000000_timeseries.npz"
    as_user(NOBODY, lambda: link.symlink_to(path))
    with pytest.raises(RecordingError, match="all 2 recordings are other users'.*name the file"):
        mpi_collector.load(shared)
    with mpi_collector.load(path) as run:
        assert run.path == path


@pytest.mark.parametrize("mode", [0o755, 0o2775])
def test_a_directory_of_colleagues(recording: Path, mode: int) -> None:
    """Where not everybody may write, recordings of others are as good as one's own."""
    with shared_directory(mode) as place:
        os.chown(place, NOBODY, NOBODY)
        copy(recording, place / "host_20260101_000000_timeseries.npz", NOBODY)
        newest = copy(recording, place / "sub" / "host_20270101_000000_timeseries.npz", 65533)
        with mpi_collector.load(place) as run:
            assert run.path in (newest, place / "host_20260101_000000_timeseries.npz")


def test_an_open_directory_of_its_owner(recording: Path) -> None:
    """A directory that its owner has opened to all: what is his counts for those who read."""
    with shared_directory(0o777) as place:
        os.chown(place, NOBODY, NOBODY)
        own = copy(recording, place / "host_20260101_000000_timeseries.npz", NOBODY)
        copy(recording, place / "host_20270101_000000_timeseries.npz", 65533)
        with mpi_collector.load(place) as run:
            assert run.path == own


@every_kind
def test_planted_statistics_of_epochs(shared: Path, kind: str) -> None:
    """They hide no statistics of the run, and make no marks."""
    epochs = {"1": {"start": "2026-01-01T00:00:00", "end": "2026-01-01T00:00:01"}}
    (shared / "0_per_epoch_stats.json").write_text(json.dumps(epochs))
    expected = len(list(statistics_of_run([shared], 0, 2**62)))
    plant(shared / "_per_epoch_stats.json", kind)
    assert expected == 1
    assert len(list(statistics_of_run([shared], 0, 2**62))) == expected


def test_names_are_reserved_beside_pipes(shared: Path) -> None:
    """The look for other runs that live does not open what is no marker."""
    plant(shared / ".mpi_collector_host_20260101_000000.run.json", "pipe")
    files = reserve(shared, "host", {})
    assert files.first
    release(files)


def test_marks_are_read_up_to_a_bound(tmp_path: Path) -> None:
    """A file of marks of 6 GB."""
    path = tmp_path / "marks"
    path.write_text(MARK)
    os.truncate(path, HUGE)
    assert len(marks.read(str(path))) == 1
