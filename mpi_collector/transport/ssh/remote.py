"""One host of the ssh transport: its session, restored when it breaks, and its steps."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from mpi_collector.errors import AgentDiedError, MessageError, SessionLostError
from mpi_collector.node.agent.messages import StopReport
from mpi_collector.node.clock import best_echo
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.knobs import orphan_s
from mpi_collector.transport.agreement import check_ready
from mpi_collector.transport.base import HostState
from mpi_collector.transport.deadline import CUT_OFF_S, Allowance, Deadline
from mpi_collector.transport.failures import ssh_failure
from mpi_collector.transport.hosts import HostSpec
from mpi_collector.transport.session import Reply, Session
from mpi_collector.transport.ssh.bootstrap import preamble, remote_command
from mpi_collector.transport.ssh.command_line import site_options, ssh_argv, ssh_environment
from mpi_collector.transport.ssh.turns import SessionLimits, SessionSettings, in_turn
from mpi_collector.transport.table_check import TableBounds

if TYPE_CHECKING:
    from mpi_collector.node.clock import Echo

_ECHOES = 15  #: round trips of one clock measurement
_CLOCK_S = 2.0  #: after which no further round trip of a measurement begins
_CLOCK_SHARE = 0.25  #: of the time that the host has left, at most
_CLOCK_HOLD_S = 0.5  #: for which a host whose clock is measured may keep the next one waiting
_HEARTBEAT_S = 20.0
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
    return min(_HEARTBEAT_S, orphan_s() / 3)


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
        self.adopted: TableBounds | None = None  #: of the spool of a dead run that it has opened
        options = settings.options
        self._opening = Allowance(options.start_timeout_s)  # of prepare, clock and start
        self.ending = Allowance(options.gather_timeout_s)  #: of stop, clock and its table

    def note_error(self, error: str) -> None:
        """Set the error of the host, after what it was cut off by, if it was."""
        cut_off = self.state.cut_off
        self.state.error = f"{cut_off}; {error}" if cut_off else error

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

    async def request_persistently(self, do: str, deadline: Deadline, **fields: Any) -> Reply:
        """Make a request, again in a new session when one breaks, until ``deadline``."""
        pause = 0.2
        while True:
            try:
                if not self.session.connected:
                    await self.reconnect(min(self.settings.ssh_timeout_s, deadline.left_s))
                return await self.session.request(do, deadline.left_s, **fields)
            except (AgentDiedError, MessageError):
                raise
            except SessionLostError:
                await self.session.disconnect()
                if pause > deadline.left_s:
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
        with self._opening.step() as deadline:
            answer, _ = await self.session.request(
                "prepare",
                deadline.left_s,
                options=options.to_dict(),
                run=self.settings.run,
                key=self.state.key,
                facts=dict(facts, requested=self.name),
            )
        self.state.ready = check_ready(answer, options)

    async def first_clock(self, limits: SessionLimits) -> None:
        """Measure its clock before the start."""
        await self._clock(limits, self._opening)

    async def _clock(self, limits: SessionLimits, allowance: Allowance) -> None:
        """Measure the offset of its clock to this host's; the agent notes it in the spool."""
        echoes = await in_turn(limits.clock, lambda: self._echoes(allowance), _CLOCK_HOLD_S)
        # offset = ours - agent's; the agent needs the negative
        here, offset, bound = best_echo(echoes)
        self.state.clock_bound_ns = bound
        with allowance.step() as deadline:
            await self.session.request(
                "clock",
                deadline.left_s,
                mono_ns=here - offset,
                offset_ns=-offset,
                bound_ns=bound,
            )

    async def _echoes(self, allowance: Allowance) -> list[Echo]:
        """Return round trips: 15, or fewer where they take long, but one at least."""
        echoes: list[Echo] = []
        with allowance.step() as deadline:
            enough = Deadline(min(_CLOCK_S, _CLOCK_SHARE * deadline.left_s))
            while not echoes or (len(echoes) < _ECHOES and not enough.passed):
                sent = mono_ns()
                answer, _ = await self.session.request("time", deadline.left_s)
                echoes.append((sent, answer["mono_ns"], mono_ns()))
        return echoes

    async def start(self, t0_ns: int, epoch_ns: int, capacity: int, hosts: int) -> None:
        """Start sampling; return when the first sample was taken.

        SessionLostError, RuntimeError.
        """
        grid = {"t0_ns": t0_ns, "epoch_ns": epoch_ns, "capacity": capacity, "hosts": hosts}
        with self._opening.step() as deadline:
            await self.session.request("start", deadline.left_s, **grid)
        await asyncio.sleep(max(0.0, (t0_ns - mono_ns()) * 1e-9))
        with self._opening.step() as deadline:
            await self._wait_first(deadline)

    async def _wait_first(self, deadline: Deadline) -> None:
        pause = 0.02
        while not deadline.passed:
            try:
                answer, _ = await self.session.request("first", deadline.left_s)
            except SessionLostError:
                if not deadline.passed:
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
        limit_s = self.settings.options.start_timeout_s
        raise SessionLostError(f"no first sample within {limit_s:g} s")

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
        await self.session.wait_lost(share * heartbeat_s())
        clocked = mono_ns()
        tries = 0
        while True:
            try:
                if not self.session.connected:
                    self._note_cut_off()
                    await self.reconnect(min(self.settings.ssh_timeout_s, 5.0 * 2**tries))
                    self.state.cut_off = ""
                await self.session.request("status", _SILENT_S)
                if mono_ns() - clocked > _CLOCK_EVERY_S * 1e9:
                    clocked = mono_ns()
                    await self._clock(limits, Allowance(_SILENT_S))
                tries = 0
                await self.session.wait_lost(heartbeat_s())
            except (AgentDiedError, MessageError) as e:
                self.state.error = f"sampling: {e}"
                return
            except (SessionLostError, RuntimeError, OSError):
                self._note_cut_off()
                await self.session.disconnect()
                await asyncio.sleep(min(_PAUSE_S * 2**tries, _PAUSE_MOST_S))
                tries = min(tries + 1, 10)

    def _note_cut_off(self) -> None:
        """Note since when the host is not reached; no error, since its agent samples on."""
        if not self.state.cut_off:
            at = time.strftime("%H:%M:%S UTC", time.gmtime())
            self.state.cut_off = f"its session was lost at {at}"

    # ---- after it
    async def stop(self, limits: SessionLimits) -> None:
        """Take the last row, and measure the clock once more."""
        with self.ending.step() as deadline:
            if self.state.cut_off:
                deadline = Deadline(min(deadline.left_s, CUT_OFF_S))
            answer, _ = await self.request_persistently("stop", deadline)
        self.state.stopped = cast(StopReport, answer)
        if answer["failure"]:
            raise RuntimeError(answer["failure"])
        await self._clock(limits, self.ending)
        if self.state.cut_off:
            remark = f"{self.state.cut_off}; it was recorded all the same"
            self.state.ready.setdefault("warnings", []).append(remark)
            self.state.cut_off = ""
