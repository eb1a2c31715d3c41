"""The ssh transport on four odd hosts: old Python, wrong clock, jump host, chatty shell; and what happens when it breaks."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bed import TESTBED, Bed, Job, Process, descendants, environment, hosts, missing_for_bed, poll

import mpi_collector

PYTHON = sys.executable
MS = 1_000_000
_KNOWN_S = 10  #: within which the death of a host is to be known
_BUSY_S = 3  #: of a busy machine, and of whole seconds
odd: set[str] = set()  #: which oddities this machine allows
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


def python36() -> str | None:
    """An interpreter of version 3.6, if there is one."""
    roots = [Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"]
    found = [str(p) for root in roots for p in sorted(root.glob("3.6*/bin/python3.6"))]
    return found[0] if found else shutil.which("python3.6")


def only_python(bed: Bed, host: int, script: str) -> bool:
    """Make ``script`` what python3 means on one host. False where that would be its own interpreter."""
    wrapper = bed.share / f"python3-of-node{host}"
    wrapper.write_text(f"#!/bin/sh\n{script}\n")
    wrapper.chmod(0o755)
    found = bed.run(0, ["ssh", f"node{host}", "command -v python3"]).out.decode().strip()
    place = Path(found).resolve()
    if place == Path(PYTHON).resolve():
        return False
    bed.script("exec", str(host), "mount", "--bind", str(wrapper), str(place))
    return True


def state_directory(bed: Bed) -> Path:
    return Path(f"/tmp/testbed-state-{bed.name}")


@pytest.fixture(scope="module")
def odd_hosts() -> Iterator[Bed]:
    """node1 plain with its wall clock an hour off, node2 with Python 3.6, node3 behind node1, node4 with a banner."""
    missing = missing_for_bed()
    if missing:
        pytest.skip(missing)
    with hosts(4, pythons=[PYTHON]) as bed:
        odd.clear()
        if FAKETIME and only_python(
            bed, 1, f'LD_PRELOAD={FAKETIME} FAKETIME=+1h exec {PYTHON} "$@"'
        ):
            odd.add("clock")
        old = python36()
        if old and only_python(bed, 2, f'exec {old} "$@"'):
            odd.add("python")
        config = state_directory(bed) / "ssh_config"
        config.write_text(config.read_text() + "Host node3\n  ProxyJump node1\n")
        sshd = state_directory(bed) / "node4" / "sshd_config"
        sshd.write_text(
            sshd.read_text()
            + "ForceCommand echo 'Welcome to node4. All your base.'; sh -c \"$SSH_ORIGINAL_COMMAND\"\n"
        )
        bed.script("sshd", "4", "stop")
        bed.script("sshd", "4", "start")
        yield bed


@pytest.fixture
def bed(odd_hosts: Bed) -> Iterator[Bed]:
    try:
        yield odd_hosts
    finally:
        for k in range(1, 5):
            subprocess.run(
                ["bash", str(TESTBED), "link", str(k), "up"], env=odd_hosts._environ(), check=False
            )
        for pid in agents(
            odd_hosts
        ).values():  # those of frozen or cut-off hosts would stay for a minute
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        odd_hosts.clean()


def collect(
    results: Path,
    *command: str,
    verb: str = "kvcache",
    names: str = "node[1-4]",
    extra: tuple[str, ...] = (),
) -> list[str]:
    return [PYTHON, "-m", "mpi_collector", verb, "run", "--hosts", names, "--timeseries-interval", "0.1",
            "--results-dir", str(results), *extra, "--", *command]  # fmt: skip


def agents(bed: Bed) -> dict[int, int]:
    """{host: pid of its agent}."""
    found = {}
    for k in range(1, bed.count + 1):
        for process in bed.processes(k):
            if any("sys.exit(1)" in w for w in process.words) and process.alive:
                found[k] = process.pid
    return found


def sleeper(seconds: float, code: int = 0) -> tuple[str, ...]:
    return ("sh", "-c", f"echo started; sleep {seconds}; exit {code}")


def running(job: Job) -> str:
    """Wait until COMMAND runs, which is when everybody samples; returns the name of the run."""
    poll("COMMAND runs", 60, lambda: b"started" in job.out)
    return job.recording()


def freeze(bed: Bed, host: int) -> list[Process]:
    """Stop everything of a host that could answer."""
    frozen = [
        p
        for p in bed.processes(host)
        if p.name.startswith("sshd") or p.words[0].startswith("sshd") or "python" in p.words[0]
    ]
    for process in frozen:
        process.signal(signal.SIGSTOP)
    return frozen


def thaw(frozen: list[Process]) -> None:
    for process in frozen:
        if process.alive:
            process.signal(signal.SIGCONT)


@pytest.mark.parametrize("verb", ["kvcache", "vectordb"])
def test_four_odd_hosts(bed: Bed, verb: str) -> None:
    """All recorded on one time line, whatever their Python, clocks, shell and route are."""
    results = bed.directory("results")
    job = bed.run(
        0,
        collect(results, PYTHON, str(Path(__file__).parents[1] / "jobs" / f"{verb}.py"), verb=verb),
    )
    assert job.process.returncode == 0, job.err
    assert "transport: ssh" in job.err
    assert b"done" in job.out
    with mpi_collector.load(results) as run:
        assert list(run) == ["node1", "node2", "node3", "node4"]
        assert run.run["verdict"]["hosts"] == 4, run.run["verdict"]
        assert not run.run["hosts_partial"]
        assert run.run["verdict"]["cpu_counts"] == "all"
        assert all(f["helpers_cpu_ns"] for f in run.run["facts"].values()), "their sshd works, too"
        assert run.run["verdict"]["launch_side_cpu_ns"]
        grids = {
            k: dict(zip(h.tick.tolist(), (h.timestamp_ns - h.array("late_ns")).tolist()))
            for k, h in run.items()
        }
        common = set.intersection(*(set(g) for g in grids.values())) - {-1}
        assert len(common) >= 5
        spread = max(
            max(g[t] for g in grids.values()) - min(g[t] for g in grids.values()) for t in common
        )
        assert spread <= 2 * max(run.run["clock_bound_ns"].values())
        now = time.time_ns()
        for host in run.values():
            assert (
                abs(int(host.timestamp_ns[-1]) - now) < 60_000 * MS
            )  # UTC is the launcher's, not the odd host's
            assert {"diskstats", "netdev", "stat", "vmstat", "meminfo", "loadavg"} <= {
                c.split(".")[0] for c in host.columns
            }
        if "clock" in odd:
            wrong = int(run["node1"].array("begin_wall_ns")[0] - run["node1"].timestamp_ns[0])
            assert abs(wrong - 3_600_000 * MS) < 10_000 * MS
        columns = [set(h.columns) for h in run.values()]
        assert len({frozenset(c.split(".")[-1] for c in cs) for cs in columns}) == 1
    document = json.loads(next(results.glob("*_timeseries.json")).read_text())
    assert document["collection_method"] == "ssh"
    assert document["hosts_collected"] == ["node1", "node2", "node3", "node4"]
    assert poll("no agent left", 10, lambda: not agents(bed))
    assert all(not bed.spools(k) for k in range(1, 5))


def test_python_of_every_host(bed: Bed) -> None:
    """check lists them: versions, clocks, free spool; exit 0 only when all are fit."""
    argv = [PYTHON, "-m", "mpi_collector", "check", "--ssh-timeout", "8", "--hosts", "node[1-4]"]
    job = bed.run(0, argv, COLUMNS="160")
    assert job.process.returncode == 0, job.err + job.out.decode()
    text = job.out.decode()
    if "python" in odd:
        assert re.search(r"node2 +ok +3\.6\.", text)
    if "clock" in odd:
        assert re.search(r"node1 +ok .*\+36\d\d\d\d\d\.\d ms", text)
    job = bed.run(0, [*argv, "nosuchhost"], COLUMNS="160")
    assert job.process.returncode == 1
    assert "nosuchhost  FAILED" in job.out.decode()
    assert "4 of 5" in job.out.decode()


def test_nothing_asks_and_strict_stays_strict(bed: Bed) -> None:
    """Unknown host keys: taken where ssh would ask, refused where it is told to; a jump host's are refused, not asked for."""
    directory, asked = bed.directory("keys"), bed.directory("asked")
    config = state_directory(bed) / "ssh_config"
    before = config.read_text()
    ask = directory / "ask"
    ask.write_text(f"#!/bin/sh\ntouch {asked}/asked\necho yes\n")
    ask.chmod(0o755)
    named = {
        "asks": ("ask", "new", ""),
        "strict": ("yes", "none", ""),
        "jumps": ("yes", "none", "unknown"),
        "unknown": ("ask", "none", ""),
    }
    text = "".join(
        f"Host {name}\n  HostName {bed.net}.1\n  StrictHostKeyChecking {check}\n  BatchMode no\n  UserKnownHostsFile {directory}/{known}\n"
        + (f"  ProxyJump {jump}\n" if jump else "")
        for name, (check, known, jump) in named.items()
    )
    try:
        config.write_text(text + before)  # the first value that is said counts
        argv = [
            PYTHON,
            "-m",
            "mpi_collector",
            "check",
            "--ssh-timeout",
            "8",
            "--hosts",
            "asks",
            "strict",
            "jumps",
        ]
        job = bed.run(0, argv, COLUMNS="160", DISPLAY=":9", SSH_ASKPASS=str(ask))
    finally:
        config.write_text(before)
    said = job.out.decode()
    assert job.process.returncode == 1
    assert re.search(r"asks +ok", said), said
    assert re.search(r"strict +FAILED .*[Hh]ost key", said), said
    assert re.search(r"jumps +FAILED", said), said
    assert "ssh-ed25519" in (directory / "new").read_text()
    assert not list(directory.glob("none"))
    assert not list(asked.iterdir())


def test_this_host_needs_no_ssh(bed: Bed) -> None:
    """Its name, all its addresses of all interfaces, and loopback, of either version; and it has only platform-python."""
    bed.script(
        "exec", "4", "ip", "addr", "add", "192.0.2.4/32", "dev", "eth0"
    )  # a second one of one interface
    bed.script("exec", "4", "ip", "addr", "add", "2001:db8::4/128", "dev", "lo", "nodad")
    nowhere = bed.directory("nowhere")  # a PATH without ssh and python3
    for program in ("sh", "env"):
        (nowhere / program).symlink_to(f"/bin/{program}")
    bed.script("exec", "4", "mount", "-t", "tmpfs", "none", "/usr/libexec")
    (bed.root(4) / "usr/libexec/platform-python").symlink_to(PYTHON)
    names = ["node4", f"{bed.net}.4", "192.0.2.4", "2001:db8::4", "127.0.0.1", "::1", "localhost"]
    job = bed.run(
        4,
        ["env", f"PATH={nowhere}", PYTHON, "-m", "mpi_collector", "check", "--hosts", *names],
        COLUMNS="160",
    )
    assert job.process.returncode == 0, job.out.decode() + job.err
    assert "7 of 7 hosts can be recorded" in job.out.decode()
    if (
        "python" in odd
    ):  # python3 is 3.6 on node2 alone: what was found here is what the link leads to
        assert f" {sys.version_info[0]}.{sys.version_info[1]}." in job.out.decode()


def test_cable_out_for_five_seconds(bed: Bed) -> None:
    """A short outage loses nothing: the agent samples on."""
    results = bed.directory("results")
    job = bed.start(0, collect(results, *sleeper(8)))
    running(job)
    time.sleep(1)
    bed.script("link", "4", "down")
    time.sleep(5)
    bed.script("link", "4", "up")
    assert job.finish(60) == 0, job.err
    with mpi_collector.load(results) as run:
        assert run.run["verdict"]["missed"] <= 3, run.run["verdict"]
        assert not run.run["hosts_partial"]
        ticks = run["node4"].tick
        assert len(ticks) > 60


def test_cable_out_for_good(bed: Bed) -> None:
    """The others are complete, the lost one is named, the job's exit code is its own, and --strict says 3 after a success."""
    results = bed.directory("results")
    job = bed.start(0, collect(results, *sleeper(3, 7), extra=("--gather-timeout", "4")))
    running(job)
    bed.script("link", "4", "down")
    assert job.finish(90) == 7
    with mpi_collector.load(results) as run:
        assert list(run) == ["node1", "node2", "node3"]
        assert "node4" in run.run["hosts_partial"]
        assert run.run["verdict"]["verdict"] == "partial"
    assert "warning: node4" in job.err
    document = json.loads(next(results.glob("*_timeseries.json")).read_text())
    assert document["samples_by_host"]["node4"] == []
    assert "node4" in document["hosts_requested"]
    assert "node4" not in document["hosts_collected"]


def test_frozen_hosts_delay_nobody(bed: Bed) -> None:
    """SIGSTOP of everything on a host, of one before the start and of another while it records: the others have every tick."""
    results = bed.directory("results")
    frozen = freeze(bed, 2)
    try:
        extra = ("--gather-timeout", "10", "--ssh-timeout", "3")
        job = bed.start(0, collect(results, *sleeper(4), extra=extra))
        running(job)
        frozen += freeze(bed, 4)
        assert job.finish(90) == 0
    finally:
        thaw(frozen)
    assert "node2 is not recorded: connecting: no answer within 3 s" in job.err
    with mpi_collector.load(results) as run:
        others = run.run["facts"]
        assert set(others) == {"node1", "node3"}
        assert all(f["missed"] <= 2 for f in others.values()), others
        for host in run.values():  # to the tick: nothing before, while or after the other one froze
            assert host.tick[0] <= 1
            assert int(np.diff(host.tick[:-1]).max()) <= 3
        assert {"node2", "node4"} == set(run.run["hosts_partial"])


@pytest.mark.parametrize("how", ["frozen", "off"])
def test_a_lost_host_is_known(bed: Bed, how: str) -> None:
    """Its error says when it was lost, and the end does not wait for it as long as for others."""
    results = bed.directory("results")
    go = bed.directory("go") / "on"
    script = f"echo started; while [ ! -e {go} ]; do sleep 0.1; done"
    extra = ("--gather-timeout", "60")
    job = bed.start(0, collect(results, "sh", "-c", script, names="node[2,4]", extra=extra))
    running(job)
    frozen: list[Process] = []
    try:
        if how == "frozen":
            frozen = freeze(bed, 4)
        else:
            bed.script("link", "4", "down")
        lost = time.time()
        time.sleep(_KNOWN_S + _BUSY_S)
        go.touch()
        assert job.finish(90) == 0
    finally:
        thaw(frozen)
    with mpi_collector.load(results) as run:
        (key, why), *more = run.run["hosts_partial"].items()
    assert (key, more) == ("node4", [])
    said = re.match(r"its session was lost at (\d\d):(\d\d):(\d\d) UTC; stopping: .*", why)
    assert said, why
    assert "within 10 s" in why or "no answer" in why or "lost" in why
    at_s = sum(int(n) * unit for n, unit in zip(said.groups(), (3600, 60, 1)))
    assert (at_s - lost) % 86_400 <= _KNOWN_S + _BUSY_S


def test_killed_launcher_leaves_spools(bed: Bed) -> None:
    """kill -9 of the launcher: the agents end by themselves, and what they sampled can be recovered on each host."""
    results = bed.directory("results")
    job = bed.start(0, collect(results, *sleeper(30)), MPI_COLLECTOR_ORPHAN_S="3")
    run = running(job)
    time.sleep(1)
    ours = (p for p in descendants(job.process.pid) if any("mpi_collector" in w for w in p.words))
    launcher = next(p for p in ours if "python" in p.words[0])
    launcher.signal(signal.SIGKILL)
    poll(f"agents gone: {agents(bed)}", 30, lambda: not agents(bed))
    for k in range(1, 5):
        assert bed.spools(k) == [f"{run}/node{k}"]
    saved = bed.directory("saved")
    done = bed.run(4, [PYTHON, "-m", "mpi_collector", "recover", run, "--results-dir", str(saved)])
    assert done.process.returncode == 0, done.err
    with mpi_collector.load(saved) as recovered:
        assert np.all(np.diff(recovered["node4"].tick[:-1]) == 1)
        assert len(recovered["node4"]) > 10


@pytest.mark.parametrize("name", ["-oProxyCommand=touch${IFS}x", "a;reboot", "$(reboot)", "a b|c"])
def test_names_are_never_commands(name: str, tmp_path: Path) -> None:
    """Host names that could be options or shell text are refused before anything starts."""
    argv = [
        PYTHON,
        "-m",
        "mpi_collector",
        "kvcache",
        "run",
        f"--hosts={name}",
        "--",
        "touch",
        str(tmp_path / "ran"),
    ]
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=60, cwd=tmp_path, env=environment()
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "ran").exists()
    assert len(done.stderr.strip().splitlines()) == 1
