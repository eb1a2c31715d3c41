"""Fake hosts (scripts/testbed.sh), the MPIs to start on them, and what a test wants to see of both from outside."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from spool_files import spool_files

from mpi_collector.node.pid_stat import parse_pid_stat

REPOSITORY = Path(__file__).parents[2]
TESTBED = REPOSITORY / "scripts" / "testbed.sh"
SECOND_NS = 1_000_000_000
SHIFT_NS = 100_000 * SECOND_NS  #: host k's monotonic clock is k times this ahead of the machine's
LAUNCHERS = ("mpirun", "mpiexec", "prterun", "orterun", "mpirun.openmpi", "mpiexec.hydra")
DAEMONS = (*LAUNCHERS, "prted", "orted", "hydra_pmi_proxy", "hydra_bstrap_proxy")
JOB = "MPI_COLLECTOR_TEST_JOB"  #: in the environment of all that a test starts, to know it when its parents are gone
_SCRATCH = Path("/tmp")
_NO_WORDS: tuple[str, ...] = ()


# ---- the MPIs
@dataclass(frozen=True)
class Mpi:
    """A python with mpi4py, and the mpirun that belongs to it."""

    name: str
    python: str
    mpirun: str

    @property
    def hydra(self) -> bool:
        return self.name == "mpich"

    def ranks(self, count: int, hosts: Path, *words: str, per_node: int = 1, env: dict[str, str] | None = None,
              python: str = "") -> list[str]:  # fmt: skip
        """The command that starts ``python *words`` as ``count`` ranks on ``hosts`` (see ``Bed.hostfile``)."""
        # a checkout that is not installed is found by PYTHONPATH, which Open MPI does not hand on
        checkout = {"PYTHONPATH": os.environ["PYTHONPATH"]} if os.environ.get("PYTHONPATH") else {}
        forwarded = [
            f"{k}={v}"
            for k, v in {"MPI_COLLECTOR_REPORT": "never", **checkout, **(env or {})}.items()
        ]
        if self.hydra:
            place = ["-f", str(hosts), "-ppn", str(per_node), "-np", str(count)]
            place += [w for pair in forwarded for w in ("-genv", *pair.split("=", 1))]
        else:
            place = [
                "--bind-to",
                "none",
                "--hostfile",
                str(hosts),
                "--map-by",
                f"ppr:{per_node}:node",
                "-np",
                str(count),
            ]
            place += [w for pair in forwarded for w in ("-x", pair)]
        return [self.mpirun, *place, python or self.python, *words]

    def collect(self, count: int, hosts: Path, *words: str, per_node: int = 1, env: dict[str, str] | None = None,
                python: str = "") -> list[str]:  # fmt: skip
        """The same for ``python -m mpi_collector *words``."""
        return self.ranks(
            count, hosts, "-m", "mpi_collector", *words, per_node=per_node, env=env, python=python
        )


def find_mpi(name: str) -> Mpi | str:
    """``openmpi``, ``mpich`` or ``openmpi4``, or in a sentence why it cannot be had."""
    variable = f"MPI_COLLECTOR_TEST_{name.upper()}_PYTHON"
    python = os.environ.get(variable, sys.executable if name == "openmpi" else "")
    if not python:
        return f"{variable} does not name a Python with {name}"
    if not os.access(python, os.X_OK):
        return f"{variable}={python} is no program"
    mpirun = (
        shutil.which("mpirun.openmpi")
        if name == "openmpi4"
        else str(Path(python).parent / "mpirun")
    )
    if not mpirun or not os.access(mpirun, os.X_OK):
        return (
            f"no mpirun for {name} beside {python}"
            if name != "openmpi4"
            else "no mpirun.openmpi (Debian's openmpi-bin)"
        )
    return Mpi(name, python, mpirun)


def environment(**extra: str) -> dict[str, str]:
    """Ours for a launcher: nothing of a launcher around the tests in it, and Open MPI may run as root."""
    theirs = ("OMPI_", "PMIX_", "PRTE_", "PMI_", "HYDRA_", "HYDI_", "SLURM_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(theirs)}
    return {**kept, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", **extra}


# ---- waiting
def poll(what: str, seconds: float, happened: Callable[[], object]) -> object:
    """The first true answer of ``happened``. AssertionError when there is none within ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        answer = happened()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


# ---- processes, seen from the machine
@dataclass(frozen=True)
class Process:
    """A process by the machine's pid."""

    pid: int
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        return os.path.basename(self.words[0])

    @property
    def keeps_results(self) -> bool:
        """Whether it is the keeper of a results directory, which samples nothing."""
        return any("mpi_collector.benchmark.keeper" in w for w in self.words)

    @property
    def alive(self) -> bool:
        stat = _read(f"/proc/{self.pid}/stat")
        return bool(stat) and parse_pid_stat(stat.encode()).state != "Z"

    @property
    def parent(self) -> int:
        """The machine's pid of its parent."""
        return parse_pid_stat(_read(f"/proc/{self.pid}/stat").encode()).ppid

    def cpu_s(self) -> float:
        """CPU seconds of all its threads so far, to the nanosecond."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int((_read(str(t)) or "0").split()[0]) for t in threads) * 1e-9

    def variable(self, name: str) -> str:
        """A variable of the environment it was started with."""
        for pair in _read(f"/proc/{self.pid}/environ").split("\0"):
            key, _, value = pair.partition("=")
            if key == name:
                return value
        return ""

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:  # the process has gone
        return ""


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def processes(namespace_of: int) -> list[Process]:
    """Those that share the pid namespace of ``namespace_of``."""
    wanted = _namespace(namespace_of)
    found = []
    for pid in (int(p) for p in os.listdir("/proc") if p.isdigit()):
        words = tuple(_read(f"/proc/{pid}/cmdline").split("\0")[:-1])
        if words and _namespace(pid) == wanted:
            found.append(Process(pid, words))
    return found


def descendants(pid: int) -> Iterator[Process]:
    """``pid`` and everything below it, the topmost first."""
    words = tuple(_read(f"/proc/{pid}/cmdline").split("\0")[:-1])
    if words:
        yield Process(pid, words)
    for children in Path(f"/proc/{pid}/task").glob(
        "*/children"
    ):  # a child belongs to the thread that made it
        for child in _read(str(children)).split():
            yield from descendants(int(child))


# ---- a started launcher
@dataclass
class Job:
    """A program started by a test. Its output goes to files, so that nothing blocks when nobody reads."""

    process: subprocess.Popen[bytes]
    out_path: Path
    err_path: Path

    @property
    def out(self) -> bytes:
        return self.out_path.read_bytes()

    @property
    def err(self) -> str:
        return self.err_path.read_text(errors="replace")

    @property
    def ours(self) -> list[str]:
        """Our lines on stderr; launchers add theirs."""
        return [line for line in self.err.splitlines() if "mpi_collector:" in line]

    def line(self, pattern: str, seconds: float = 30) -> re.Match[str]:
        """Wait for a line on stderr that matches."""

        def look() -> re.Match[str] | None:
            found = re.search(pattern, self.err)
            assert found or self.process.poll() is None, (
                f"ended with {self.process.returncode} before {pattern!r}: {self.err}"
            )
            return found

        match = poll(f"{pattern!r} in {self.err_path}", seconds, look)
        assert isinstance(match, re.Match)
        return match

    def recording(self, seconds: float = 30) -> str:
        """Wait until it says that it records; returns the name of the run."""
        return self.line(r"recording \d+ hosts? every .* run (\S+)", seconds)[1]

    def launcher(self) -> Process:
        """The mpirun, wherever the chain of wrappers put it."""

        def look() -> Process | None:
            return next((p for p in descendants(self.process.pid) if p.name in LAUNCHERS), None)

        found = poll("a launcher", 10, look)
        assert isinstance(found, Process)
        return found

    def type(self, text: str) -> None:
        """On its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def finish(self, seconds: float = 60) -> int:
        """Wait for the end; returns the exit code. A job that does not end is killed and fails the test."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"still running after {seconds:g} s: {self.process.args}\n{self.err}"
            ) from None

    def kill(self) -> None:
        for process in [*descendants(self.process.pid)][::-1]:
            try:
                process.signal(signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(10)


# ---- the hosts
@dataclass
class Bed:
    """``count`` fake hosts node1 .. nodeN, and the launch side as host 0. ``share`` is a directory that all of them see."""

    count: int
    share: Path
    name: str
    net: str
    visible: Sequence[str] = _NO_WORDS
    roots: dict[int, Path] = field(
        default_factory=dict
    )  #: hosts with another root than the machine's
    jobs: list[Job] = field(default_factory=list)
    _inits: dict[int, int] = field(default_factory=dict)
    _number: int = 0

    @property
    def launch_address(self) -> str:
        return f"{self.net}.254"

    # ---- up and down
    def script(self, *words: str, seconds: float = 60) -> str:
        """Output of a testbed.sh verb."""
        done = subprocess.run(["bash", str(TESTBED), *words], env=self._environ(), capture_output=True, text=True,
                              timeout=seconds, check=False)  # fmt: skip
        assert done.returncode == 0, f"testbed.sh {' '.join(words)}: {done.stderr or done.stdout}"
        return done.stdout

    def _environ(self, **extra: str) -> dict[str, str]:
        shared = ":".join([str(self.share), *self.visible])
        return environment(
            TB_NAME=self.name,
            TB_NET=self.net,
            TB_TIMENS="1",
            TB_SHARE=shared,
            TB_ROOTS=" ".join(f"{k}={root}" for k, root in self.roots.items()),
            TB_BINDS=str(REPOSITORY),
            **extra,
        )

    def up(self) -> None:
        self.script("down")  # left by a session that was killed: it has another share
        self.script("up", str(self.count), seconds=60 + self.count)
        # all at once: every look through /proc takes a second where there are a hundred hosts
        lines = [line.split() for line in self.script("hosts").splitlines()]
        self._inits = {int(name[len("node") :]): int(pid) for name, _address, pid, *_state in lines}

    def power_off(self, host: int) -> None:
        """The host loses power: nothing of it answers any more, and its memory is gone."""
        self.script("kill", str(host))

    def power_on(self, host: int) -> None:
        """A new host in its place."""
        self.script("up", str(self.count), seconds=60 + self.count)
        self._inits[host] = int(self.script("pid", str(host)))
        self.plain_shells([host])

    def plain_shells(self, which: Sequence[int] = ()) -> None:
        """Logins read no start-up file of the user's: whatever that does, it is slow, and waits where a kill -9 left a lock."""
        which = which or range(1, self.count + 1)
        for host in which:
            config = Path(f"/tmp/testbed-state-{self.name}/node{host}/sshd_config")
            # Debian's bash reads ~/.bashrc under sshd, but only at the first level
            config.write_text(config.read_text() + "SetEnv SHLVL=2\n")
            self.script("exec", str(host), "sh", "-c", "kill -HUP $(cat /run/sshd.pid)")
        for host in which:
            said = partial(self.run, 0, ["ssh", f"node{host}", "echo $SHLVL"])
            poll(
                f"node{host} reads its new sshd_config",
                10,
                lambda said=said: int(said().out or 0) > 1,
            )

    def down(self) -> None:
        for job in self.jobs:
            if job.process.poll() is None:
                job.kill()
        self.script("down")

    # ---- doing something on a host
    def start(self, host: int, argv: Sequence[str], **env: str) -> Job:
        """Start ``argv`` on a host (0: the launch side), with the share as its directory."""
        self._number += 1
        env = {JOB: f"{self.share.name}/{self._number}", **env}
        out, err = self.share / f"job{self._number}.out", self.share / f"job{self._number}.err"
        with out.open("wb") as o, err.open("wb") as e:
            process = subprocess.Popen(["bash", str(TESTBED), "exec", str(host), *argv], stdin=subprocess.PIPE, stdout=o,
                                       stderr=e, cwd=self.share, env=self._environ(**env), start_new_session=True)  # fmt: skip
        job = Job(process, out, err)
        self.jobs.append(job)
        return job

    def run(self, host: int, argv: Sequence[str], seconds: float = 60, **env: str) -> Job:
        """Start and wait; the job's ``process.returncode`` is the exit code."""
        job = self.start(host, argv, **env)
        assert job.process.stdin is not None
        job.process.stdin.close()
        job.finish(seconds)
        return job

    def hostfile(self, mpi: Mpi, hosts: Sequence[int], slots: int = 4, name: str = "hosts") -> Path:
        """A hostfile in the MPI's dialect."""
        path = self.share / f"{name}.{mpi.name}.{''.join(map(str, hosts))}"
        path.write_text(
            "".join(
                f"node{k}:{slots}\n" if mpi.hydra else f"node{k} slots={slots}\n" for k in hosts
            )
        )
        return path

    def directory(self, name: str) -> Path:
        """A new directory under the share."""
        self._number += 1
        path = self.share / f"{name}{self._number}"
        path.mkdir()
        return path

    # ---- seeing what is on a host
    def init(self, host: int) -> int:
        """The machine's pid of its first process."""
        return self._inits[host]

    def processes(self, host: int) -> list[Process]:
        return processes(self._inits[host] if host else os.getpid())

    def ranks(self, host: int) -> list[Process]:
        """Pythons of ours on a host (none of the launchers, whose arguments name us too), the oldest first."""
        found = [
            p
            for p in self.processes(host)
            if p.name.startswith("python")
            and any("mpi_collector" in w for w in p.words)
            and not p.keeps_results
        ]
        return sorted(found, key=lambda p: p.pid)

    def all_ranks(self) -> dict[int, list[Process]]:
        """Hosts that have any."""
        found = {k: self.ranks(k) for k in range(1, self.count + 1)}
        return {k: ps for k, ps in found.items() if ps}

    def started_here(self) -> list[Process]:
        """What lives on the launch side of all that tests started, whoever its parent is by now."""
        found = [p for p in self.processes(0) if p.variable(JOB).startswith(f"{self.share.name}/")]
        return [p for p in found if p.alive]

    def root(self, host: int) -> Path:
        """A host's file system as the machine sees it."""
        return Path(f"/proc/{self._inits[host]}/root")

    def spools(self, host: int) -> list[str]:
        """``RUN/KEY`` of the spools on a host."""
        base = self.root(host) / f"dev/shm/mpi_collector-{os.getuid()}"
        return [str(f.relative_to(base)) for f in spool_files(base, "*")]

    def remains(self, host: int) -> list[str]:
        """Whatever else bears our name on a host's file systems in memory."""
        return [
            str(p)
            for d in ("dev/shm", "tmp", "run")
            for p in (self.root(host) / d).iterdir()
            if "mpi_collector" in p.name
        ]

    @contextmanager
    def renamed(self, names: dict[int, str]) -> Iterator[None]:
        """Hosts that call themselves something else for a while."""
        try:
            for host, name in names.items():
                self.script("exec", str(host), "hostname", name)
            yield
        finally:
            for host in names:
                self.script("exec", str(host), "hostname", f"node{host}")

    def clean(self) -> None:
        """Kill what a test left running and remove its spools."""
        for job in self.jobs:
            if job.process.poll() is None:
                job.kill()
            if job.process.stdin is not None:
                job.process.stdin.close()
        self.jobs.clear()
        for process in [
            *self.started_here(),
            *(p for ranks in self.all_ranks().values() for p in ranks),
        ]:
            try:
                process.signal(signal.SIGKILL)
            except ProcessLookupError:  # it was about to go anyway
                pass
        for host in range(1, self.count + 1):
            shutil.rmtree(
                self.root(host) / f"dev/shm/mpi_collector-{os.getuid()}", ignore_errors=True
            )


def missing_for_bed() -> str:
    """Why there can be no fake hosts here; "" when there can."""
    if sys.platform != "linux" or os.getuid() != 0:
        return "fake hosts need root on Linux"
    if not TESTBED.exists():
        return f"no {TESTBED.relative_to(REPOSITORY)}"
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    absent = [
        program
        for program in ("ip", "sshd", "ssh", "unshare", "nsenter")
        if not shutil.which(program, path=path)
    ]
    return (
        f"fake hosts need {', '.join(absent)} (Debian: iproute2 openssh-server openssh-client util-linux)"
        if absent
        else ""
    )


def under_scratch(paths: Sequence[str | Path]) -> list[str]:
    """The directories directly under /tmp that hold any of ``paths``: every fake host has a /tmp of its own."""
    found = set()
    for path in map(Path, paths):
        if path.is_relative_to(_SCRATCH) and len(path.parts) > 2:
            found.add(str(_SCRATCH / path.parts[2]))
    return sorted(found)


@contextmanager
def free_bed() -> Iterator[tuple[str, str]]:
    """(name, network) that no other session of this machine has while the ``with`` lasts."""
    for number in range(200):
        with open(_SCRATCH / f".mpi_collector-bed{number}.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            try:
                yield f"mc{number}", f"10.78.{number}"
            finally:
                os.unlink(lock.name)
            return
    raise RuntimeError("200 beds on this machine?")


@contextmanager
def hosts(
    count: int,
    pythons: Sequence[str] = _NO_WORDS,
    plain_shells: bool = False,
    roots: dict[int, Path] | None = None,
) -> Iterator[Bed]:
    """A bed that is there inside a ``with``. ``plain_shells``: see there. ``roots``: see Bed."""
    share = Path(tempfile.mkdtemp(prefix="mpicol-", dir=_SCRATCH))
    share.chmod(0o755)
    with free_bed() as (name, net):
        bed = Bed(count, share, name, net, under_scratch([REPOSITORY, *pythons]), roots or {})
        try:
            bed.up()
            if plain_shells:
                bed.plain_shells()
            yield bed
        finally:
            try:
                bed.down()
            finally:
                shutil.rmtree(share, ignore_errors=True)
