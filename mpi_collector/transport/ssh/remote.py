"""One host of the ssh transport: its session, restored when it breaks, and its steps."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from mpi_collector.errors import AgentDiedError, MessageError, SessionLostError
from mpi_collector.node.agent.messages import ReadyReport, StopReport
from mpi_collector.node.clock import best_echo
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.knobs import orphan_s
from mpi_collector.node.options import SamplingOptions
from mpi_collector.transport.agreement import check_ready
from mpi_collector.transport.base import HostState
from mpi_collector.transport.failures import ssh_failure
from mpi_collector.transport.hosts import HostSpec
from mpi_collector.transport.session import Reply, Session
from mpi_collector.transport.ssh.bootstrap import preamble, remote_command
from mpi_collector.transport.ssh.command_line import site_options, ssh_argv, ssh_environment

_ECHOES = 15  #: round trips of one clock measurement
_CLOCKS_AT_ONCE = 16  #: more at a time would measure the queue of this host instead of the clocks
_HEARTBEAT_S = 15.0
_CLOCK_EVERY_S = 180.0
_SILENT_S = 20.0  #: a session that leaves a request unanswered for so long counts as broken
_TRIES = 4  #: to connect for the first time
_PAUSE_S = 0.5  #: before the second attempt; doubled for every further one
_PAUSE_MOST_S = 10.0
#: messages of an sshd that drops connections because many come at once (MaxStartups); for no other
#: failure waiting helps
_CROWDED = ("closed by", "reset by", "kex_exchange", "banner exchange")


def heartbeat_s() -> float:
    """Return the longest time in seconds that an agent hears nothing of its launcher."""
    return min(_HEARTBEAT_S, orphan_s() / 4)


@dataclass(frozen=True)
class SessionSettings:
    """What the sessions to all hosts of a run have in common."""

    options: SamplingOptions
    run: str
    user: str | None
    ssh_timeout_s: float


class SessionLimits:
    """How many hosts do the same step at the same time."""

    def __init__(self, fanout: int) -> None:
        self.start = asyncio.Semaphore(fanout)
        self.clock = asyncio.Semaphore(_CLOCKS_AT_ONCE)
        self.gather = asyncio.Lock()  # the sink takes one host at a time

    async def connect(self, session: Session, timeout_s: float) -> None:
        """Connect.

        A host that does not answer lets the next one start after a tenth of ``timeout_s``.
        """
        async with self.start:
            task = asyncio.ensure_future(session.connect(timeout_s))
            await asyncio.wait({task}, timeout=timeout_s / 10)
        await task


class RemoteHost:
    """A host and the session to its agent.

    Only for the thread of the event loop, except for ``state``.

    ``spec``: as requested; this host itself is reached without ssh; ``key``: see HostState.
    """

    def __init__(self, settings: SessionSettings, spec: HostSpec, key: str) -> None:
        self.settings = settings
        self.spec = spec
        self.name = spec.name
        self.state = HostState(key, spec.name, {})
        self.session = Session([], ())
        self.agent_pid = 0

    # ---- sessions
    async def connect(self, limits: SessionLimits) -> None:
        """Begin the first session. SessionLostError, OSError (no ssh), HostNameError."""
        await self._make_session(limits)
        limit_s = self.settings.ssh_timeout_s
        for attempt in range(_TRIES):
            try:
                await limits.connect(self.session, limit_s)
                break
            except SessionLostError as e:
                if attempt == _TRIES - 1 or not any(w in str(e) for w in _CROWDED):
                    raise
            await asyncio.sleep(_PAUSE_S * 2**attempt)
        hello = self.session.hello
        self.agent_pid = hello["pid"]
        self.state.identity = hello["identity"]
        self.state.hostname = hello["identity"]["hostname"]

    async def _make_session(self, limits: SessionLimits) -> None:
        command = remote_command()
        first = preamble(self.settings.run, self.state.key, orphan_s())
        if self.spec.is_local:
            self.session = Session(["sh", "-c", command], first)
            return
        user = self.settings.user
        async with limits.start:
            extra = await site_options(self.spec, user)
        argv = ssh_argv(self.spec, user, self.settings.ssh_timeout_s, command, extra)
        self.session = Session(
            argv, first, ssh_environment(), with_children=True, explain=ssh_failure
        )

    async def reconnect(self, timeout_s: float) -> None:
        """Begin a new session to the same agent. AgentDiedError when another one answers."""
        hello = await self.session.connect(timeout_s)
        if hello["pid"] != self.agent_pid or not hello["prepared"]:
            with suppress(SessionLostError, RuntimeError):
                await self.session.request("quit", 5)
            await self.session.disconnect()
            raise AgentDiedError(
                "the agent died; what it had recorded is in the spool of that host"
            )

    async def request_persistently(self, do: str, **fields: Any) -> Reply:
        """Make a request, again in a new session when one breaks, until the gather time-out."""
        deadline = mono_ns() + int(self.settings.options.gather_timeout_s * 1e9)
        pause = 0.2
        while True:
            left = max(1.0, (deadline - mono_ns()) * 1e-9)
            try:
                if not self.session.connected:
                    await self.reconnect(min(self.settings.ssh_timeout_s, left))
                return await self.session.request(do, left, **fields)
            except (AgentDiedError, MessageError):
                raise
            except SessionLostError:
                await self.session.disconnect()
                if mono_ns() + pause * 1e9 > deadline:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, 5.0)

    async def quit(self) -> None:
        """End the agent and the session.

        An agent that cannot be told ends by itself and keeps its spool.
        """
        with suppress(SessionLostError, RuntimeError):
            if self.session.hello:  # else no agent was ever reached
                await self.session.request("quit", 5)
        await self.session.disconnect()

    # ---- before the job
    async def prepare(self, facts: dict[str, Any]) -> None:
        """Prepare a recorder on the host; see Transport.open."""
        options = self.settings.options
        answer, _ = await self.session.request(
            "prepare",
            options.start_timeout_s,
            options=options.to_dict(),
            run=self.settings.run,
            key=self.state.key,
            facts=dict(facts, requested=self.name),
        )
        check_ready(answer, options)
        self.state.ready = cast(ReadyReport, answer)

    async def clock(self, limits: SessionLimits) -> None:
        """Measure the offset of its clock to this host's; the agent notes it in the spool."""
        echoes = []
        async with limits.clock:
            for _ in range(_ECHOES):
                sent = mono_ns()
                answer, _ = await self.session.request("time", 10)
                echoes.append((sent, answer["mono_ns"], mono_ns()))
        here, offset, bound = best_echo(
            echoes
        )  # offset = ours - agent's; the agent needs the negative
        self.state.clock_bound_ns = bound
        await self.session.request(
            "clock", 10, mono_ns=here - offset, offset_ns=-offset, bound_ns=bound
        )

    async def start(self, t0_ns: int, epoch_ns: int, capacity: int) -> None:
        """Start sampling; return when the first sample was taken.

        SessionLostError, RuntimeError.
        """
        limit = self.settings.options.start_timeout_s
        await self.session.request(
            "start", limit, t0_ns=t0_ns, epoch_ns=epoch_ns, capacity=capacity
        )
        await asyncio.sleep(max(0.0, (t0_ns - mono_ns()) * 1e-9))
        deadline = mono_ns() + int(limit * 1e9)
        pause = 0.02
        while (left := (deadline - mono_ns()) * 1e-9) > 0:
            try:
                answer, _ = await self.session.request("first", left)
            except SessionLostError:
                if mono_ns() < deadline:
                    raise
                break
            if answer["failure"]:
                raise RuntimeError(answer["failure"])
            if answer["sampling"]:
                self.state.sampling = True
                return
            await asyncio.sleep(pause)
            # hundreds of agents of one host that are asked all the time would keep each other from
            # sampling
            pause = min(2 * pause, 0.5)
        raise SessionLostError(f"no first sample within {limit:g} s")

    # ---- during it
    async def send_heartbeats(self) -> None:
        """Show the agent that this process lives: without contact for ``orphan_s`` it ends."""
        while True:
            await asyncio.sleep(heartbeat_s())
            if mono_ns() - self.session.last_sent_ns > heartbeat_s() * 1e9:
                self.session.beat()

    async def watch(self, limits: SessionLimits, share: float) -> None:
        """Keep the session up, and measure the clock every few minutes.

        A session is tested regularly and restored when it broke.

        The first test is made after ``share`` (0 to 1) of a period, so that hosts take turns.
        Returns when the agent died.
        """
        await asyncio.sleep(share * heartbeat_s())
        clocked = mono_ns()
        tries = 0
        while True:
            try:
                if not self.session.connected:
                    await self.reconnect(min(self.settings.ssh_timeout_s, 5.0 * 2**tries))
                await self.session.request("status", _SILENT_S)
                if mono_ns() - clocked > _CLOCK_EVERY_S * 1e9:
                    clocked = mono_ns()
                    await self.clock(limits)
                tries = 0
                await self.session.wait_lost(heartbeat_s())
            except (AgentDiedError, MessageError) as e:
                self.state.error = f"sampling: {e}"
                return
            except (SessionLostError, RuntimeError, OSError):
                await self.session.disconnect()
                await asyncio.sleep(min(_PAUSE_S * 2**tries, _PAUSE_MOST_S))
                tries = min(tries + 1, 10)

    # ---- after it
    async def stop(self, limits: SessionLimits) -> None:
        """Take the last row, and measure the clock once more."""
        answer, _ = await self.request_persistently("stop")
        self.state.stopped = cast(StopReport, answer)
        if answer["failure"]:
            raise RuntimeError(answer["failure"])
        await self.clock(limits)
