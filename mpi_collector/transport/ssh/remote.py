"""One host and the way to its agent: called, called back when the session broke, asked, emptied."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mpi_collector.errors import AgentDiedError, SessionLostError
from mpi_collector.node.agent import agent
from mpi_collector.node.clock import best_echo
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.options import SamplingOptions
from mpi_collector.transport.base import HostState, Sink
from mpi_collector.transport.session import Session
from mpi_collector.transport.ssh.bootstrap import preamble, remote_command
from mpi_collector.transport.ssh.command_line import host_key_option, ssh_argv, ssh_environment

_ECHOES = 15
_HEARTBEAT_S = 15.0
_CLOCK_EVERY_S = 180.0
_SILENT_S = 20.0  #: a session that leaves a question unanswered for so long is given up
_TRIES = 4  #: to begin a session, and to fetch a table
_PAUSE_S, _PAUSE_MOST_S = 0.5, 10.0
#: sshd's MaxStartups drops connections when many come at once; nothing else gets better by waiting
_CROWDED = ("closed by", "reset by", "kex_exchange", "banner exchange")


def orphan_s() -> float:
    """How long an agent outlives its launcher; the tests do not wait for a minute."""
    return float(os.environ.get("MPI_COLLECTOR_ORPHAN_S", agent.ORPHAN_S))


def heartbeat_s() -> float:
    """How often an agent hears of its launcher."""
    return min(_HEARTBEAT_S, orphan_s() / 4)


@dataclass(frozen=True)
class SessionSettings:
    """What the way to every host of a run has in common."""

    options: SamplingOptions
    run: str
    user: str | None
    ssh_timeout_s: float


class SessionLimits:
    """How many hosts do the same thing at the same time; made in the event loop's thread."""

    def __init__(self, fanout: int) -> None:
        self.start = asyncio.Semaphore(fanout)
        self.clock = asyncio.Semaphore(
            16
        )  # more at a time measure this host's queue instead of clocks
        self.gather = asyncio.Lock()  # hosts come one after the other into the files

    async def begin(self, session: Session, timeout_s: float) -> None:
        """Connect; a host that is slow to answer, or never does, lets the next one start after a tenth of its time."""
        async with self.start:
            task = asyncio.ensure_future(session.connect(timeout_s))
            await asyncio.wait({task}, timeout=timeout_s / 10)
        await task


class RemoteHost:
    """A host and its agent. Only for the event loop's thread, but for ``state``."""

    def __init__(self, way: SessionSettings, name: str, local: bool, key: str) -> None:
        self.way, self.name, self.local = way, name, local
        self.state = HostState(key, name, {})
        self.session = Session([], ())
        self._agent_pid = 0

    # ---- sessions
    async def connect(self, turns: SessionLimits) -> None:
        """The first session, paced. SessionLostError, OSError (no ssh), HostNameError."""
        command, limit = remote_command(), self.way.ssh_timeout_s
        words = preamble(self.way.run, self.state.key, orphan_s())
        if self.local:
            self.session = Session(["sh", "-c", command], words)
        else:
            async with turns.start:
                extra = await host_key_option(self.name, self.way.user)
            argv = ssh_argv(self.name, self.way.user, limit, command, extra)
            self.session = Session(argv, words, ssh_environment(), with_children=True)
        for attempt in range(_TRIES):
            try:
                await turns.begin(self.session, limit)
                break
            except SessionLostError as e:
                if attempt == _TRIES - 1 or not any(w in str(e) for w in _CROWDED):
                    raise
            await asyncio.sleep(_PAUSE_S * 2**attempt)
        hello = self.session.hello
        self._agent_pid = hello["pid"]
        self.state.identity, self.state.hostname = hello["identity"], hello["identity"]["hostname"]

    async def again(self, timeout_s: float) -> None:
        """A new session to the same agent. AgentDiedError when there is another one now."""
        hello = await self.session.connect(timeout_s)
        if hello["pid"] != self._agent_pid or not hello["prepared"]:
            with suppress(SessionLostError, RuntimeError):
                await self.session.request("quit", 5)
            await self.session.disconnect()
            raise AgentDiedError(
                "the agent died; what it had recorded is in the spool of that host"
            )

    async def insist(self, do: str, **fields: Any) -> tuple[dict[str, Any], bytes]:
        """A request that survives broken sessions until the gather time-out."""
        deadline = mono_ns() + int(self.way.options.gather_timeout_s * 1e9)
        pause = 0.2
        while True:
            left = max(1.0, (deadline - mono_ns()) * 1e-9)
            try:
                if not self.session.up:
                    await self.again(min(self.way.ssh_timeout_s, left))
                return await self.session.request(do, left, **fields)
            except AgentDiedError:
                raise
            except SessionLostError:
                await self.session.disconnect()
                if mono_ns() + pause * 1e9 > deadline:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, 5.0)

    async def part(self) -> None:
        """End the agent and the session."""
        with suppress(SessionLostError, RuntimeError):  # it ends by itself, and keeps its spool
            if self.session.hello:  # else there is nobody yet to be told
                await self.session.request("quit", 5)
        await self.session.disconnect()

    # ---- before the job
    async def prepare(self, facts: dict[str, Any]) -> None:
        options = self.way.options
        self.state.ready, _ = await self.session.request(
            "prepare", options.start_timeout_s, options=options.to_dict(), run=self.way.run, key=self.state.key,
            facts=dict(facts, requested=self.name),
        )  # fmt: skip

    async def clock(self, turns: SessionLimits) -> None:
        """Its offset to this host's clock, told to the agent, which keeps it with the recording."""
        echoes = []
        async with turns.clock:
            for _ in range(_ECHOES):
                sent = mono_ns()
                answer, _ = await self.session.request("echo", 10)
                echoes.append((sent, answer["mono_ns"], mono_ns()))
        here, offset, bound = best_echo(echoes)
        # measured from this side: the agent's clock minus ours is the negative
        self.state.clock_bound_ns = bound
        await self.session.request(
            "clock", 10, mono_ns=here - offset, offset_ns=-offset, bound_ns=bound
        )

    async def start(self, t0_ns: int, epoch_ns: int, capacity: int) -> None:
        """Returns when its first sample has been taken."""
        limit = self.way.options.start_timeout_s
        await self.session.request(
            "start", limit, t0_ns=t0_ns, epoch_ns=epoch_ns, capacity=capacity
        )
        await asyncio.sleep(max(0.0, (t0_ns - mono_ns()) * 1e-9))
        deadline = mono_ns() + int(limit * 1e9)
        pause = 0.02
        while (left := (deadline - mono_ns()) * 1e-9) > 0:
            answer, _ = await self.session.request("first", left)
            if answer["failure"]:
                raise RuntimeError(answer["failure"])
            if answer["sampling"]:
                self.state.sampling = True
                return
            await asyncio.sleep(pause)
            pause = min(
                2 * pause, 0.5
            )  # hundreds that ask all the time would keep each other from sampling
        raise SessionLostError(f"no first sample within {limit:g} s")

    # ---- during it
    async def beat(self) -> None:
        """As long as this process lives, whatever it is busy with: an agent that hears nothing goes home."""
        while True:
            await asyncio.sleep(heartbeat_s())
            if (
                mono_ns() - self.session.spoke_ns > heartbeat_s() * 1e9
            ):  # whoever keeps it has said nothing
                self.session.send({"do": "beat"})

    async def keep(self, turns: SessionLimits, share: float) -> None:
        """Look after the session: asked now and then, called back when it broke, the clock every few minutes.

        ``share``, 0 to 1, of a period passes first: hosts take turns. Ends when there is no agent any more.
        """
        await asyncio.sleep(share * heartbeat_s())
        clocked, tries = mono_ns(), 0
        while True:
            try:
                if not self.session.up:
                    await self.again(min(self.way.ssh_timeout_s, 5.0 * 2**tries))
                await self.session.request("status", _SILENT_S)
                if mono_ns() - clocked > _CLOCK_EVERY_S * 1e9:
                    clocked = mono_ns()
                    await self.clock(turns)
                tries = 0
                await self.session.lost(heartbeat_s())
            except AgentDiedError as e:
                self.state.error = f"sampling: {e}"
                return
            except (SessionLostError, RuntimeError, OSError):
                await self.session.disconnect()
                await asyncio.sleep(min(_PAUSE_S * 2**tries, _PAUSE_MOST_S))
                tries = min(tries + 1, 10)

    # ---- after it
    async def stop(self, turns: SessionLimits) -> None:
        """The last row, and the clock once more."""
        self.state.stopped, _ = await self.insist("stop")
        if self.state.stopped.get("failure"):
            raise RuntimeError(self.state.stopped["failure"])
        await self.clock(turns)

    async def deliver(self, sink: Sink, turns: SessionLimits) -> None:
        """Its packed table into ``sink``, when it is its turn and the session holds; a broken one keeps nobody waiting."""
        packed, _ = await self.insist("pack", json=False)
        self.state.facts = packed.get("facts", {})
        for _ in range(_TRIES):
            try:
                async with turns.gather:
                    await self._fetch(packed["heads"], sink)
                return
            except AgentDiedError:
                raise
            except SessionLostError as e:
                why = e
            await self.session.disconnect()
            await self.insist("status")
        raise why

    async def _fetch(self, heads: list[dict[str, Any]], sink: Sink) -> None:
        sink.begin_host(self.state.key)
        try:
            for number, head in enumerate(heads):
                sink.begin(head)
                offset = 0
                while offset < head["packed"]:
                    limit = self.way.options.gather_timeout_s
                    _, blob = await self.session.request(
                        "fetch", limit, member=number, offset=offset
                    )
                    if not blob:
                        raise SessionLostError("its table ended too early")
                    sink.write(blob)
                    offset += len(blob)
        except BaseException:
            sink.drop_host()
            raise
        sink.end_host()
        self.state.collected = True
