"""``python -m mpi_collector`` on this host alone, started as its users do: no MPI, no root."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from spool_files import spool_files

import mpi_collector
from mpi_collector.cli.main import all_verbs

_LIMIT_S = 60
_MINE = [sys.executable, "-m", "mpi_collector"]
_FAST = ["--timeseries-interval", "0.05"]
_FOREIGN = ("OMPI_", "PMIX_", "PMI_", "PRTE_", "HYDRA_", "SLURM_", "PALS_")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory with ``results`` and ``spool`` in it; no process of ours survives the test."""
    (tmp_path / "spool").mkdir()
    started.clear()
    yield tmp_path
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


started: list[subprocess.Popen[bytes]] = []


def start(
    place: Path,
    *words: str,
    command: Sequence[str] = (),
    new_group: bool = True,
    before: Sequence[str] = (),
) -> subprocess.Popen[bytes]:
    """Start a recording with its files in ``place``; ``before``: words in front of its command."""
    where = ["--results-dir", str(place / "results"), "--spool-dir", str(place / "spool")]
    environ = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
    process = subprocess.Popen(
        [*before, *_MINE, *_FAST, *where, *words, *(["--", *command] if command else [])],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=place,
        start_new_session=new_group,
    )
    started.append(process)
    return process


def run(
    place: Path, *words: str, command: Sequence[str] = (), typed: bytes = b""
) -> tuple[int, bytes, str]:
    """Return exit code, stdout and stderr of a recording that ends by itself."""
    process = start(place, *words, command=command)
    out, err = process.communicate(typed, timeout=_LIMIT_S)
    return process.returncode, out, err.decode()


def verb(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_MINE, *words], capture_output=True, text=True, timeout=_LIMIT_S, cwd=place, check=False
    )


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + _LIMIT_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def spools(place: Path) -> list[Path]:
    return spool_files(place / "spool")


def started_sampling(place: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until it reports that it records, and for a few samples."""
    assert process.stderr is not None
    line = process.stderr.readline()
    assert b"recording 1 host" in line, line + process.stderr.read()
    time.sleep(0.3)


def recorded(place: Path) -> mpi_collector.store.recording.Recording:
    """Return the only recording in ``place``."""
    (path,) = (place / "results").glob("*_timeseries.npz")
    return mpi_collector.load(path)


# ---- --help and mistakes
@pytest.mark.parametrize("name", sorted(all_verbs()))
def test_help_needs_nothing(place: Path, name: str) -> None:
    """--help of every verb shows an example and imports neither MPI nor numpy."""
    code = (
        "import sys\nfrom mpi_collector.cli.main import main\n"
        f"try:\n    main([{name!r}, '--help'])\nexcept SystemExit as e:\n    assert not e.code\n"
        "heavy = {'mpi4py', 'numpy', 'rich', 'ClusterShell'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=_LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout
    assert "example" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    "words",
    [
        ["--timeseries-interval", "0"],
        ["--timeseries-interval", "nan"],
        ["--duration", "-1"],
        ["--max-timeseries-samples", "1"],
        ["--when-full", "explode"],
        ["--sources", "nope"],
        ["--report", "sometimes"],
        ["--no-such-option"],
        ["no-such-verb"],
        ["--command-file", "/nonexistent"],
        ["--"],
    ],
)
def test_mistakes_are_one_line_and_2(place: Path, words: list[str]) -> None:
    """A mistake on the command line is reported in one line before any file is made."""
    done = verb(place, *words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert words[-1].lstrip("-") in done.stderr
    assert not re.search(r"Errno|Traceback| _\w+ value", done.stderr), done.stderr
    assert [p.name for p in place.iterdir()] == ["spool"]


@pytest.mark.parametrize(
    ("verb", "spoken"), [("kvcache", [2, 2]), ("summary", [2, 0]), ("snapshot", [0, 0])]
)
def test_verbs_of_one_process_as_ranks(place: Path, verb: str, spoken: list[int]) -> None:
    """Of several ranks none starts a benchmark verb's COMMAND, and one does the other verbs."""
    words = {"kvcache": ["run", "--", "touch", "ran"]}.get(verb, [])
    for rank, code in enumerate(spoken):
        environ = dict(os.environ, PMI_RANK=str(rank), PMI_SIZE="2")
        done = subprocess.run(
            [*_MINE, verb, *words],
            env=environ,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            cwd=place,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert bool(done.stdout + done.stderr) == (rank == 0)
        assert len(done.stderr.splitlines()) <= 1
    assert not (place / "ran").exists()


def test_without_standard_streams(place: Path) -> None:
    """Started with all standard streams closed, as some daemons do, it records."""
    done = verb(place, *_FAST, "--duration", "0.2", "--report", "never")
    assert done.returncode == 0, done.stderr
    script = "exec " + " ".join(
        [*_MINE, *_FAST, "--duration", "0.2", "--report", "never", "<&-", ">&-", "2>&-"]
    )
    assert (
        subprocess.run(["sh", "-c", script], cwd=place, timeout=_LIMIT_S, check=False).returncode
        == 0
    )
    assert len(list((place / "results").rglob("*_timeseries.npz"))) == 2


def test_a_mistake_in_the_environment(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A default from a variable is checked like an option."""
    monkeypatch.setenv("MPI_COLLECTOR_REPORT", "nevr")
    done = verb(place, "--duration", "1")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "'nevr'" in done.stderr and "MPI_COLLECTOR_REPORT" in done.stderr
    monkeypatch.setenv("MPI_COLLECTOR_REPORT", "")
    assert verb(place, "--duration", "0.1").returncode == 0


def test_mistakes_are_known_without_mpi(place: Path) -> None:
    """An argument error under a launcher does not import MPI; only rank 0 reports it."""
    for rank, lines in (("0", 1), ("1", 0)):
        environ = dict(os.environ, PMI_RANK=rank, PMI_SIZE="2")
        code = (
            "import sys\nfrom mpi_collector.cli.main import main\n"
            "try:\n    main(['--duration', 'x'])\n"
            "except SystemExit as e:\n    assert 'mpi4py' not in sys.modules\n    raise"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environ,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == lines


@pytest.mark.parametrize("directory", ["/dev/null/results", "/proc/results"])
def test_results_directory_that_cannot_be_written(place: Path, directory: str) -> None:
    """Exit code 2 and one line with the remedy before COMMAND starts; nothing is left."""
    code, out, err = run(place, "--results-dir", directory, command=["touch", str(place / "ran")])
    assert code == 2
    assert out == b""
    assert len(err.splitlines()) == 1
    assert "--results-dir" in err
    assert [p.name for p in place.iterdir()] == ["spool"]
    assert not spools(place)


# ---- COMMAND
@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_exit_code_is_commands(place: Path, code: int) -> None:
    """COMMAND's exit code is returned and recorded."""
    got, _, err = run(place, command=["sh", "-c", f"exit {code}"])
    assert got == code, err
    with recorded(place) as recording:
        assert recording.run["command_exit_code"] == code
        assert recording.run["ended_by"] == "command"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_command_killed_by_a_signal(place: Path, number: signal.Signals) -> None:
    """The exit code is 128 + n, as in a shell."""
    code, _, err = run(place, command=["sh", "-c", f"kill -{int(number)} $$"])
    assert code == 128 + number, err


def test_stdin_and_stdout_are_commands(place: Path) -> None:
    """COMMAND gets every byte of stdin, and stdout holds its bytes only."""
    data = bytes(range(256)) * 4096
    code, out, err = run(place, command=["cat"], typed=data)
    assert code == 0, err
    assert out == data


def test_command_keeps_its_arguments_and_environment(place: Path) -> None:
    """COMMAND gets arguments that look like ours or a launcher's, and its environment."""
    words = ["--duration", "x", "--", "a b", "--bind-to", ""]
    script = (
        "import os, sys, json; print(json.dumps([sys.argv[1:], os.environ.get('OMP_NUM_THREADS')]))"
    )
    os.environ["OMP_NUM_THREADS"] = "3"
    try:
        code, out, err = run(place, command=[sys.executable, "-c", script, *words])
    finally:
        del os.environ["OMP_NUM_THREADS"]
    assert code == 0, err
    assert json.loads(out) == [words, "3"]


def test_command_from_a_file(place: Path) -> None:
    """--command-file: one shell-quoted line, comments allowed."""
    (place / "command").write_text("# the job\nprintf '%s|' 'a b' --bind-to\n")
    code, out, err = run(place, "--command-file", str(place / "command"))
    assert (code, out) == (0, b"a b|--bind-to|"), err


def test_command_that_cannot_be_started(place: Path) -> None:
    """The exit code is 127, and one line gives the reason."""
    code, _, err = run(place, command=["/nonexistent/program"])
    assert code == 127
    assert "cannot start /nonexistent/program" in err


def test_signals_reach_command(place: Path) -> None:
    """SIGTERM is passed on to COMMAND, whose handler decides the exit code."""
    script = "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done"
    process = start(place, command=["sh", "-c", script])
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(_LIMIT_S) == 9
    with recorded(place) as recording:
        assert recording.run["ended_by"] == "command"


def test_recording_may_end_before_command(place: Path) -> None:
    """SIGUSR1 ends the recording, not COMMAND; COMMAND's exit code is still returned."""
    process = start(place, command=["sh", "-c", "read line; exit 6"])
    started_sampling(place, process)
    process.send_signal(signal.SIGUSR1)
    wait_for(lambda: list((place / "results").glob("*_timeseries.npz")))
    assert process.poll() is None
    process.communicate(b"go on\n", timeout=_LIMIT_S)
    assert process.returncode == 6
    with recorded(place) as recording:
        assert recording.run["ended_by"] == "signal SIGUSR1"


def test_signals_reach_command_after_the_recording(place: Path) -> None:
    """A COMMAND that outlives the recording still gets every signal."""
    script = "trap 'n=$((n+1)); [ $n = 2 ] && exit 9' TERM; echo up; while :; do sleep 0.05; done"
    process = start(place, command=["sh", "-c", script])
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGUSR1)
    wait_for(lambda: list((place / "results").glob("*_timeseries.npz")))
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(_LIMIT_S) == 9


# ---- ends without COMMAND
def test_duration(place: Path) -> None:
    """One sample per tick, the row of the stop, and files of the same run and stem."""
    code, out, err = run(place, "--duration", "1")
    assert (code, out) == (0, b""), err
    names = sorted(p.name for p in (place / "results").iterdir())
    assert len({n[: len("host_20260105_120000")] for n in names}) == 1
    assert [n.rsplit("_", 1)[1] for n in names] == [
        "info.json",
        "metadata.json",
        "timeseries.json",
        "timeseries.npz",
    ]
    with recorded(place) as recording:
        (host,) = recording.values()
        assert host.tick[-1] == -1
        assert set(host.tick[:-1]) <= set(range(20))
        assert 15 <= host.on_grid.sum() <= 20
        assert recording.run["collection_method"] == "local"
    assert not spools(place)


def test_a_run_shorter_than_the_interval(place: Path) -> None:
    """It has a first and a last row nevertheless."""
    code, _, err = run(place, "--timeseries-interval", "30", command=["true"])
    assert code == 0, err
    with recorded(place) as recording:
        (host,) = recording.values()
        assert host.tick.tolist() == [0, -1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_signals_end_a_recording(place: Path, number: signal.Signals) -> None:
    """Each of them ends the run with its files, exit code 0 and no spool left."""
    process = start(place)
    started_sampling(place, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=_LIMIT_S)
    assert process.returncode == 0, err
    with recorded(place) as recording:
        assert recording.run["ended_by"] == f"signal {number.name}"
    assert not spools(place)


def test_nohup(place: Path) -> None:
    """Under nohup SIGHUP ends neither the recording nor COMMAND."""
    process = start(
        place,
        command=["sh", "-c", "kill -HUP $$; kill -HUP $PPID; sleep 1.5; exit 9"],
        before=["nohup"],
    )
    _, err = process.communicate(timeout=_LIMIT_S)
    assert process.returncode == 9, err
    with recorded(place) as recording:
        assert recording.run["ended_by"] == "command"


def test_one_ctrl_c_is_the_commands(place: Path) -> None:
    """COMMAND gets it; when COMMAND has ended the files are written, and its code is returned."""
    process = start(
        place,
        command=["sh", "-c", "trap 'sleep 0.5; exit 9' INT; echo up; while :; do sleep 0.05; done"],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=_LIMIT_S)
    assert process.returncode == 9, err
    assert "Press Ctrl-C again to leave now" in err.decode()
    with recorded(place) as recording:
        assert recording.run["ended_by"] == "command"


def test_two_ctrl_c_leave_now(place: Path) -> None:
    """A second Ctrl-C leaves at once and keeps the spool, from which recover builds the files."""
    process = start(place, command=["sh", "-c", "trap '' INT; echo up; sleep 20"])
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(_LIMIT_S / 2) == 128 + signal.SIGINT
    assert process.stderr is not None
    said = os.read(process.stderr.fileno(), 1 << 16).decode()
    assert "Traceback" not in said
    assert not list((place / "results").iterdir())
    (spool,) = spools(place)
    assert f"mpi_collector recover {spool.parent.name}" in said
    done = verb(
        place,
        "recover",
        spool.parent.name,
        "--results-dir",
        str(place / "results"),
        "--spool-dir",
        str(place / "spool"),
    )
    assert done.returncode == 0, done.stderr
    with recorded(place) as recording:
        assert recording.run["verdict"]["hosts"] == 1


@pytest.mark.parametrize("way", ["results", "spool"])
def test_stop(place: Path, way: str) -> None:
    """``stop`` finds the run by its results directory or by its spool."""
    process = start(place)
    started_sampling(place, process)
    seen = {"results": "/nonexistent", "spool": "/nonexistent", way: str(place / way)}
    done = verb(place, "stop", "--results-dir", seen["results"], "--spool-dir", seen["spool"])
    assert done.returncode == 0, done.stderr
    _, err = process.communicate(timeout=_LIMIT_S)
    assert process.returncode == 0, err
    with recorded(place) as recording:
        assert recording.run["ended_by"] == "request"
    assert len(list((place / "results").iterdir())) == 4


def test_stop_wants_one_run(place: Path) -> None:
    """No run or several: exit code 2 and one line; the beginning of a name selects one."""
    assert verb(place, "stop", "--spool-dir", str(place)).returncode == 2
    both = [start(place), start(place)]
    for process in both:
        started_sampling(place, process)
    options = ["--results-dir", str(place / "results"), "--spool-dir", str(place / "spool")]
    several = verb(place, "stop", *options)
    assert several.returncode == 2
    assert len(several.stderr.splitlines()) == 1
    runs = sorted(p.parent.name for p in spools(place))
    for run_name in runs:
        assert run_name in several.stderr
        assert verb(place, "stop", run_name, *options).returncode == 0
    for process in both:
        process.communicate(timeout=_LIMIT_S)
        assert process.returncode == 0


def stop_without_a_name(place: Path, process: subprocess.Popen[str]) -> None:
    """``stop`` finds the run of ``process`` by where it writes, and ends it."""
    done = verb(
        place, "stop", "--results-dir", str(place / "results"), "--spool-dir", str(place / "spool")
    )
    assert done.returncode == 0, done.stderr
    _, err = process.communicate(timeout=_LIMIT_S)
    assert process.returncode == 0, err
    assert recorded(place).run["ended_by"] == "request"


def test_stop_by_its_results_directory(place: Path) -> None:
    """Of several runs on a host it stops the one that writes to the named directory."""
    other, mine = start(place, "--results-dir", str(place / "other")), start(place)
    for process in (other, mine):
        started_sampling(place, process)
    stop_without_a_name(place, mine)
    assert other.poll() is None


def test_stop_knows_the_dead(place: Path) -> None:
    """The remains of a killed run do not count: the only living run needs no name."""
    dead = start(place)
    started_sampling(place, dead)
    dead.kill()
    dead.communicate(timeout=_LIMIT_S)
    alive = start(place)
    started_sampling(place, alive)
    stop_without_a_name(place, alive)


def test_runs_at_the_same_time_share_nothing(place: Path) -> None:
    """Four runs started together in one directory: four sets of files, none overwritten, at most one of them flat."""
    together = [start(place, "--duration", "0.3") for _ in range(4)]
    for process in together:
        process.communicate(timeout=_LIMIT_S)
        assert process.returncode == 0
    assert len(list((place / "results").rglob("*_timeseries.npz"))) == 4
    files = [path for path in (place / "results").rglob("*") if path.is_file()]
    assert len(files) == 16
    assert max(Counter(p.parent for p in files if p.match("*_metadata.json")).values()) == 1


# ---- crashes
def test_a_killed_recording_is_recovered(place: Path) -> None:
    """After kill -9 recover builds the files; while the process lives it refuses."""
    process = start(place)
    started_sampling(place, process)
    (spool,) = spools(place)
    run_name = spool.parent.name
    options = ["--results-dir", str(place / "recovered"), "--spool-dir", str(place / "spool")]
    alive = verb(place, "recover", run_name, *options)
    assert alive.returncode == 2
    assert "still alive" in alive.stderr
    killed = time.time_ns()
    process.kill()
    process.wait(_LIMIT_S)
    listed = verb(place, "recover", "--spool-dir", str(place / "spool"))
    assert run_name in listed.stdout
    done = verb(place, "recover", run_name, *options)
    assert done.returncode == 0, done.stderr
    with mpi_collector.load(place / "recovered") as recording:
        (host,) = recording.values()
        ticks = host.tick.tolist()
        assert ticks[0] == 0
        assert -1 not in ticks
        assert len(ticks) >= 4
        assert host.timestamp_ns[-1] > killed - 500_000_000
        assert recording.run["verdict"]["verdict"] == "partial"
    assert not [*(place / "spool").iterdir()]


def test_strict(place: Path) -> None:
    """With --strict a complete recording keeps exit code 0, and COMMAND's own code stays."""
    assert run(place, "--strict", "--timeseries-interval", "5", command=["sleep", "0.2"])[0] == 0
    assert run(place, "--strict", command=["sh", "-c", "exit 4"])[0] == 4


@pytest.mark.parametrize("directory", ["/nonexistent", "/dev/null"])
def test_without_room_for_a_spool(place: Path, directory: str) -> None:
    """Without a spool directory it records in plain memory and reports "not crash-proof"."""
    code, _, err = run(place, "--duration", "0.3", "--spool-dir", directory)
    assert code == 0, err
    assert "Traceback" not in err
    assert "not crash-proof" in err
    with recorded(place) as recording:
        assert recording.run["verdict"]["crash_proof"] is False
        assert all(len(host) >= 3 for host in recording.values())


def test_quiet(place: Path) -> None:
    """With --quiet nothing is printed when nothing is wrong."""
    code, out, err = run(place, "--quiet", "--duration", "0.3")
    assert (code, out) == (0, b"")
    assert "verdict" not in err
    assert "wrote" not in err


def test_the_page_at_the_end(place: Path) -> None:
    """Written beside the other files when Jinja2 is there, and names no other file or host."""
    pytest.importorskip("jinja2")
    code, _, err = run(place, "--duration", "1", "--report", "auto")
    assert code == 0, err
    (page,) = (place / "results").glob("host_*_report.html")
    assert f"wrote {page}" in err
    assert "verdict" in page.read_text()


def test_verbose_and_quiet(place: Path) -> None:
    """What was found on the host; and with --quiet nothing at all."""
    code, _, err = run(place, "--duration", "0.3", "--verbose")
    assert code == 0, err
    assert re.search(r"\S+: \d+ columns, \d+ rows in \S+, clock bound 0.0 us, without ", err), err
    code, _, err = run(place, "--duration", "0.3", "--quiet", "--verbose")
    assert (code, err) == (0, "")
