"""Agents over OpenSSH: one persistent session per host for the whole run, and none of them can delay another."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mpi_collector.node import agent
from mpi_collector.node.clock import best_echo
from mpi_collector.node.compat import mono_ns, wall_ns
from mpi_collector.node.identity import same_host_key, unique_keys
from mpi_collector.transport.base import HostState, Sink, status_of
from mpi_collector.transport.limits import allow_files
from mpi_collector.transport.options import SamplingOptions
from mpi_collector.transport.replicas import Replicas
from mpi_collector.transport.session import Session, SessionLost, printable
from mpi_collector.transport.shipping import first_words, remote_command
from mpi_collector.transport.sshargs import host_key_option, ssh_argv

_ECHOES = 15
_PACE_S = 1.0  #: for so long a host that does not answer keeps the next one from being tried
_HEARTBEAT_S = 15.0
_CLOCK_EVERY_S = 180.0
_LEAD_NS = 300_000_000
_FILES_PER_HOST = 4  #: three pipes of its ssh, and one that tells of its end
_T = TypeVar("_T")


def orphan_s() -> float:
    """How long an agent outlives its launcher; the tests do not wait for a minute."""
    return float(os.environ.get("MPI_COLLECTOR_ORPHAN_S", agent.ORPHAN_S))


@dataclass
class Remote:
    """A host and the way to its agent."""

    name: str
    local: bool
    state: HostState
    session: Session
    agent_pid: int = 0
    keeper: asyncio.Task[None] | None = None


class SshRoot:
    """The launcher of agents; same life as ``root.Root``: open → start → idle → stop → gather → dismiss.

    ``hosts``: (requested name, is it this host) in the order asked for.
    """

    method = "ssh"

    def __init__(
        self,
        options: SamplingOptions,
        run: str,
        hosts: Sequence[tuple[str, bool]],
        user: str | None = None,
        fanout: int = 8,
        ssh_timeout_s: float = 30.0,
        progress: Callable[[str, int, int], None] = lambda what, done, total: None,
    ) -> None:
        self.options, self.run, self.user = options, run, user
        self.ssh_timeout_s, self.progress = ssh_timeout_s, progress
        self.missing_ranks: list[int] = []
        self.aliases: dict[str, str] = {}  #: further names of hosts: {name: the one that it is recorded by}
        self.capacity = options.max_samples
        self.t0_ns = self.epoch_ns = 0
        self._fanout = fanout
        allow_files(_FILES_PER_HOST * len(hosts))
        keys = unique_keys([name for name, _ in hosts])
        self._remotes = [self._remote(name, local, key) for (name, local), key in zip(hosts, keys)]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ssh", daemon=True)
        self._thread.start()
        self._facts: dict[str, Any] = {}
        self._running = False
        self._replicas = Replicas(options, run)
        self._beats: list[asyncio.Task[None]] = []

    def _remote(self, name: str, local: bool, key: str) -> Remote:
        session = Session([], b"")
        return Remote(name, local, HostState(key, name, {}), session)

    @property
    def hosts(self) -> list[HostState]:
        return [r.state for r in self._remotes]

    def _do(self, work: Coroutine[Any, Any, _T]) -> _T:
        if not self._thread.is_alive():  # dismissed already: nobody would ever run it
            work.close()
            raise RuntimeError("the sessions have ended")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _good(self) -> list[Remote]:
        return [r for r in self._remotes if r.state.error is None]

    async def _all(self, what: str, remotes: list[Remote], work: Callable[[Remote], Coroutine[Any, Any, None]]) -> None:
        """``work`` on every host at once; one that fails is marked and stops nobody."""
        done = 0

        async def one(remote: Remote) -> None:
            nonlocal done
            try:
                await work(remote)
            except (SessionLost, RuntimeError, OSError, ValueError) as e:
                remote.state.error = f"{what}: {printable(str(e))}"
            done += 1
            self.progress(what, done, len(remotes))

        await asyncio.gather(*(one(r) for r in remotes))

    # ---- before the job
    def open(self, facts: dict[str, Any]) -> None:
        """Sessions to all hosts, an agent made ready on each, clocks measured."""
        self._facts = facts
        self._do(self._open())
        good = self._good()
        self.capacity = min([r.state.ready["rows"] for r in good], default=self.options.max_samples)

    async def _open(self) -> None:
        self._gate = asyncio.Semaphore(self._fanout)
        await self._all("connecting", self._remotes, self._connect_first)
        seen: dict[tuple[Any, ...], str] = {}
        for remote in self._good():
            other = seen.setdefault(same_host_key(remote.state.identity), remote.name)
            if other != remote.name:
                self.aliases[remote.name] = other
                self._remotes.remove(remote)
                await remote.session.disconnect()
        await self._all("preparing", self._good(), self._prepare)
        await self._all("clock", self._good(), self._clock)

    async def _connect_first(self, remote: Remote) -> None:
        command = remote_command()
        words = first_words(self.run, remote.state.key, orphan_s())
        if remote.local:
            remote.session = Session(["sh", "-c", command], words)
        else:
            extra = await host_key_option(remote.name, self.user)
            argv = ssh_argv(remote.name, self.user, self.ssh_timeout_s, command, extra)
            remote.session = Session(argv, words)
        for attempt in range(3):
            async with self._gate:
                connecting = asyncio.ensure_future(remote.session.connect(self.ssh_timeout_s))
                await asyncio.wait({connecting}, timeout=_PACE_S)
            try:
                await connecting
                break
            except SessionLost as e:
                # sshd's MaxStartups drops connections when many come at once; nothing else gets better by waiting
                if attempt == 2 or not any(w in str(e) for w in ("closed by", "reset by", "kex_exchange")):
                    raise
            await asyncio.sleep(0.5 * 2**attempt)
        self._beats.append(asyncio.create_task(self._beat(remote)))
        hello = remote.session.hello
        remote.agent_pid = hello["pid"]
        remote.state.identity, remote.state.hostname = hello["identity"], hello["identity"]["hostname"]

    async def _beat(self, remote: Remote) -> None:
        """As long as this process lives, whatever it is busy with: an agent that hears nothing goes home."""
        while True:
            await asyncio.sleep(min(_HEARTBEAT_S, orphan_s() / 4))
            remote.session.send({"do": "beat"})

    def _silence(self) -> None:
        for task in self._beats:
            task.cancel()

    def check(self) -> dict[str, dict[str, Any]]:
        """{host: what its agent says of it} after connecting; a host that failed has its error in ``hosts``."""
        self._gate = asyncio.Semaphore(self._fanout)
        found: dict[str, dict[str, Any]] = {}

        async def one(remote: Remote) -> None:
            await self._connect_first(remote)
            answer, _ = await remote.session.request("check", 10, spool_dir=self.options.spool_dir)
            sent = wall_ns()
            hello = remote.session.hello
            echo, _ = await remote.session.request("wall", 10)
            rtt = wall_ns() - sent
            found[remote.state.key] = dict(answer, python=hello["python"], rtt_ns=rtt,
                                           wall_offset_ns=echo["wall_ns"] - sent - rtt // 2)  # fmt: skip
            await remote.session.request("quit", 5)
            await remote.session.disconnect()

        self._do(self._all("checking", self._remotes, one))
        self.keep()
        return found

    # ---- what dead runs left
    def spools(self) -> dict[str, list[dict[str, Any]]]:
        """{host: [{"dir", "run", "key", "bytes", "mtime", "alive"}]} of the hosts that can be reached; the sessions stay."""
        self._gate = asyncio.Semaphore(self._fanout)
        found: dict[str, list[dict[str, Any]]] = {}

        async def one(remote: Remote) -> None:
            await self._connect_first(remote)
            answer, _ = await remote.session.request("spools", 30, places=self.options.places)
            found[remote.name] = answer["spools"]

        self._do(self._all("looking", self._remotes, one))
        return {r.name: found[r.name] for r in self._remotes if r.name in found}

    @property
    def unreached(self) -> dict[str, str]:
        """{host: why nothing is known of what is there}."""
        return {r.name: r.state.error for r in self._remotes if r.state.error}

    def adopt(self, host: str, place: str, run: str, key: str) -> dict[str, Any]:
        """Have the agent of ``host`` take a spool there; what the run's document needs of it. RuntimeError says why not."""
        remote = next(r for r in self._remotes if r.name == host)
        remote.state.key = key
        answer, _ = self._do(remote.session.request("adopt", 60, spool_dir=place, run=run, key=key))
        return answer

    def take_adopted(self, host: str, sink: Sink) -> None:
        """The adopted spool's table into ``sink``."""
        remote = next(r for r in self._remotes if r.name == host)

        async def take() -> None:
            packed, _ = await remote.session.request("pack", self.options.gather_timeout_s, json=False)
            await self._fetch(remote, packed["heads"], sink)

        self._do(take())

    def drop_adopted(self, host: str) -> None:
        """It is safely on disk: remove it there."""
        remote = next(r for r in self._remotes if r.name == host)
        self._do(remote.session.request("discard", 30))

    async def _prepare(self, remote: Remote) -> None:
        facts = dict(self._facts, requested=remote.name)
        remote.state.ready, _ = await remote.session.request(
            "prepare", self.options.start_timeout_s, options=self.options.to_dict(), run=self.run,
            key=remote.state.key, facts=facts,
        )  # fmt: skip

    async def _clock(self, remote: Remote) -> None:
        echoes = []
        for _ in range(_ECHOES):
            sent = mono_ns()
            answer, _ = await remote.session.request("echo", 10)
            echoes.append((sent, answer["mono_ns"], mono_ns()))
        here, offset, bound = best_echo(echoes)
        # measured from this side: the agent's clock minus ours is the negative
        remote.state.clock_bound_ns = bound
        await remote.session.request("clock", 10, mono_ns=here - offset, offset_ns=-offset, bound_ns=bound)

    def start(self) -> None:
        """Everybody samples from the same tick 0 on; returns when all do, or have failed to within the time-out."""
        self.t0_ns = mono_ns() + _LEAD_NS + 2_000_000 * len(self._remotes)
        self.epoch_ns = wall_ns() + self.t0_ns - mono_ns()
        self._do(self._all("starting", self._good(), self._start))
        self._running = True
        for remote in self._good():
            remote.keeper = self._do(self._keep(remote))

    async def _start(self, remote: Remote) -> None:
        limit = self.options.start_timeout_s
        await remote.session.request(
            "start", limit, t0_ns=self.t0_ns, epoch_ns=self.epoch_ns, capacity=self.capacity
        )  # fmt: skip
        await asyncio.sleep(max(0.0, (self.t0_ns - mono_ns()) * 1e-9))
        deadline = mono_ns() + int(limit * 1e9)
        while mono_ns() < deadline:
            answer, _ = await remote.session.request("first", limit)
            if answer["failure"]:
                raise RuntimeError(answer["failure"])
            if answer["sampling"]:
                remote.state.sampling = True
                return
            await asyncio.sleep(0.02)
        raise SessionLost(f"no first sample within {limit:g} s")

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """{key: snapshot} of the hosts that answer in time; between ``open`` and ``dismiss``."""
        found: dict[str, dict[str, Any]] = {}

        async def one(remote: Remote) -> None:
            answer, _ = await remote.session.request("snapshot", self.options.start_timeout_s)
            found[remote.state.key] = answer["snapshot"]

        self._do(self._all("snapshot", self._good(), one))
        return {r.state.key: found[r.state.key] for r in self._remotes if r.state.key in found}

    # ---- during it
    def idle(self) -> None:
        """Nothing: the keepers work by themselves."""

    def status(self) -> dict[str, Any]:
        return status_of(self.hosts)

    async def _keep(self, remote: Remote) -> asyncio.Task[None]:
        return asyncio.create_task(self._keeper(remote))

    async def _keeper(self, remote: Remote) -> None:
        """A heartbeat now and then, the clock every few minutes, a new session when the old one broke."""
        clocked = mono_ns()
        copied = self.options.replicate_s and not remote.local
        pause = min(_HEARTBEAT_S, self.options.replicate_s) if copied else _HEARTBEAT_S
        while self._running:
            await asyncio.sleep(pause)
            try:
                if not remote.session.up:
                    await self._again(remote)
                await remote.session.request("status", 2 * _HEARTBEAT_S)
                if copied:
                    await self._replicate(remote)
                if mono_ns() - clocked > _CLOCK_EVERY_S * 1e9:
                    clocked = mono_ns()
                    await self._clock(remote)
            except (SessionLost, RuntimeError, OSError):
                await remote.session.disconnect()  # tried again at the next beat

    async def _replicate(self, remote: Remote) -> None:
        """Bring the copy of a host's spool up to date; with its next sample it has decoded what was staged."""
        key = remote.state.key
        await remote.session.request("flush", _HEARTBEAT_S)
        await asyncio.sleep(min(1.2 * self.options.interval_s, 1.0))
        more = key not in self._replicas.failures
        while more:
            doc, blob = await remote.session.request("replicate", 2 * _HEARTBEAT_S, got=self._replicas.got(key))
            self._replicas.apply(key, doc, blob)
            more = doc["more"] and key not in self._replicas.failures

    async def _again(self, remote: Remote) -> None:
        """A new session to the same agent. SessionLost when it is not the same any more."""
        hello = await remote.session.connect(self.ssh_timeout_s)
        if hello["pid"] != remote.agent_pid or not hello["prepared"]:
            await remote.session.request("quit", 5)
            raise SessionLost("the agent died; what it had recorded is in the spool of that host")

    async def _insist(self, remote: Remote, do: str, **fields: Any) -> tuple[dict[str, Any], bytes]:
        """A request that survives broken sessions until the gather time-out."""
        limit = self.options.gather_timeout_s
        deadline = mono_ns() + int(limit * 1e9)
        pause = 0.2
        while True:
            try:
                if not remote.session.up:
                    await self._again(remote)
                return await remote.session.request(do, min(limit, max(1.0, (deadline - mono_ns()) * 1e-9)), **fields)
            except SessionLost as e:
                await remote.session.disconnect()
                if mono_ns() + pause * 1e9 > deadline or "died" in str(e):
                    raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, 5.0)

    # ---- after it
    def stop(self) -> None:
        """The last row everywhere, and the clocks once more."""
        self._running = False
        self._do(self._stop())

    async def _stop(self) -> None:
        for remote in self._remotes:
            if remote.keeper is not None:
                remote.keeper.cancel()

        async def one(remote: Remote) -> None:
            remote.state.stopped, _ = await self._insist(remote, "stop")
            if remote.state.stopped.get("failure"):
                remote.state.error = f"sampling: {printable(remote.state.stopped['failure'])}"
            await self._clock(remote)

        await self._all("stopping", [r for r in self._good() if r.state.sampling], one)

    def gather(self, sink: Sink, progress: Callable[[int, int], None], json: bool) -> None:
        """Every host's packed table into ``sink``, in the order in which they are ready. The samples are encoded later."""
        del json
        self._do(self._gather(sink, progress))

    async def _gather(self, sink: Sink, progress: Callable[[int, int], None]) -> None:
        ready = [r for r in self._remotes if r.state.stopped]
        total, done = len(ready), 0
        turn = asyncio.Lock()

        async def one(remote: Remote) -> None:
            nonlocal done
            packed, _ = await self._insist(remote, "pack", json=False)
            async with turn:  # hosts come one after the other into the files
                remote.state.facts = packed["facts"]
                await self._fetch(remote, packed["heads"], sink)
            done += 1
            progress(done, total)

        await self._all("gathering", ready, one)
        self._replicas.rescue(self.hosts, sink)

    async def _fetch(self, remote: Remote, heads: list[dict[str, Any]], sink: Sink) -> None:
        sink.begin_host(remote.state.key)
        try:
            for number, head in enumerate(heads):
                sink.begin(head)
                offset = 0
                while offset < head["packed"]:
                    _, blob = await self._insist(remote, "fetch", member=number, offset=offset)
                    if not blob:
                        raise SessionLost("its table ended too early")
                    sink.write(blob)
                    offset += len(blob)
        except BaseException:
            sink.drop_host()
            raise
        sink.end_host()
        remote.state.collected = True

    def keep(self) -> None:
        """Leave now: the agents end by themselves and keep their spools."""
        self._running = False
        self._replicas.close(False)

        async def leave() -> None:
            self._silence()
            await asyncio.gather(*(r.session.disconnect() for r in self._remotes))

        self._do(leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def dismiss(self, saved: bool) -> bool:
        """Remove the spools of what is safely on disk, end the agents and the sessions."""
        self._replicas.close(saved)
        self._do(self._dismiss(saved))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        return True

    async def _dismiss(self, saved: bool) -> None:
        self._silence()

        async def one(remote: Remote) -> None:
            try:
                if saved and (remote.state.collected or (remote.state.ready and not remote.state.sampling)):
                    await remote.session.request("discard", 10)
                if remote.session.hello:  # else there is nobody yet to be told
                    await remote.session.request("quit", 5)
            except (SessionLost, RuntimeError):  # it ends by itself, and keeps its spool
                pass
            await remote.session.disconnect()

        await asyncio.gather(*(one(r) for r in self._remotes if r.session.up))
