"""A Transport whose coordinator is rank 0 of a launch of its own, beside the job's.

The other side is ranks/control_server.py.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from typing import Any

from mpi_collector.errors import SessionLostError, TransportError
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.options import SamplingOptions
from mpi_collector.transport.base import HostState, RunStatus, Sink, Wakes, run_status
from mpi_collector.transport.control_messages import CONTROL
from mpi_collector.transport.deadline import HURRIED_S, Hurry
from mpi_collector.transport.failures import launcher_failure
from mpi_collector.transport.launch.command_line import LaunchCommand
from mpi_collector.transport.launch.sink_events import SinkEvents
from mpi_collector.transport.launch.told import Told
from mpi_collector.transport.live_feed import LiveFeed
from mpi_collector.transport.loop_thread import LoopThread
from mpi_collector.transport.session import Session

_UNBOUNDED_S = 1e6  #: of requests that end when no event comes any more
_SPARE_S = 10.0  #: for an event, beside what rank 0 may wait for a host
_CLOSE_S = 30.0
_EXIT_S = 5.0
_LAST_WORDS_S = 1.0  #: for what a launcher that has ended said of it


class ControlClient:
    """A Transport.

    ``names``: {any name or address of a host: its requested name}; ``say`` gets a warning when the
    launch has to be tried again.
    """

    method = "mpi"
    records_here = False

    def __init__(
        self,
        options: SamplingOptions,
        run: str,
        launch: LaunchCommand,
        names: Mapping[str, str],
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.options = options
        self.run = run
        self.names = dict(names)
        self.hosts: list[HostState] = []
        self.missing_ranks: list[int] = []
        self.aliases: dict[str, str] = {}
        self.capacity = options.max_samples
        self.t0_ns = 0
        self.local_t0_ns = 0
        self.epoch_ns = 0
        self.lost = ""  #: why the launch no longer answers
        self._say = say
        self.hurry = Hurry()
        self._has_told_hurry = False
        self._launched = launch
        self._session = _session(launch)
        self.live = LiveFeed(options)
        self._told = Told(self.live)
        self._loop = LoopThread("control client")

    def _request(self, do: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        """Return the answer of rank 0. SessionLostError, RuntimeError."""
        work = self._session.request(do, timeout_s, **fields)
        return self._loop.run(work, self._tell_hurry)[0]

    def _tell_hurry(self) -> None:
        """Tell rank 0 once that it is to give up hosts that are slow."""
        if self.hurry.asked and not self._has_told_hurry:
            self._has_told_hurry = True
            self._loop.call_soon(lambda: self._session.send({"hurry": 1}))

    def _request_with_events(self, do: str, sink: Sink, **fields: Any) -> dict[str, Any]:
        """Return the answer to a request during which rank 0 calls ``sink``.

        SessionLostError, RuntimeError. OSError or RuntimeError of the sink.
        """
        events = SinkEvents(sink, self._session)
        self._session.on_event = events

        async def work() -> dict[str, Any]:
            task = asyncio.ensure_future(self._session.request(do, _UNBOUNDED_S, **fields))
            while not (await asyncio.wait({task}, timeout=1.0))[0]:
                wait_s = HURRIED_S if self.hurry.asked else self.options.gather_timeout_s
                if events.idle_s > 2 * wait_s + _SPARE_S:
                    task.cancel()
                    raise SessionLostError(f"sent nothing for {events.idle_s:.0f} s")
            return task.result()[0]

        try:
            return self._loop.run(work(), self._tell_hurry)
        finally:
            events.finish()

    def _update(self, do: str, request: Callable[[], dict[str, Any]]) -> None:
        """Make a request whose answer is the state of the hosts.

        A failure is an error of every host.
        """
        try:
            self._take_state(request())
        except (SessionLostError, RuntimeError) as e:
            self._give_up(do, e)

    def _give_up(self, do: str, why: Exception) -> None:
        self._lose(why)
        for host in self.hosts:
            host.error = host.error or f"{do}: {why}"

    def _lose(self, why: Exception) -> None:
        """Note that the launch no longer answers, and say so once."""
        if not self.lost and isinstance(why, SessionLostError):
            self._say(
                f"warning: the launch of the collectors is lost: {why}; what was sampled is in the"
                f" spools of the hosts: mpi_collector recover {self.run}"
            )
        self.lost = str(why)

    def _take_state(self, answer: dict[str, Any]) -> None:
        self.hosts = [HostState(**h) for h in answer["hosts"]]
        self.missing_ranks = answer["missing_ranks"]
        self.capacity = answer["capacity"]
        if answer["t0_ns"] != self.t0_ns:  # an answer takes a moment: the first one counts
            self.local_t0_ns = mono_ns() - answer["now_ns"] + answer["t0_ns"]
        self.t0_ns = answer["t0_ns"]
        self.epoch_ns = answer["epoch_ns"]

    def _launch(self, do: str, **fields: Any) -> dict[str, Any]:
        """Start the launch and make its first request. SessionLostError, RuntimeError, OSError.

        When it does not come up, it is tried once more without what the user's environment says of
        the way to the hosts: the job may run elsewhere.
        """
        retry = self._launched.retry
        try:
            return self._attempt(do, **fields)
        except SessionLostError as e:
            if retry is None:
                raise
            without = ", ".join(sorted(self._launched.settings.reach))
            self._say(
                f"warning: the launch of the collectors failed: {e}; once more without {without}"
            )
        self._loop.run(self._session.disconnect())
        self._session = _session(retry)
        return self._attempt(do, **fields)

    def _attempt(self, do: str, **fields: Any) -> dict[str, Any]:
        limit_s = self.options.start_timeout_s
        self._session.on_event = self._told
        self._loop.run(self._session.connect(limit_s))
        self._session.on_loss = self._told.lose
        self._told.watch(self._session.pid or 0)
        return self._request(
            do,
            3 * limit_s,
            options=self.options.to_dict(),
            run=self.run,
            names=self.names,
            **fields,
        )

    # ---- Transport
    def open(self, facts: dict[str, Any]) -> None:
        """Launch the ranks and prepare them. TransportError when the launch does not start."""
        try:
            answer = self._launch("open", facts=facts)
        except (SessionLostError, RuntimeError, OSError) as e:
            self.detach()
            raise TransportError(f"the collectors' launch failed: {e}") from e
        self._take_state(answer)

    def start(self) -> None:
        limit_s = 3 * self.options.start_timeout_s
        self._update("start", lambda: self._request("start", limit_s))

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Return {key: snapshot} of the hosts that answer in time."""
        found: dict[str, dict[str, Any]] = {}
        more = True
        while more:
            try:
                answer = self._request(
                    "snapshot", 2 * self.options.start_timeout_s, first=len(found)
                )
            except (SessionLostError, RuntimeError) as e:
                self._lose(e)
                return {}
            found.update(answer["snapshots"])
            more = answer["more"]
        return found

    def wakes(self) -> Wakes:
        """Return what is readable when rank 0 has told something, or the launch has ended."""
        return self._told.wakes()

    def poll(self) -> bool:
        """Take what rank 0 has told. True when a host was asked to stop the run."""
        stop_requested = self._told.take(self.hosts)
        if self._told.lost and not self.lost:
            self._loop.run(self._session.wait_lost(_LAST_WORDS_S))
            self._give_up("sampling", SessionLostError(self._told.lost))
        return stop_requested

    def status(self) -> RunStatus:
        return run_status(self.hosts)

    def stop(self) -> None:
        limit_s = 2 * self.options.gather_timeout_s
        self._update("stop", lambda: self._request("stop", limit_s))

    def gather(self, sink: Sink, progress: Callable[[int, int], None], json: bool) -> None:
        """Put the table of every host into ``sink``. OSError or RuntimeError of the sink."""
        if self.lost:
            return
        self._update("gather", lambda: self._request_with_events("gather", sink, json=json))
        progress(1, 1)

    def close(self, saved: bool) -> bool:
        if not self.lost:
            try:
                self._request("close", _CLOSE_S, saved=saved)
            except (SessionLostError, RuntimeError):
                pass
            self._loop.run(self._session.wait_exit(_EXIT_S))
        self.detach()
        return True

    def detach(self, why: str = "") -> None:
        """End the launch; the spools stay."""
        del why
        self._loop.run(self._session.disconnect())
        self._loop.close()
        self._told.close()


def _session(launch: LaunchCommand) -> Session:
    # Open MPI 5 does not tell its ranks that stdin has ended; all launchers pass this signal on to
    # them
    return Session(
        launch.argv,
        (),
        launch.environ,
        last_signal=signal.SIGUSR1,
        protocol=CONTROL,
        explain=lambda code, output, errors: launcher_failure(errors),
    )
