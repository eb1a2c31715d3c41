"""What the job's processes asked for: COMMAND's tree, what it did at its end, what is no file."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from nodekit import FIXTURES

from mpi_collector.node.read.command_process import first_process
from mpi_collector.node.read.pacing import Throttled
from mpi_collector.node.read.probe import open_source
from mpi_collector.node.sources import BY_NAME
from mpi_collector.node.sources.job import JobReader

MB = 1_000_000
SIZE = 20 * MB
RUN = f"run-of-test-job-{os.getpid()}"  #: processes of an earlier test must have ended


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture
def reader() -> Iterator[JobReader]:
    reader = JobReader("/", RUN)
    values(reader)
    yield reader
    reader.close()
    while first_process(RUN) is not None:
        time.sleep(0.05)


def values(reader: JobReader, of: str = "command") -> dict[str, int]:
    lines = [line.split() for line in reader.read().decode().splitlines()]
    assert {device for device, _, _ in lines} == {"command", "user"}
    return {field: int(value) for device, field, value in lines if device == of}


def start(script: str, run: str = "", **more: object) -> subprocess.Popen[bytes]:
    environ = {**os.environ, "MPI_COLLECTOR_RUN": run or RUN}
    return subprocess.Popen(["sh", "-c", script], env=environ, **more)  # type: ignore[call-overload]


def seen(reader: JobReader, processes: int, of: str = "command") -> dict[str, int]:
    """The values once so many processes are there."""
    ends = time.monotonic() + 20
    while (found := values(reader, of))["processes"] < processes:
        assert time.monotonic() < ends, found
        time.sleep(0.02)
    return found


def test_what_command_and_its_children_read(reader: JobReader, data: Path) -> None:
    """Also what they did after they were last read: their parents have it."""
    job = start(f"cat {data} > /dev/null; sleep 1; cat {data} {data} > /dev/null")
    before = seen(reader, 2)
    assert before["not_files"] == before["left_out"] == 0
    job.wait()
    after = values(reader)
    assert after["processes"] == 0
    assert after["read_call_bytes"] == pytest.approx(3 * SIZE, abs=MB)
    assert values(reader)["read_call_bytes"] - after["read_call_bytes"] < MB


def test_what_the_recorder_reads_is_not_the_jobs(reader: JobReader, data: Path) -> None:
    job = start("sleep 1; true")
    before = seen(reader, 2)
    data.read_bytes()
    assert values(reader)["read_call_bytes"] - before["read_call_bytes"] < MB
    job.wait()


def test_others_are_not_the_job(reader: JobReader, data: Path) -> None:
    """On COMMAND's host only its tree counts."""
    job = start("sleep 2; true")
    seen(reader, 2)
    other = start(f"cat {data} > /dev/null; sleep 0.3; true", run="another")
    other.wait()
    found = values(reader)
    assert (found["processes"], found["read_call_bytes"] < MB) == (2, True)
    job.wait()


@pytest.mark.parametrize(
    ("script", "not_files"),
    [
        ("sleep 2 < /dev/null; true", False),
        ("sleep 2 | cat; true", True),
        ("exec 5<> /dev/null; sleep 2; true", False),
        ("exec 5< /dev/zero; sleep 2; true", True),
        ("mkfifo f; exec 5<> f; sleep 2; true", False),
    ],
)
def test_pipes_between_processes(
    reader: JobReader, tmp_path: Path, script: str, not_files: bool
) -> None:
    """The recorder's own standard input, which the job has too, is none."""
    job = start(script, cwd=tmp_path, stdin=None)
    found = seen(reader, 3 if "|" in script else 2)
    assert bool(found["not_files"]) == not_files
    job.wait()


def test_without_command_it_is_what_the_user_started(data: Path) -> None:
    """On hosts that COMMAND's variable does not reach."""
    reader = JobReader("/", "")
    before = values(reader, "user")
    other = start(f"cat {data} > /dev/null; sleep 1; true", run="another")
    ends = time.monotonic() + 20
    while values(reader, "user")["read_call_bytes"] - before["read_call_bytes"] < 0.9 * SIZE:
        assert time.monotonic() < ends
        time.sleep(0.02)
    other.wait()
    assert values(reader)["processes"] == 0
    reader.close()


def test_a_tree_of_another_host() -> None:
    """Where the recorder is not seen itself, nobody is known to have started after it."""
    reader = JobReader(str(FIXTURES / "linux-6.18"), "")
    assert set(values(reader, "user").values()) == {0}
    reader.close()


def test_its_pace_is_no_event() -> None:
    """It is read less often by design, so that nobody need be told."""
    opened = open_source(BY_NAME["job"](), "/")
    assert isinstance(opened, Throttled)
    assert not opened.tells
    assert open_source(BY_NAME["processes"](), "/").tells  # type: ignore[attr-defined]
    opened.close()
