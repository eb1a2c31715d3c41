"""What rank 0 asks of a worker: the requests of a RecorderService, and those that need MPI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpi_collector.batch.recorder import BatchRecorder
from mpi_collector.errors import PeerLostError
from mpi_collector.node.agent.recorder import use_all_cpus
from mpi_collector.node.agent.service import DONE, Answer, RecorderService
from mpi_collector.node.clock import best_echo
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.spool import marks
from mpi_collector.node.spool.directory import RunDirectory
from mpi_collector.transport.door import Door
from mpi_collector.transport.ranks.bell_protocol import Offer
from mpi_collector.transport.ranks.clocks import ECHOES
from mpi_collector.transport.ranks.messages import WORKER_REQUESTS
from mpi_collector.transport.ranks.world import World

_BUSY_S = 0.001  #: while rank 0 is known to send more soon
_IDLE_S = 0.4  #: a probe with cold caches costs about 150 us: 0.04 % of a core
_AFTER_JOB_S = 0.01  #: thousands of leaders are asked for their tables one after the other
_TERMINATED_S = (
    20.0  #: after SIGTERM, how long to wait for rank 0 before leaving the recording in the spool
)
_ECHO_TIMEOUT_S = 2.0


class PollInterval:
    """How often a worker looks for a message: often while rank 0 is busy with it, else rarely."""

    def __init__(self) -> None:
        self._interval_s = _BUSY_S
        self._late_s = _IDLE_S
        self._leave_at_ns = 0

    def get_s(self, late: bool) -> float:
        """Return the interval.

        ``late``: rank 0 has said nothing for longer than it takes between two requests.
        """
        return self._late_s if late else self._interval_s

    def busy(self) -> None:
        self._interval_s = _BUSY_S

    def idle(self) -> None:
        """Look rarely, unless SIGTERM has come."""
        self._interval_s = _BUSY_S if self._leave_at_ns else _IDLE_S

    def rest(self) -> None:
        """Look rarely in any case: rank 0 will not ask this worker before the end."""
        self._interval_s = _IDLE_S

    def job_ended(self) -> None:
        self._interval_s = _BUSY_S
        self._late_s = _AFTER_JOB_S

    def terminate(self) -> None:
        """Handle SIGTERM: rank 0 has got it, too, and may be about to fetch the table."""
        self._leave_at_ns = mono_ns() + int(_TERMINATED_S * 1e9)
        self._interval_s = _BUSY_S

    def left_s(self, now_ns: int) -> float | None:
        """Return for how long rank 0 is waited for after a SIGTERM; None: there was none."""
        return max(self._leave_at_ns - now_ns, 0) * 1e-9 if self._leave_at_ns else None

    def expired(self, now_ns: int) -> bool:
        """Return whether rank 0 has said nothing for too long after a SIGTERM."""
        return bool(self._leave_at_ns) and now_ns > self._leave_at_ns


class WorkerService(RecorderService):
    """A RecorderService on an MPI rank. ``poll_interval``: adjusted to what rank 0 is doing.

    ``connect``: begins to connect a doorbell. ``door``: opened where this rank records its host.
    """

    requests = WORKER_REQUESTS
    fatal = (PeerLostError,)

    def __init__(
        self,
        world: World,
        poll_interval: PollInterval,
        recorder_class: type[BatchRecorder],
        connect: Callable[[Offer], None],
        door: Door,
    ) -> None:
        super().__init__(recorder_class)
        self._door = door
        self._connect = connect
        self._world = world
        self._poll_interval = poll_interval
        self._run = ("", "")  # directory and name of the run that a follower leaves marks to
        self.options = SamplingOptions()
        self.stop_request = ""  #: path of the file that ``mpi_collector stop`` makes on this host

    def follow(self, run: str, spool_dir: str) -> Answer:
        self._poll_interval.idle()
        self._run = (spool_dir, run)
        return DONE

    def bell(self, **offer: Any) -> Answer:
        self._connect(Offer.from_dict(offer))
        return DONE

    def add_mark(self, event: dict[str, Any]) -> None:
        """Store a mark that was made on this host.

        A follower leaves it beside the spool of its leader.
        """
        if self.recorder is not None:
            self.recorder.mark(event)
        else:
            marks.append(RunDirectory(*self._run).marks_path, event)

    def prepare(self, options: dict[str, Any], run: str, key: str, facts: dict[str, Any]) -> Answer:
        if self._world.own:
            use_all_cpus()
        self.options = SamplingOptions.from_dict(options)
        answer = super().prepare(options, run, key, facts)
        spool = answer.fields["spool"]
        directory = RunDirectory.of_spool(spool) if spool else None
        self.stop_request = directory.stop_path if directory is not None else ""
        if directory is not None and self._world.own:
            self._door.open()
            self._door.write(directory.door_path)
        return answer

    def measure_clock(self) -> Answer:
        self._poll_interval.busy()
        echoes = self._world.request_echoes(ECHOES, _ECHO_TIMEOUT_S)
        if not echoes:
            return Answer({"bound_ns": None})
        here, offset, bound = best_echo(echoes)
        if self.recorder is not None:
            self.recorder.clock(here, offset, bound)
        return Answer({"bound_ns": bound})

    def start(self, t0_ns: int, epoch_ns: int, capacity: int, hosts: int) -> Answer:
        """Start sampling, and answer when the first sample was taken."""
        super().start(t0_ns, epoch_ns, capacity, hosts)
        assert self.recorder is not None
        if self.recorder.wait_first(self.options.start_timeout_s):
            return DONE
        return Answer({"error": self.recorder.stop()["failure"] or "no first sample"})

    def idle(self) -> Answer:
        self._poll_interval.idle()
        return DONE

    def stop(self) -> Answer:
        self._poll_interval.job_ended()
        self._door.close()
        return super().stop()

    def discard(self) -> Answer:
        self._door.close()  # its file goes before the directory of the spool
        return super().discard()

    def send(self) -> Answer:
        chunks = (chunk for member in self._members for chunk in member.chunks)
        self._world.send_stream(0, chunks, self.options.gather_timeout_s)
        self._members = []
        return DONE

    def exit(self, why: str = "") -> Answer:
        """No-op: the worker's loop ends after this request."""
        return DONE
