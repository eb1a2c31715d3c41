"""COMMAND has what it would have without a recorder: its files, its environment, its signals, its exit code."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from bed import environment, find_mpi

_MINE = [sys.executable, "-m", "mpi_collector"]
_OPTIONS = ["--timeseries-interval", "0.1", "--report", "never", "--spool-dir", "."]
_LIMIT_S = 90
#: says which signals arrive
_COUNTING = (
    "import signal, time, sys\n"
    "def note(number, frame):\n"
    "    with open('got', 'a') as f: f.write(signal.Signals(number).name + '\\n')\n"
    "for n in (1, 2, 3, 12, 14, 15, 24): signal.signal(n, note)\n"
    "open('up', 'w').close()\n"
    "import os\n"
    "while not os.path.exists('end'): time.sleep(0.05)\n"
    "sys.exit(7)\n"
)


def words(*command: str) -> list[str]:
    return [*_MINE, *_OPTIONS, "--", *command]


def run(place: Path, argv: Sequence[str], **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, cwd=place, capture_output=True, text=True, timeout=_LIMIT_S, check=False, **more
    )  # type: ignore[call-overload,no-any-return]


def bash(place: Path, script: str) -> subprocess.CompletedProcess[str]:
    """``$RUN COMMAND`` in the script records COMMAND."""
    return run(place, ["bash", "-c", script], env={**os.environ, "RUN": " ".join(words())})


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + _LIMIT_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# ---- open files
def test_open_files(tmp_path: Path) -> None:
    """Those of process substitution, of redirections, and of make's jobserver."""
    done = bash(
        tmp_path,
        "$RUN cat <(echo one); exec 5<<<two; $RUN sh -c 'cat <&5; echo three >&7; exit 3' 7>out; echo $?; cat out",
    )
    assert done.stdout == "one\ntwo\n3\nthree\n", done.stderr
    (tmp_path / "Makefile").write_text("all:\n\t+@$(RUN) $(MAKE) --no-print-directory -f inner\n")
    (tmp_path / "inner").write_text("all: a b\na b:\n\t@echo $@\n")
    made = run(
        tmp_path,
        ["make", "-j2", "--no-print-directory"],
        env={**os.environ, "RUN": " ".join(words())},
    )
    assert sorted(made.stdout.split()) == ["a", "b"], made.stderr
    assert "jobserver" not in made.stderr


def test_no_other_open_files(tmp_path: Path) -> None:
    """None of ours: what COMMAND has is what it has when the shell starts it."""
    look = "import os; print(sorted(os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if int(n) > 2 and os.path.exists(f'/proc/self/fd/{n}') and os.get_inheritable(int(n))))"
    (tmp_path / "look.py").write_text(look)
    command = f"{sys.executable} look.py"
    plain = bash(tmp_path, f"exec 4>four; {command}")
    recorded = bash(tmp_path, f"exec 4>four; $RUN {command}")
    assert recorded.stdout == plain.stdout and "four" in plain.stdout, recorded.stderr


# ---- environment
def test_environment(tmp_path: Path) -> None:
    """One variable more, which names the run."""
    environ = {
        "PATH": os.environ["PATH"],
        "OPENBLAS_NUM_THREADS": "3",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    plain = run(tmp_path, ["env"], env=environ)
    recorded = run(tmp_path, words("env"), env=environ)
    more = set(recorded.stdout.splitlines()) ^ set(plain.stdout.splitlines())
    assert len(more) == 1 and more.pop().startswith("MPI_COLLECTOR_RUN=host_"), more
    found = find_mpi("openmpi")
    if not isinstance(found, str):  # nor does what a launch of our own needs
        ways = ["--transport", "mpi", "--hosts", "localhost", "--mpi-bin", found.mpirun]
        argv = [*_MINE, "training", "run", *ways, *_OPTIONS, "--", "env"]
        recorded = run(tmp_path, argv, env=environment(**environ))
        plain = run(tmp_path, ["env"], env=environment(**environ))
        more = set(recorded.stdout.splitlines()) ^ set(plain.stdout.splitlines())
        assert "transport: mpi" in recorded.stderr and "unrecorded" not in recorded.stderr
        assert len(more) == 1 and more.pop().startswith("MPI_COLLECTOR_RUN=training_"), more
    no_threads = run(tmp_path, words("sh", "-c", "echo [$OPENBLAS_NUM_THREADS]"))
    assert no_threads.stdout == "[]\n"


# ---- programs
@pytest.mark.parametrize(
    "verb", [[], ["training", "run"], ["training", "datagen"]], ids=["collect", "run", "datagen"]
)
def test_a_program_without_an_interpreter_line(tmp_path: Path, verb: list[str]) -> None:
    """A text is run by sh, as a shell does it; what is no text is refused, as by a shell."""
    options = [] if "datagen" in verb else _OPTIONS
    for name, content in (
        ("script", b"echo $0 $1; exit 5\n"),
        ("binary", b"\x00\x01\x02"),
        ("empty", b""),
    ):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o755)

    def start(*command: str) -> subprocess.CompletedProcess[str]:
        return run(
            tmp_path,
            [*_MINE, *verb, *options, "--", *command],
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        )

    done = start("./script", "a b")
    assert (done.returncode, done.stdout) == (5, "./script a b\n"), done.stderr
    done = start("script", "a")
    assert (done.returncode, done.stdout) == (5, f"{tmp_path}/script a\n"), done.stderr
    assert start("./empty").returncode == 0
    refused = start("./binary")
    assert refused.returncode == 126
    assert "cannot start ./binary: Exec format error" in refused.stderr


def test_exit_codes_of_what_cannot_be_started(tmp_path: Path) -> None:
    (tmp_path / "no-interpreter").write_text("#!/nonexistent/sh\n")
    (tmp_path / "no-interpreter").chmod(0o755)
    for name, code in (
        ("./no-interpreter", 126),
        (".", 126),
        ("./nothing", 127),
        ("nothing-of-this-name", 127),
    ):
        done = run(tmp_path, words(name))
        assert done.returncode == code, done.stderr
        assert f"cannot start {name}: " in done.stderr


# ---- output
def test_output_that_nobody_reads(tmp_path: Path) -> None:
    """A closed pipe, a full one, a closed stderr: COMMAND's exit code."""
    done = bash(
        tmp_path,
        "$RUN sh -c 'exit 7' 2>&1 | head -1; echo ${PIPESTATUS[0]}; $RUN sh -c 'exit 7' 2>&-; echo $?; $RUN sh -c 'exit 7' 2>/dev/full; echo $?",
    )
    assert done.stdout.splitlines()[1:] == ["7", "7", "7"], done.stdout
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(writing, bytes(4096))
    os.set_blocking(writing, True)
    process = subprocess.Popen(words("sh", "-c", "touch ran; exit 7"), cwd=tmp_path, stderr=writing)
    assert process.wait(_LIMIT_S) == 7
    os.close(reading)
    os.close(writing)
    assert (tmp_path / "ran").exists()
    assert len(list(tmp_path.glob("results/**/*_timeseries.npz"))) == 4


def test_what_was_not_read_is_counted(tmp_path: Path) -> None:
    """A reader that comes back learns that lines are missing."""
    program = (
        "import sys\nfrom mpi_collector.cli.standard_error import QueuedStderr\n"
        "err = QueuedStderr(int(sys.argv[1]))\n"
        "for n in range(60000): err.write(f'line {n:05d} of a text that is longer\\n')\n"
        "print('written', flush=True)\nsys.stdin.readline()\nerr.write('last\\n')\nerr.drain(30)\n"
    )
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(writing)],
        pass_fds=[writing],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == "written\n"
    process.stdin.write("go on\n")
    process.stdin.close()
    with os.fdopen(reading) as f:
        lines = f.read().splitlines()
    assert process.wait(_LIMIT_S) == 0
    said = [line for line in lines if line.startswith("mpi_collector: ")]
    kept = [line for line in lines if line.startswith("line ")]
    (count,) = (
        int(m[1]) for m in [re.search(r"(\d+) lines of output were dropped", " ".join(said))] if m
    )
    assert kept == [f"line {n:05d} of a text that is longer" for n in range(len(kept))]
    assert len(kept) + count in (60000, 60001)


@pytest.mark.parametrize("verb", [["--help"], ["summary", "--help"], ["sources"], ["--version"]])
def test_verbs_whose_reader_has_gone(tmp_path: Path, verb: list[str]) -> None:
    argv = " ".join([*_MINE, *verb])
    done = run(tmp_path, ["bash", "-c", f"{argv} | true; echo ${{PIPESTATUS[0]}}"])
    assert (done.stdout, done.stderr) == ("0\n", "")


# ---- limits
def unprivileged() -> list[str]:
    """Words in front of a command that run it as another user, who may read everything."""
    argv = [
        "setpriv",
        "--reuid=54321",
        "--clear-groups",
        "--inh-caps=+dac_read_search",
        "--ambient-caps=+dac_read_search",
    ]
    try:
        if subprocess.run([*argv, "true"], check=False, capture_output=True).returncode == 0:
            return argv
    except OSError:
        pass
    return []


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 5])
def test_limit_on_processes(tmp_path: Path, processes: int) -> None:
    before = unprivileged()
    if not before:
        pytest.skip("another user needs root and setpriv")
    tmp_path.chmod(0o777)
    for above in tmp_path.parents:
        if str(above).startswith("/tmp/pytest"):
            above.chmod(0o755)
    argv = [
        *before,
        "prlimit",
        f"--nproc={processes}",
        *words("sh", "-c", "echo ran >> ran; exit 7"),
    ]
    done = run(tmp_path, argv)
    assert done.returncode == 7, done.stderr
    assert (tmp_path / "ran").read_text() == "ran\n"


@pytest.mark.parametrize("files", [12, 16, 20, 40])
def test_limit_on_open_files(tmp_path: Path, files: int) -> None:
    done = run(
        tmp_path,
        ["prlimit", f"--nofile={files}", *words("sh", "-c", "ulimit -n; echo ran >> ran; exit 7")],
    )
    assert done.returncode == 7, done.stderr
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert done.stdout == f"{files}\n"


# ---- signals
def counting(place: Path, *before: str, **more: object) -> subprocess.Popen[bytes]:
    """A recording whose COMMAND notes the signals that it gets."""
    process = subprocess.Popen(
        [*before, *words(sys.executable, "-c", _COUNTING)],
        cwd=place,
        stderr=subprocess.DEVNULL,
        **more,
    )  # type: ignore[call-overload]
    until(lambda: (place / "up").exists())
    time.sleep(0.5)
    return process


def got(place: Path) -> list[str]:
    return (place / "got").read_text().split() if (place / "got").exists() else []


def test_a_group_is_told_to_end(tmp_path: Path) -> None:
    """timeout(1), schedulers: a signal to us and to our group arrives once."""
    process = counting(tmp_path, start_new_session=True)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2):
        os.kill(process.pid, number)
        os.killpg(process.pid, number)
        time.sleep(1)
    assert got(tmp_path) == ["SIGTERM", "SIGHUP", "SIGUSR2"]
    (tmp_path / "end").touch()
    assert process.wait(_LIMIT_S) == 7


def test_timeout(tmp_path: Path) -> None:
    process = counting(tmp_path, "timeout", "6")
    until(lambda: got(tmp_path))
    time.sleep(1)
    assert got(tmp_path) == ["SIGTERM"]
    (tmp_path / "end").touch()
    assert process.wait(_LIMIT_S) == 124


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT, signal.SIGALRM, signal.SIGXCPU])
def test_a_signal_to_us_alone(tmp_path: Path, number: signal.Signals) -> None:
    """COMMAND gets it, again and again, and the recording ends with COMMAND."""
    process = counting(tmp_path, start_new_session=True)
    process.send_signal(number)
    until(lambda: got(tmp_path))
    time.sleep(0.3)
    process.send_signal(number)
    until(lambda: len(got(tmp_path)) == 2)
    (tmp_path / "end").touch()
    assert process.wait(_LIMIT_S) == 7
    assert got(tmp_path) == [number.name] * 2


def test_stopped_and_continued(tmp_path: Path) -> None:
    """SIGTSTP stops COMMAND and us, SIGCONT lets both go on."""
    process = counting(tmp_path, start_new_session=True)

    def states() -> set[str]:
        group = [
            process.pid,
            *map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()),
        ]
        stats = [
            Path(f"/proc/{p}/stat").read_text()
            for p in group
            if b"keeper" not in Path(f"/proc/{p}/cmdline").read_bytes()
        ]
        return {s.rpartition(")")[2].split()[0] for s in stats}

    process.send_signal(signal.SIGTSTP)
    until(lambda: states() == {"T"})
    process.send_signal(signal.SIGCONT)
    until(lambda: "T" not in states())
    (tmp_path / "end").touch()
    assert process.wait(_LIMIT_S) == 7


@pytest.mark.parametrize("stubborn", [False, True])
def test_it_dies_with_us(tmp_path: Path, stubborn: bool) -> None:
    """kill -9 of the recording: COMMAND and what it has started do not run on without anybody to wait for them."""
    trap = "trap '' TERM; " if stubborn else ""
    script = f"{trap}echo $$ > pids; (echo $BASHPID >> pids; while :; do sleep 0.1; done) & while :; do sleep 0.1; done"
    process = subprocess.Popen(words("bash", "-c", script), cwd=tmp_path, stderr=subprocess.DEVNULL)
    until(
        lambda: (
            len((tmp_path / "pids").read_text().split()) == 2
            if (tmp_path / "pids").exists()
            else False
        )
    )
    time.sleep(0.5)
    process.kill()
    process.wait(_LIMIT_S)
    pids = [int(p) for p in (tmp_path / "pids").read_text().split()]
    until(lambda: not any(Path(f"/proc/{p}").exists() for p in pids))


def test_ctrl_c_on_a_terminal(tmp_path: Path) -> None:
    """In the foreground of a terminal its keys reach COMMAND from there, once; SIGTERM to us is passed on."""
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(tmp_path)
        os.execv(sys.executable, words(sys.executable, "-c", _COUNTING))
    try:
        until(lambda: (tmp_path / "up").exists())
        time.sleep(0.5)
        for key, name in ((b"\x03", "SIGINT"), (b"\x1c", "SIGQUIT")):
            os.write(terminal, key)
            until(lambda name=name: name in got(tmp_path))
            time.sleep(0.5)
        os.kill(pid, signal.SIGTERM)
        until(lambda: "SIGTERM" in got(tmp_path))
        time.sleep(0.5)
        assert got(tmp_path) == ["SIGINT", "SIGQUIT", "SIGTERM"]
        (tmp_path / "end").touch()
        deadline = time.monotonic() + _LIMIT_S
        status = 0
        while time.monotonic() < deadline:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                break
            os.set_blocking(terminal, False)
            try:
                os.read(terminal, 65536)
            except OSError:
                pass
            time.sleep(0.05)
        assert os.waitstatus_to_exitcode(status) == 7
    finally:
        os.close(terminal)
