"""The ssh transport without hosts: a program named ssh runs the command on this host."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from shadows import executed, shadows

from mpi_collector.errors import HostNameError, SessionLostError
from mpi_collector.node.frames import VERSION, encode
from mpi_collector.node.options import SamplingOptions
from mpi_collector.transport.deadline import Deadline
from mpi_collector.transport.hosts import HostSpec
from mpi_collector.transport.launch import preflight
from mpi_collector.transport.session import Session
from mpi_collector.transport.ssh import HostQueries, SshCoordinator
from mpi_collector.transport.ssh.bootstrap import NO_PYTHON, preamble, remote_command
from mpi_collector.transport.ssh.command_line import (
    accepts_new_keys,
    site_options,
    ssh_argv,
    ssh_environment,
)
from mpi_collector.transport.ssh.remote import RemoteHost
from mpi_collector.transport.ssh.turns import SessionLimits, SessionSettings

#: ``ssh -G`` prints the configuration in $SSH_TOLD. A host named hung... never answers, and a child of
#: ssh outlives it; one named crowd... refuses the first connection; any other host is this one.
SSH = f"""#!{sys.executable} -ES
import os, subprocess, sys, threading
told = os.environ["SSH_TOLD"]
if "-V" in sys.argv:
    version = told + ".version"
    sys.exit(open(version).read() if os.path.exists(version) else "OpenSSH_9.2p1")
if "-G" in sys.argv:
    sys.exit(os.path.exists(told) and sys.stdout.write(open(told).read()) and None)
host, command = sys.argv[sys.argv.index("--") + 1 :]
with open(told + ".calls", "a") as calls:
    print(host, file=calls)
if host.startswith("gone"):
    sys.exit("gone")
if host.startswith("bare"):
    os.environ["PATH"] = os.path.dirname(told) + "/bare"
if host.startswith("hung"):
    os.execvp("sh", ["sh", "-c", "sleep 30; true"])
if host.startswith("crowd") and not os.path.exists(told + host):
    os.mkdir(told + host)
    sys.exit("kex_exchange_identification: read: Connection reset by peer")
there = subprocess.Popen(["sh", "-c", command], cwd=os.environ.get("SSH_HOME"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def copy(source, target):
    while data := os.read(source, 1 << 16):
        os.write(target, data)
threading.excepthook = lambda failed: None  # the program there may end before it has read all
threading.Thread(target=copy, args=(0, there.stdin.fileno()), daemon=True).start()
copy(there.stdout.fileno(), 1)
sys.exit(there.wait())
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file whose content ``ssh -G`` prints; the ssh above is the one in $PATH."""
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(SSH)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("SSH_TOLD", str(tmp_path / "told"))
    monkeypatch.setenv("MPI_COLLECTOR_ORPHAN_S", "10")
    return tmp_path / "told"


def options(tmp_path: Path, **more: Any) -> SamplingOptions:
    return SamplingOptions(
        interval_s=0.05, spool_dir=str(tmp_path), sources="basic", gather_timeout_s=60.0, **more
    )


class Seen:
    """A sink that counts."""

    def __init__(self) -> None:
        self.hosts: list[str] = []
        self.dropped: list[str] = []
        self.bytes = 0

    def begin_host(self, key: str) -> None:
        self._key = key

    def begin(self, head: dict[str, Any]) -> None:
        pass

    def write(self, data: bytes | memoryview) -> None:
        self.bytes += len(data)

    def end_host(self) -> None:
        self.hosts.append(self._key)

    def drop_host(self) -> None:
        self.dropped.append(self._key)


# ---- calling ssh
def test_hosts_that_hang_do_not_hold_the_others(told: Path, tmp_path: Path) -> None:
    """Hosts that never answer delay the next one by a tenth of the time-out.

    Ten hosts, one session at a time: the last one is reached before the first is given up.
    """
    done: list[int] = []
    names = [*(f"hung{k}" for k in range(9)), "good"]
    queries = HostQueries(
        options(tmp_path),
        "run",
        [HostSpec(n) for n in names],
        None,
        1,
        8.0,
        lambda what, n, total: done.append(n),
    )
    ended: dict[str, float] = {}
    connect = RemoteHost.connect

    async def watched(self: RemoteHost, limits: SessionLimits) -> None:
        try:
            await connect(self, limits)
        finally:
            ended[self.name] = time.monotonic()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RemoteHost, "connect", watched)
        found = queries.check()
    assert list(found) == ["good"]
    assert done[-1] == 10
    assert ended["good"] < ended["hung8"]
    assert all("no answer within 8 s" in (h.error or "") for h in queries.hosts if h.key != "good")


def test_files_in_the_home_directory_are_no_modules(
    told: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the agent nor the check of a host before an MPI launch imports what lies there."""
    monkeypatch.setenv("SSH_HOME", str(shadows(tmp_path / "home")))
    queries = HostQueries(options(tmp_path), "run", [HostSpec("node1")])
    assert list(queries.check()) == ["node1"], queries.hosts[0].error
    assert preflight.check_ranks([HostSpec("node1")], None, 4, 60.0, {}).problems == {}
    assert not executed(tmp_path / "home")


@pytest.mark.parametrize("ignored", [False, True])
def test_nothing_but_ours_on_stderr(told: Path, tmp_path: Path, ignored: bool) -> None:
    """Sessions that end at once, that we end, and that we kill, with SIGCHLD ignored or not."""
    bare(told.with_name("bare"))
    names = [f"{what}{k}" for k in range(6) for what in ("gone", "hung", "bare", "good")]
    words = [
        "check",
        "--ssh-fanout",
        "24",
        "--ssh-timeout",
        "10",
        "--transport",
        "ssh",
        "--spool-dir",
        str(tmp_path),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "mpi_collector", *words, "--hosts", *names],
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN) if ignored else None,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == 1
    assert done.stderr == ""
    assert done.stdout.count("no python3, 3.6 or newer, on this host") == 6, done.stdout
    assert "6 of 24" in done.stdout


def test_a_crowded_sshd_is_asked_again(told: Path, tmp_path: Path) -> None:
    """A connection that sshd drops because many come at once is tried again."""
    queries = HostQueries(options(tmp_path), "run", [HostSpec("crowd1")])
    assert list(queries.check()) == ["crowd1"]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("ask", 1), ("true", 0), ("yes", 0), ("false", 0), ("accept-new", 0), ("", 0)],
)
def test_a_stricter_site_stays_strict(told: Path, setting: str, expected: int) -> None:
    """A new host key is accepted only where ssh would ask, and never a changed one."""
    told.write_text(f"user root\nstricthostkeychecking {setting}\n" if setting else "")
    assert (
        asyncio.run(site_options(HostSpec("node1"), None))
        == ("StrictHostKeyChecking=accept-new",) * expected
    )


def test_a_configured_command_gives_way(told: Path) -> None:
    """ssh refuses a command beside a configured one; without one the option, unknown to OpenSSH 7.4, is not used."""
    told.write_text("remotecommand tmux attach\n")
    assert asyncio.run(site_options(HostSpec("node1"), None)) == ("RemoteCommand=none",)
    told.write_text("remotecommand none\n")
    assert asyncio.run(site_options(HostSpec("node1"), None)) == ()


@pytest.mark.parametrize(
    ("version", "accepts"), [("7.4p1", False), ("7.6p1", True), ("10.0p2", True), ("", True)]
)
def test_old_ssh(told: Path, version: str, accepts: bool) -> None:
    """OpenSSH 7.4 (RHEL 7) refuses accept-new, and so every session that asks for it."""
    told.write_text("stricthostkeychecking ask\n")
    told.with_name("told.version").write_text(f"OpenSSH_{version}, OpenSSL" if version else "Other")
    accepts_new_keys.cache_clear()
    assert bool(asyncio.run(site_options(HostSpec("node1"), None))) == accepts
    accepts_new_keys.cache_clear()


def test_nothing_can_ask() -> None:
    """ssh has no terminal and no window to ask in; neither has the ssh to a jump host."""
    argv = ssh_argv(HostSpec("node1"), "bob", 7.4, "true")
    for option in ("BatchMode=yes", "ConnectTimeout=7", "ControlMaster=no", "ClearAllForwardings=yes", "RequestTTY=no",
                   "ForwardAgent=no", "ForwardX11=no"):  # fmt: skip
        assert argv[argv.index(option) - 1] == "-o"
    assert argv[-5:] == ["-l", "bob", "--", "node1", "true"]
    environ = ssh_environment(
        {
            "DISPLAY": ":0",
            "WAYLAND_DISPLAY": "w",
            "SSH_ASKPASS": "/bin/x",
            "SSH_AUTH_SOCK": "/a",
            "HOME": "/h",
        }
    )
    assert environ == {"SSH_AUTH_SOCK": "/a", "HOME": "/h", "SSH_ASKPASS_REQUIRE": "never"}


@pytest.mark.parametrize("user", ["-l", "a$b", "a;b", "a b", "`x`"])
def test_users_are_never_options(user: str) -> None:
    with pytest.raises(HostNameError):
        ssh_argv(HostSpec("node1"), user, 5, "true")
    with pytest.raises(HostNameError):
        asyncio.run(site_options(HostSpec("node1", user=user), None))


def test_user_and_port_of_a_host() -> None:
    """They come before those that are for all hosts, and go to ``ssh -G``, too, which prints what applies to them."""
    host = HostSpec("node1", user="eve", port=2222)
    assert ssh_argv(host, "bob", 5, "true")[-7:] == [
        "-l",
        "eve",
        "-p",
        "2222",
        "--",
        "node1",
        "true",
    ]


def test_without_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an ssh program every host has an error; nothing is raised."""
    monkeypatch.setenv("PATH", str(tmp_path))
    queries = HostQueries(options(tmp_path), "run", [HostSpec("node1")])
    assert queries.check() == {}
    assert "No such file" in (queries.hosts[0].error or "")
    assert (
        "cannot start ssh"
        in preflight.check_ranks([HostSpec("node1")], None, 4, 5.0, {}).problems["node1"]
    )


# ---- finding a Python on the host
def bare(directory: Path) -> None:
    """Make ``directory`` a $PATH with sh and cat alone."""
    directory.mkdir(exist_ok=True)
    for name in ("sh", "cat"):
        (directory / name).symlink_to(f"/bin/{name}")


@pytest.mark.parametrize("place", ["python3.9", "python3"])
def test_the_first_python_that_will_do(tmp_path: Path, place: str) -> None:
    """An old python3 and a wrapper without interpreter are passed over, stdin untouched."""
    bare(tmp_path)
    for name, text in (
        ("python3", "exit 1"),
        ("python3.12", "exit 127"),
        (place, f'exec {sys.executable} "$@"'),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    if place != "python3":
        (tmp_path / "python3").write_text("#!/bin/sh\ncat >/dev/null; exit 1\n")

    async def hello() -> dict[str, Any]:
        session = Session(["/bin/sh", "-c", remote_command()], preamble(f"pythons-{os.getpid()}", place, 3.0),
                          {"PATH": str(tmp_path)})  # fmt: skip
        said = await session.connect(20)
        await session.request("quit", 5)
        await session.disconnect()
        return said

    if place == "python3" or not Path("/usr/libexec/platform-python").exists():
        assert asyncio.run(hello())["python"].startswith(
            f"{sys.version_info[0]}.{sys.version_info[1]}."
        )


def test_no_python_at_all(tmp_path: Path) -> None:
    """A host without Python is reported in one line."""
    if any(Path(p).exists() for p in ("/usr/libexec/platform-python", "/usr/local/bin/python3")):
        pytest.skip("this host has one in a place that is looked at by its path")
    bare(tmp_path)
    done = subprocess.run(
        ["/bin/sh", "-c", remote_command()],
        env={"PATH": str(tmp_path)},
        input=b"",
        capture_output=True,
    )
    assert done.returncode == 127
    assert NO_PYTHON in done.stderr.decode()


@pytest.mark.parametrize("said", [{"hello": VERSION + 1}, {"hello": "1"}, {"hello": None}])
def test_another_version_is_refused(tmp_path: Path, said: dict[str, Any]) -> None:
    """An agent with another version of the protocol is refused."""
    words = tmp_path / "words"
    words.write_bytes(b"Welcome!\n" + encode(said))
    with pytest.raises(SessionLostError, match="uses protocol"):
        asyncio.run(Session(["sh", "-c", f"cat {words}; sleep 9"], ()).connect(10))


# ---- sessions that break
def started(tmp_path: Path, names: list[str], **more: Any) -> SshCoordinator:
    """Start a run on ``names``: agents on this host, each taken for a host of its own."""
    coordinator = SshCoordinator(
        options(tmp_path, **more),
        f"sessions-{os.getpid()}-{time.monotonic_ns()}",
        [HostSpec(n) for n in names],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "mpi_collector.transport.ssh.coordinator.same_host_key", lambda who: (id(who),)
        )
        coordinator.open({"benchmark": "host"})
    assert [h.error for h in coordinator.hosts] == [None] * len(names)
    coordinator.start()
    return coordinator


def break_session(coordinator: SshCoordinator, number: int) -> None:
    pid = coordinator.remotes[number].session.pid
    assert pid is not None
    os.killpg(pid, signal.SIGKILL)


def until(happened: Any) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_one_session_for_the_whole_run(told: Path, tmp_path: Path) -> None:
    """However many samples: ssh is called once for each host."""
    coordinator = started(tmp_path, ["a", "b"])
    time.sleep(0.5)
    coordinator.snapshot()
    coordinator.stop()
    coordinator.gather(Seen(), lambda done, total: None, False)
    coordinator.close(True)
    assert all(host.stopped and host.stopped["samples"] >= 5 for host in coordinator.hosts)
    assert sorted(told.with_name("told.calls").read_text().split()) == ["a", "b"]


def test_a_broken_session_is_called_back_at_once(told: Path, tmp_path: Path) -> None:
    """A broken session is restored to the same agent, which has missed nothing.

    An agent that died is not called again, and its spool stays.
    """
    coordinator = started(tmp_path, ["a", "b"])
    remote, dead = coordinator.remotes
    before = remote.session.pid
    break_session(coordinator, 0)
    os.kill(dead.agent_pid, signal.SIGKILL)
    until(lambda: remote.session.pid not in (None, before))
    until(lambda: dead.state.error)
    assert "the agent died" in (dead.state.error or "")
    until(lambda: coordinator.status()["sampling"] == 1)  # not cut off any more
    coordinator.stop()
    sink = Seen()
    coordinator.gather(sink, lambda done, total: None, False)
    assert sink.hosts == ["a"]
    assert remote.state.facts["missed"] <= 2
    coordinator.close(True)
    assert [p.name for p in tmp_path.glob("mpi_collector-*/*/*")] == ["b"]


def test_nobody_waits_for_an_agent_that_hangs(told: Path) -> None:
    """A launcher that connects again and again to a hanging agent leaves no process behind."""
    words = preamble(f"hanging-{os.getpid()}", "a", 60.0)

    async def comes_back() -> None:
        first = Session(["sh", "-c", remote_command()], words)
        agent = (await first.connect(20))["pid"]
        os.kill(agent, signal.SIGSTOP)
        try:
            with pytest.raises(SessionLostError):
                await first.request("time", 0.2)
            for _ in range(8):  # more than may wait for it
                with subprocess.Popen(
                    ["sh", "-c", remote_command()], stdin=subprocess.PIPE, stderr=subprocess.PIPE
                ) as there:
                    there.communicate(b"".join(words), timeout=20)
            await first.disconnect()  # the agent holds its output
        finally:
            os.kill(agent, signal.SIGKILL)

    asyncio.run(comes_back())


def test_a_session_that_breaks_while_it_delivers(told: Path, tmp_path: Path) -> None:
    """What a broken session did not deliver is fetched in the next one; other hosts go on."""
    coordinator = started(tmp_path, ["a", "b", "c"])
    time.sleep(0.3)
    coordinator.stop()
    order: list[int] = []
    request = Session.request

    async def cut(self: Session, do: str, timeout_s: float, **fields: Any) -> Any:
        answer = await request(self, do, timeout_s, **fields)
        if do == "fetch" and len(order) < 3:
            number = [r.session for r in coordinator.remotes].index(self)
            if number not in order:
                order.append(number)
                break_session(coordinator, number)
        return answer

    sink = Seen()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "request", cut)
        coordinator.gather(sink, lambda done, total: None, False)
    assert sorted(order) == [0, 1, 2]
    assert sorted(sink.hosts) == ["a", "b", "c"], [h.error for h in coordinator.hosts]
    assert not sink.dropped
    assert [h.error for h in coordinator.hosts] == [None] * 3
    coordinator.close(True)
    assert not list(tmp_path.glob("mpi_collector-*/*/*"))


def test_insisting_ends_in_time(told: Path, tmp_path: Path) -> None:
    """A lost host costs the gather time-out at most, whatever --ssh-timeout is."""
    settings = SessionSettings(SamplingOptions(gather_timeout_s=1.0), "run", None, 300.0)
    limits: list[float] = []

    class Gone(Session):
        async def connect(self, timeout_s: float) -> dict[str, Any]:
            limits.append(timeout_s)
            await asyncio.sleep(timeout_s)
            raise SessionLostError("gone")

    remote = RemoteHost(settings, HostSpec("node1"), "node1")
    remote.session = Gone([], b"")
    with pytest.raises(SessionLostError, match="gone"):
        asyncio.run(remote.request_persistently("stop", Deadline(1.0)))
    assert limits and all(limit <= 1.0 for limit in limits)


def test_an_answer_without_sense_is_that_hosts_failure(told: Path, tmp_path: Path) -> None:
    """An answer without the expected fields is an error of its host, not of the run."""
    queries = HostQueries(options(tmp_path), "run", [HostSpec("node1")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "mpi_collector.transport.ssh.remote.remote_command",
            lambda: f"printf '{_escaped(encode({'hello': VERSION}))}'; sleep 3",
        )
        assert queries.check() == {}
    assert "its hello is not in the protocol" in (queries.hosts[0].error or "")


def _escaped(data: bytes) -> str:
    return "".join(f"\\{byte:03o}" for byte in data)
