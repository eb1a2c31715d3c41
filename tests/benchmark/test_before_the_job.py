"""COMMAND when there is no recording, or not yet: nothing of ours is in its way."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

_READY = 'trap "exit 9" TERM; touch up; while :; do sleep 0.05; done'


def start(
    directory: Path, *words: str, path: Path | None = None, trap: str = ""
) -> subprocess.Popen[str]:
    """Our program in ``directory``; ``path`` goes before PATH; ``trap``: signals that it is started to ignore."""
    environ = {
        **os.environ,
        "MPI_COLLECTOR_REPORT": "never",
        "PATH": f"{path or directory}:{os.environ['PATH']}",
    }
    argv: Sequence[str] = [sys.executable, "-m", "mpi_collector", *words]
    if trap:
        argv = ["sh", "-c", f'trap "" {trap}; exec "$@"', "sh", *argv]
    return subprocess.Popen(
        argv, cwd=directory, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def until(there: Path) -> None:
    deadline = time.monotonic() + 20
    while not there.exists():
        assert time.monotonic() < deadline, there
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("verb", ["training", "kvcache"])
def test_a_signal_while_hosts_hang(tmp_path: Path, verb: str, number: signal.Signals) -> None:
    """The job is not started, nothing is left, and nobody waits for the hosts' time-out."""
    program(
        tmp_path / "bin" / "ssh", f'[ "$1" = -G ] && exit 1; touch {tmp_path}/asked; exec sleep 60'
    )
    words = [
        "run",
        "--hosts",
        "far1,far2",
        "--ssh-timeout",
        "50",
        "--results-dir",
        "results",
        "--",
        "touch",
        "ran",
    ]
    run = start(tmp_path, verb, *words, path=tmp_path / "bin")
    until(tmp_path / "asked")
    run.send_signal(number)
    _, err = run.communicate(timeout=30)
    assert run.returncode == 128 + number, err
    assert f"{number.name} arrived before the job started: it is not started" in err
    assert "Traceback" not in err
    assert not (tmp_path / "ran").exists()
    assert list((tmp_path / "results").iterdir()) == []


def test_hosts_that_hang_delay_nobody(tmp_path: Path) -> None:
    """All are asked long before the first has used up its time."""
    asked = tmp_path / "asked"
    asked.mkdir()
    program(tmp_path / "bin" / "ssh", f'[ "$1" = -G ] && exit 1; touch {asked}/$$; exec sleep 300')
    for verb in ("training", "kvcache"):
        words = [
            "run",
            "--hosts",
            "far[1-10]",
            "--ssh-timeout",
            "250",
            "--ssh-fanout",
            "8",
            "--",
            "touch",
            "ran",
        ]
        run = start(tmp_path, verb, *words, path=tmp_path / "bin")
        deadline = time.monotonic() + 100
        while len(list(asked.iterdir())) < 10:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=60)
        assert run.returncode == 128 + signal.SIGTERM
        for path in asked.iterdir():
            path.unlink()


@pytest.mark.parametrize("verb", ["training", "kvcache"])
def test_every_problem_at_once(tmp_path: Path, verb: str) -> None:
    """--strict: each broken host with its reason in one message, and the job is not started."""
    program(
        tmp_path / "bin" / "ssh",
        '[ "$1" = -G ] && exit 1; echo "ssh: connect: no route to host" >&2; exit 255',
    )
    run = start(
        tmp_path,
        verb,
        "run",
        "--hosts",
        "far[1-20]",
        "--strict",
        "--",
        "touch",
        "ran",
        path=tmp_path / "bin",
    )
    _, err = run.communicate(timeout=60)
    assert run.returncode == 2, err
    (said,) = [line for line in err.splitlines() if "not every host can be recorded" in line]
    assert all(f"far{n}: " in said for n in range(1, 21))
    assert said.count("no route to host") == 20
    assert not (tmp_path / "ran").exists()


def test_what_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """A script's background job does not end with Ctrl-C, nor does one under nohup: COMMAND is no other with us."""
    for name in ("INT", "HUP"):
        run = start(
            tmp_path,
            "training",
            "run",
            "--",
            "sh",
            "-c",
            f"kill -{name} $$ $PPID; sleep 0.2; exit 4",
            trap=name,
        )
        _, err = run.communicate(timeout=60)
        assert run.returncode == 4, err


def test_datagen_is_the_command_itself(tmp_path: Path) -> None:
    """The same process, with the signals that a shell would have given it."""
    run = start(
        tmp_path,
        "training",
        "datagen",
        "--",
        "sh",
        "-c",
        "echo $$; grep SigIgn /proc/self/status; exit 7",
    )
    out, err = run.communicate(timeout=60)
    assert run.returncode == 7, err
    pid, ignored = out.splitlines()
    assert int(pid) == run.pid
    assert int(ignored.split()[1], 16) & (1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGINT - 1)) == 0
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("what", ["datagen", "run"])
def test_a_command_that_cannot_be_started(tmp_path: Path, what: str) -> None:
    """127 and 126, as a shell has it."""
    (tmp_path / "text").write_text("")
    for name, code in (("/nonexistent", 127), (str(tmp_path / "text"), 126)):
        run = start(tmp_path, "training", what, "--", name)
        _, err = run.communicate(timeout=60)
        assert run.returncode == code, err
        assert f"cannot start {name}: " in err


def test_unrecorded_is_untouched(tmp_path: Path) -> None:
    """A launch that never comes up: the job runs, gets its signals, and its exit code is ours."""
    mpirun = program(tmp_path / "bin" / "mpirun", '[ "$1" = --version ] && exec echo "mpirun (Open MPI) 5.0.11"\n'
                     "echo 'no fabric at all' >&2; exit 1")  # fmt: skip
    words = [
        "training",
        "run",
        "--transport",
        "mpi",
        "--mpi-bin",
        str(mpirun),
        "--hosts",
        "localhost",
        "--results-dir",
        "results",
    ]
    run = start(tmp_path, *words, "--", "sh", "-c", _READY)
    until(tmp_path / "up")
    run.send_signal(signal.SIGTERM)
    _, err = run.communicate(timeout=30)
    assert run.returncode == 9, err
    assert "no fabric at all" in err
    assert "the job runs unrecorded" in err
    assert list((tmp_path / "results").iterdir()) == []


@pytest.mark.parametrize("limit", [0, 40], ids=["nothing", "a part"])
@pytest.mark.parametrize("was_there", [True, False])
def test_a_marker_that_cannot_be_written(limit: int, was_there: bool, tmp_path: Path) -> None:
    """Files can be made and hold nothing, or too little, as on a full file system: none stays, nor a new directory."""
    results = tmp_path / "results"
    if was_there:
        results.mkdir()
    done = run_limited(limit, tmp_path, "mkdir ran")
    assert done.returncode == 2
    assert "cannot write the results directory results: " in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == ([results] if was_there else [])
    assert not was_there or not list(results.iterdir())


def test_nowhere_is_room_for_the_files(tmp_path: Path) -> None:
    """The job runs, what is lost is said, and none of the directories that were tried stays empty."""
    (tmp_path / "home").mkdir()
    done = run_limited(8 * 512, tmp_path, "mkdir ran; exit 7")
    assert done.returncode == 7, done.stderr
    assert "either" in done.stderr
    assert "Traceback" not in done.stderr
    left = [
        p for p in tmp_path.rglob("*") if p.name.startswith(("mpi_collector", ".mpi_collector"))
    ]
    assert left == []


def run_limited(file_bytes: int, directory: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Record ``sh -c script`` where no file may grow beyond ``file_bytes``; memory is no file."""
    words = [
        sys.executable,
        "-m",
        "mpi_collector",
        "--results-dir",
        "results",
        "--spool-dir",
        str(directory / "none"),
        "--",
    ]
    return subprocess.run(
        [*words, "sh", "-c", script],
        cwd=directory,
        env={**os.environ, "HOME": str(directory / "home"), "TMPDIR": str(directory / "none")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes)),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
