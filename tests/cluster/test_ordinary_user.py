"""Everything as an ordinary user: a second account on the hosts, with a home directory and an ssh key of its own.

The launch node is node1. Nothing of a run belongs to root, and nothing needs it.
"""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bed import REPOSITORY, Bed, Job, Mpi, find_mpi, hosts, missing_for_bed, poll
from mpis import MPIS

import mpi_collector

_UID = 43210
_NAME = "tester"
_ALL = (1, 2, 3)
#: mounts what the account has to read over a directory that is closed to it
_OPEN = """
set -e
top=$1; shift
mkdir -p /run/open
for p in "$@"; do
    mkdir -p "/run/open${p#"$top"}"
    mount --bind "$p" "/run/open${p#"$top"}"
done
mount --rbind /run/open "$top"
"""


@dataclass
class User:
    """The account on the fake hosts."""

    bed: Bed
    home: Path

    def environment(self) -> dict[str, str]:
        return {"HOME": str(self.home), "USER": _NAME, "PATH": "/usr/local/bin:/usr/bin:/bin",
                "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200", "MPI_COLLECTOR_REPORT": "never",
                "OMPI_MCA_btl_tcp_if_include": "eth0"}  # fmt: skip

    def argv(self, *words: str, **env: str) -> list[str]:
        """The command by which root becomes this user, with its environment and nothing else."""
        pairs = [f"{k}={v}" for k, v in {**self.environment(), **env}.items()]
        become = ["setpriv", "--reuid", str(_UID), "--regid", str(_UID), "--clear-groups"]
        inside = f'cd {shlex.quote(str(self.home))} && exec "$@"'
        return [*become, "env", "-i", *pairs, "sh", "-c", inside, "sh", *words]

    def run(self, host: int, *words: str, **env: str) -> Job:
        return self.bed.run(host, self.argv(*words, **env))

    def ours(self, host: int, *words: str, **env: str) -> Job:
        return self.run(host, sys.executable, "-m", "mpi_collector", *words, **env)

    def spools(self, host: int) -> list[str]:
        base = self.bed.root(host) / f"dev/shm/mpi_collector-{_UID}"
        return sorted(str(p.relative_to(base)) for p in base.glob("*/*"))


def closed(path: Path) -> Path | None:
    """The topmost directory above ``path`` that others may not enter."""
    for above in reversed(path.parents):
        if not above.stat().st_mode & stat.S_IXOTH:
            return above
    return None


def make_readable(bed: Bed) -> None:
    """Let the account read this checkout and the Pythons, wherever they lie."""
    found = [find_mpi(name) for name in MPIS]
    pythons = {sys.executable, *(m.python for m in found if isinstance(m, Mpi))}
    places = {REPOSITORY, *(Path(p).resolve().parents[1] for p in pythons)}
    places |= {Path(p).parents[1] for p in pythons}
    by_top: dict[Path, list[str]] = {}
    for place in sorted(places):
        if top := closed(place):
            by_top.setdefault(top, []).append(str(place))
    for top, inside in by_top.items():
        for host in _ALL:
            bed.script("exec", str(host), "sh", "-c", _OPEN, "open", str(top), *inside)


@pytest.fixture(scope="module")
def account() -> Iterator[User]:
    if missing := missing_for_bed():
        pytest.skip(missing)
    with hosts(3, [sys.executable], plain_shells=True) as bed:
        home = bed.directory("home")
        (home / ".ssh").mkdir(mode=0o700)
        key = home / ".ssh" / "id_ed25519"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        (home / ".ssh" / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
        (home / ".ssh" / "config").write_text(f"Host *\n  User {_NAME}\n  IdentityFile {key}\n")
        (home / ".ssh" / "config").chmod(0o600)
        for path in (home, *home.rglob("*")):
            os.chown(path, _UID, _UID)
        home.chmod(0o700)
        passwd = bed.share / "passwd"
        line = f"{_NAME}:*:{_UID}:{_UID}::{home}:/bin/bash\n"
        passwd.write_text(Path("/etc/passwd").read_text() + line)
        for host in _ALL:
            bed.script("exec", str(host), "mount", "--bind", str(passwd), "/etc/passwd")
            bed.script("exec", str(host), "chmod", "1777", "/dev/shm")
            config = Path(f"/tmp/testbed-state-{bed.name}/node{host}/sshd_config")
            text = config.read_text()
            config.write_text(text.replace("id.pub\n", "id.pub .ssh/authorized_keys\n"))
            bed.script("exec", str(host), "sh", "-c", "kill -HUP $(cat /run/sshd.pid)")
        make_readable(bed)
        user = User(bed, home)
        for host in _ALL:
            said = poll(
                f"node{host} lets the account in",
                20,
                lambda host=host: user.run(1, "ssh", f"node{host}", "id -u").out,
            )
            assert said == f"{_UID}\n".encode()
        yield user


@pytest.fixture
def user(account: User) -> Iterator[User]:
    yield account
    account.bed.clean()
    for host in _ALL:
        base = account.bed.root(host) / f"dev/shm/mpi_collector-{_UID}"
        subprocess.run(["rm", "-rf", str(base)], check=True)


def check_recording(user: User, results: Path, expected: list[str], job: Job) -> None:
    """Complete, the user's own, and nothing is left on any host."""
    assert job.process.returncode == 0, job.err
    assert "warning" not in job.err, job.err
    with mpi_collector.load(results) as run:
        assert sorted(run) == expected
        assert run.run["verdict"]["verdict"] == "complete", run.run["verdict"]
    assert {p.stat().st_uid for p in results.rglob("*")} == {_UID}
    assert not any(user.spools(host) for host in _ALL)


def test_check(user: User) -> None:
    """All hosts are fit; one on which /dev/shm is root's alone fails with the reason."""
    job = user.ours(1, "check", "--hosts", "node[1-3]")
    assert job.process.returncode == 0, job.out.decode() + job.err
    user.bed.script("exec", "3", "chmod", "755", "/dev/shm")
    try:
        job = user.ours(1, "check", "--hosts", "node[1-3]", "--transport", "ssh")
    finally:
        user.bed.script("exec", "3", "chmod", "1777", "/dev/shm")
    (line,) = [text for text in job.out.decode().splitlines() if text.startswith("node3 ")]
    assert " FAILED " in line
    assert f"no spool can be made: /dev/shm/mpi_collector-{_UID}: Permission denied" in line
    assert job.process.returncode == 1


def test_this_host(user: User) -> None:
    results = user.home / "local"
    words = ("--timeseries-interval", "0.2", "--results-dir", str(results), "--", "sh", "-c")
    job = user.ours(1, "collect", *words, "sleep 1; id -u")
    assert job.out.startswith(f"{_UID}\n".encode())
    check_recording(user, results, ["node1"], job)


def test_marks_and_stop(user: User, mpi: Mpi) -> None:
    """A run over mpirun; a mark on a host, and the end from another one, by the same user."""
    results = user.home / f"ranks-{mpi.name}"
    file = user.bed.hostfile(mpi, _ALL)
    words = ("--timeseries-interval", "0.2", "--results-dir", str(results))
    argv = user.argv(*mpi.collect(3, file, "collect", *words))
    job = user.bed.start(1, argv)
    run = job.recording()
    marked = user.ours(2, "mark", run, "halfway")
    assert marked.process.returncode == 0, marked.err
    stopped = user.ours(3, "stop", run)
    assert stopped.process.returncode == 0, stopped.err
    job.finish()
    check_recording(user, results, ["node1", "node2", "node3"], job)
    with mpi_collector.load(results) as recording:
        assert "halfway" in str(recording.run["marks"])


@pytest.mark.parametrize("verb", ["kvcache", "training"])
def test_life_cycle(user: User, verb: str) -> None:
    """Over ssh, and over a launch of our own."""
    results = user.home / verb
    words = ("run", "--hosts", "node[1-3]", "--timeseries-interval", "0.2", "--results-dir")
    job = user.ours(1, verb, *words, str(results), "--", "sh", "-c", "sleep 1; id -u")
    assert job.out.startswith(f"{_UID}\n".encode())
    assert f"transport: {'ssh' if verb == 'kvcache' else 'mpi'}" in job.err
    check_recording(user, results, ["node1", "node2", "node3"], job)


def test_recover(user: User) -> None:
    """The launcher dies; the user's spools are found over ssh and become files."""
    words = ("run", "--hosts", "node[1-3]", "--timeseries-interval", "0.1", "--results-dir")
    argv = [sys.executable, "-m", "mpi_collector", "kvcache", *words, str(user.home / "dead")]
    job = user.bed.start(1, user.argv(*argv, "--", "sleep", "60", MPI_COLLECTOR_ORPHAN_S="1"))
    run = job.recording()
    poll("spools", 20, lambda: all(user.spools(host) for host in _ALL))
    job.kill()
    saved = user.home / "saved"
    recover = ("recover", run, "--hosts", "node[1-3]", "--transport", "ssh", "--results-dir")

    def recovered() -> bool:
        """Once the agents have noticed that they are alone."""
        return user.ours(1, *recover, str(saved)).process.returncode == 0

    poll("recovered", 60, recovered)
    with mpi_collector.load(saved) as recording:
        assert sorted(recording) == ["node1", "node2", "node3"]
    assert not any(user.spools(host) for host in _ALL)
