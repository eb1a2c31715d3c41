"""Marks from the shell and from Python, on recorded and other hosts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mpi_collector
from mpi_collector.node.spool import marks


def start(place: Path) -> subprocess.Popen[str]:
    words = [
        "--timeseries-interval",
        "0.05",
        "--results-dir",
        str(place / "results"),
        "--spool-dir",
        str(place / "spool"),
    ]
    (place / "spool").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "mpi_collector", *words], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    while "if this process dies" not in process.stderr.readline():
        pass
    time.sleep(0.3)
    return process


def mark(place: Path, *words: str, spool: str = "spool") -> subprocess.CompletedProcess[str]:
    argv = [
        sys.executable,
        "-m",
        "mpi_collector",
        "mark",
        *words,
        "--results-dir",
        str(place / "results"),
    ]
    return subprocess.run(
        [*argv, "--spool-dir", str(place / spool)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_marks_from_the_shell(tmp_path: Path) -> None:
    """Marks made beside the spool and beside the results are recorded in order."""
    process = start(tmp_path)
    before = time.time_ns()
    assert mark(tmp_path, "--begin", "epoch 1").returncode == 0
    assert mark(tmp_path, "checkpoint\x1b[2J 3").returncode == 0
    assert mark(tmp_path, "--end", "epoch 1").returncode == 0
    assert mark(tmp_path, "elsewhere", spool="nospool").returncode == 0
    after = time.time_ns()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    with mpi_collector.load(tmp_path / "results") as run:
        found = run.run["marks"]
        (host,) = run
    assert [(m["text"], m["edge"], m["host"]) for m in found] == [
        ("epoch 1", "begin", host),
        ("checkpoint [2J 3", "point", host),
        ("epoch 1", "end", host),
        ("elsewhere", "point", None),
    ]
    assert all(before < m["utc_ns"] < after for m in found)
    assert not os.listdir(tmp_path / "spool")
    assert not [p for p in (tmp_path / "results").iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("words", [("",), ("x" * 201,), ("--begin", "--end", "x"), ()])
def test_what_is_no_mark(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = mark(tmp_path, *words)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_no_such_run(tmp_path: Path) -> None:
    done = mark(tmp_path, "nope", "text")
    assert (done.returncode, done.stderr) == (
        2,
        "mpi_collector: no such run; is --results-dir right?\n",
    )


@pytest.mark.parametrize("sampler", ["thread", "process"])
def test_marks_from_python(tmp_path: Path, sampler: str) -> None:
    options = {
        "results_dir": tmp_path / "r",
        "spool_dir": str(tmp_path),
        "quiet": True,
        "sampler": sampler,
    }
    with mpi_collector.collect(interval=0.05, **options) as recorder:
        with recorder.phase("load"):
            time.sleep(0.1)
        recorder.mark("now")
        with pytest.raises(ValueError, match="edge|is one of"):
            recorder.mark("x", "middle")
    with mpi_collector.load(tmp_path / "r") as run:
        found = run.run["marks"]
    assert [(m["text"], m["edge"]) for m in found] == [
        ("load", "begin"),
        ("load", "end"),
        ("now", "point"),
    ]
    assert 0.1e9 <= found[1]["utc_ns"] - found[0]["utc_ns"] < 5e9


def test_ten_thousand_marks(tmp_path: Path) -> None:
    """Those for which there is no room are counted; the one who marks is told, and so is the reader."""
    texts = 12_000
    script = (
        "import os, sys\nfrom mpi_collector.node.spool import marks\n"
        "from mpi_collector.node.spool.directory import RunDirectory\n"
        "path = RunDirectory('.', os.environ['MPI_COLLECTOR_RUN']).marks_path\n"
        f"for n in range({texts}):\n"
        "    try:\n        marks.append(path, marks.make(f'step {n}'))\n"
        "    except marks.MarksFullError:\n        pass\n"
    )
    (tmp_path / "job.py").write_text(script)
    (tmp_path / "job.sh").write_text(
        f"{sys.executable} job.py; {sys.executable} -m mpi_collector mark one-more --spool-dir . 2>said; echo $? >>said"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mpi_collector", "--spool-dir", ".", "--report", "never", "--", "sh", "job.sh"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "said").read_text().splitlines() == [
        "mpi_collector: the mark is lost: the run has no room for further marks; the loss is counted",
        "2",
    ]
    with mpi_collector.load(tmp_path / "results") as run:
        (facts,) = run.run["facts"].values()
        kept = [m["text"] for m in run.run["marks"]]
        lost = run.run["marks_lost"]
        assert kept == [f"step {n}" for n in range(len(kept))] and len(kept) > 8_000
        assert lost == facts["marks_lost"] == texts + 1 - len(kept)
        assert facts["events_lost"] == 0 and facts["complete"]
        verdict = run.run["verdict"]
        (host,) = run
    assert verdict["verdict"] == "partial"
    reason = f"{host}: {lost:,} marks lost, for want of room"
    assert verdict["reasons"] == [reason] and f"warning: {reason}" in done.stderr


def test_marks_of_other_hosts_are_counted(tmp_path: Path) -> None:
    """Those that are made beside the results, and find no room."""
    path = tmp_path / "marks"
    path.write_bytes(b"x" * (marks.FILE_BYTES - 1) + b"\n")
    for _ in range(3):
        with pytest.raises(marks.MarksFullError):
            marks.append(str(path), marks.make("late"))
    assert marks.read_counted(str(path)) == ([], 3)


def test_no_pipe_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "marks")
    with pytest.raises(OSError, match="."):
        marks.append(str(tmp_path / "marks"), marks.make("x"))
    assert marks.read(str(tmp_path / "marks")) == []


def test_marks_in_plain_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without a spool there is as much room; the program is told once, and goes on."""
    monkeypatch.setattr(marks, "FILE_BYTES", 20_000)
    options = {"results_dir": tmp_path / "r", "spool_dir": "/nonexistent", "sampler": "thread"}
    with mpi_collector.collect(interval=0.05, **options) as recorder:
        for n in range(1_500):
            recorder.mark(f"step {n}")
    with mpi_collector.load(tmp_path / "r") as run:
        kept = [m["text"] for m in run.run["marks"]]
        assert kept == [f"step {n}" for n in range(len(kept))] and len(kept) > 500
        assert run.run["marks_lost"] == 1_500 - len(kept) > 0
    assert capfd.readouterr().err.count("the mark 'step ") == 1


@given(st.binary(max_size=400))
def test_a_damaged_file_of_marks(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Invalid lines are dropped, marks are kept."""
    path = str(tmp_path_factory.mktemp("marks") / "marks")
    Path(path).write_bytes(data + b"\n")
    marks.append(path, marks.make("good"))
    assert marks.read(path)[-1]["text"] == "good"


def test_no_symlink_is_followed(tmp_path: Path) -> None:
    (tmp_path / "marks").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="."):
        marks.append(str(tmp_path / "marks"), marks.make("x"))
    assert marks.read(str(tmp_path / "marks")) == []
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("verb", ["mark", "stop"])
def test_inside_command_its_own_run_is_meant(tmp_path: Path, verb: str) -> None:
    """Of two runs of one user on one host, stop and mark inside COMMAND mean COMMAND's own."""
    other = start(tmp_path)
    try:
        say = [
            sys.executable,
            "-m",
            "mpi_collector",
            verb,
            "--results-dir",
            str(tmp_path / "results"),
            "--spool-dir",
            str(tmp_path / "spool"),
            *(["mine"] if verb == "mark" else []),
        ]
        argv = [
            sys.executable,
            "-m",
            "mpi_collector",
            "--timeseries-interval",
            "0.05",
            "--results-dir",
            str(tmp_path / "results"),
            "--spool-dir",
            str(tmp_path / "spool"),
            "--",
            "sh",
            "-c",
            '"$@" & wait $!; sleep 1.5; exit 5',
            "sh",
            *say,
        ]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 5, done.stderr
        with mpi_collector.load(tmp_path / "results") as run:
            assert [m["text"] for m in run.run["marks"]] == (["mine"] if verb == "mark" else [])
            assert run.run["ended_by"] == ("command" if verb == "mark" else "request")
        assert other.poll() is None
    finally:
        other.send_signal(signal.SIGINT)
        other.communicate(timeout=60)
    assert len(list((tmp_path / "results").rglob("*_timeseries.npz"))) == 2
