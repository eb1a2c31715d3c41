"""Rank 0: elects leaders, starts and stops them, and takes their tables one by one.

It records its own host as well. Without other ranks (``world`` None) it records this host alone:
the local transport.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mpi_collector.batch.recorder import BatchRecorder
from mpi_collector.node.agent.recorder import use_all_cpus
from mpi_collector.node.compat import mono_ns, wall_ns
from mpi_collector.node.host.identity import identity
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.table.facts import LEFT
from mpi_collector.transport.agreement import table_bounds
from mpi_collector.transport.base import HostState, RunStatus, Sink, Wakes, run_status, write_host
from mpi_collector.transport.deadline import Hurry
from mpi_collector.transport.ranks.clocks import LeaderClocks
from mpi_collector.transport.ranks.election import elect, refused
from mpi_collector.transport.ranks.gather import TableGathering
from mpi_collector.transport.ranks.inbox import Inbox
from mpi_collector.transport.ranks.leader_answers import take_ready, take_reports
from mpi_collector.transport.ranks.leaders import Leaders
from mpi_collector.transport.ranks.live import LeaderVectors
from mpi_collector.transport.ranks.release import bye_s, release
from mpi_collector.transport.ranks.replication import LeaderReplication
from mpi_collector.transport.ranks.watch import Watch
from mpi_collector.transport.replicas import Replicas
from mpi_collector.transport.table_check import TableBounds

if TYPE_CHECKING:
    from mpi_collector.transport.live_feed import LiveFeed
    from mpi_collector.transport.ranks.world import World

#: tick 0 lies so far ahead that the start request reaches every leader before
_LEAD_NS = 50_000_000
_LEAD_PER_LEADER_NS = 200_000
_DISCARD_S = 10.0


class Coordinator:
    """A Transport over MPI ranks.

    ``names``: {any name or address of a host: the name it was requested by}.
    """

    records_here = True

    def __init__(
        self,
        options: SamplingOptions,
        run: str,
        world: World | None,
        names: Mapping[str, str] | None = None,
        recorder_class: type[BatchRecorder] = BatchRecorder,
    ) -> None:
        self.options = options
        self.run = run
        self.world = world
        self.leaders = Leaders()  # never replaced
        self.missing_ranks: list[int] = []
        self.aliases: dict[str, str] = {}
        self.capacity = options.max_samples
        self.hurry = Hurry() if world is None else world.hurry
        self.t0_ns = self.local_t0_ns = 0
        self.epoch_ns = 0
        self._json = False  # the hosts were asked for the suite's samples, too
        self._recorder: BatchRecorder | None = None
        self._recorder_class = recorder_class
        self._names = names or {}
        self._followers: list[int] = []
        self._replicas = Replicas(options, run)
        self._inbox = Inbox(world, self.leaders.note_error, self.leaders.note_odd)
        self._vectors = LeaderVectors(options, world, self._inbox, self.leaders)
        self._clocks: LeaderClocks | None = None
        self._replication: LeaderReplication | None = None
        self._gathering: TableGathering | None = None
        self._watch: Watch | None = None
        if world is not None:
            alive = self.leaders.alive
            self._watch = Watch(world, self.leaders)
            self._clocks = LeaderClocks(world, self._inbox, self.leaders, alive)
            self._replication = LeaderReplication(
                world, self._inbox, self._replicas, self.leaders, alive
            )
            self._gathering = TableGathering(
                world, self._inbox, self.leaders, options.gather_timeout_s, self._bounds
            )

    @property
    def recorder(self) -> BatchRecorder:
        """The recorder of this host. RuntimeError before ``open`` has made it."""
        if self._recorder is None:
            raise RuntimeError("not opened")
        return self._recorder

    @property
    def live(self) -> LiveFeed:
        return self._vectors.feed

    @property
    def method(self) -> str:
        return "mpi" if self.world is not None else "local"

    @property
    def hosts(self) -> list[HostState]:
        return self.leaders.hosts

    def _bounds(self, host: HostState) -> TableBounds:
        """Return what the table of a host can be."""
        return table_bounds(self, host, self._json)

    def _send(self, ranks: Iterable[int], request: str, **fields: Any) -> None:
        for rank in ranks:
            assert self.world is not None
            self.world.send(rank, do=request, **fields)

    # ---- before the job
    def open(self, facts: dict[str, Any]) -> None:
        """Elect the leaders, prepare a recorder on each, measure their clocks."""
        if self.world is not None and self.world.own:
            use_all_cpus()
        identities = self.meet()
        if self._watch is not None:
            self._watch.open(self._followers, identities)
        for rank in self.leaders.alive():
            host = self.leaders[rank]
            self._send(
                [rank],
                "prepare",
                run=self.run,
                key=host.key,
                options=self.options.to_dict(),
                facts=dict(facts, identity=host.identity, rank=rank),
            )
        self.prepare_own(facts)
        take_ready(self._inbox, self.leaders, self.options)
        self.capacity = min(h.ready["rows"] for h in self.hosts if h.error is None)
        self.measure_clocks()

    def meet(self) -> dict[int, dict[str, Any]]:
        """Wait for the hello of every rank, elect the leaders, and return all identities."""
        identities = {0: dict(identity())}
        odd: dict[int, dict[str, Any]] = {}
        if self.world is not None and self.world.size > 1:
            others = set(range(1, self.world.size))
            hellos = self._inbox.wait_for(others, "hello", self.options.start_timeout_s)
            odd = {r: m for r, m in hellos.items() if "error" in m}
            identities.update({r: m["identity"] for r, m in hellos.items() if r not in odd})
            self.missing_ranks = sorted(others - set(hellos))
        election = elect(identities, self._names)
        self.leaders.update(election.leaders)
        self.leaders.update(refused(odd, election))
        self._followers = election.followers
        self._send(self._followers, "follow", run=self.run, spool_dir=self.options.spool_dir)
        return identities

    def prepare_own(self, facts: dict[str, Any]) -> None:
        """Make the recorder of this host ready."""
        own = self.leaders[0]
        self._recorder = self._recorder_class(
            self.options, self.run, own.key, dict(facts, identity=own.identity, rank=0)
        )
        own.ready = self.recorder.prepare()
        self.recorder.own_clock()

    def measure_clocks(self) -> None:
        """Measure every leader's clock."""
        if self._clocks is not None:
            self._clocks.measure_all()

    def start(self) -> None:
        """Start sampling at a common tick 0; return when every host samples or has failed."""
        ranks = self.leaders.alive()
        limit_s = self.options.start_timeout_s
        self.t0_ns = self.local_t0_ns = mono_ns() + _LEAD_NS + _LEAD_PER_LEADER_NS * len(ranks)
        self.epoch_ns = wall_ns() + self.t0_ns - mono_ns()
        hosts = len(self.leaders)
        self.recorder.start(self.t0_ns, self.epoch_ns, self.capacity, hosts)
        grid = {"t0_ns": self.t0_ns, "epoch_ns": self.epoch_ns, "capacity": self.capacity}
        answers = self._inbox.ask(ranks, "start", limit_s, hosts=hosts, **grid)
        self.leaders[0].sampling = self.recorder.wait_first(limit_s)
        for rank in ranks:
            host = self.leaders[rank]
            host.sampling = rank in answers and "error" not in answers[rank]
            if not host.sampling and host.error is None:
                host.mark_lost(f"no first sample within {limit_s:g} s")
        self._send((*self.leaders.alive(), *self._followers), "idle")
        self.live.begin(self.t0_ns)
        if self._watch is not None:
            self._watch.started()

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Return {key: snapshot} of the hosts that answer in time."""
        answers = self._inbox.ask(self.leaders.alive(), "snapshot", self.options.start_timeout_s)
        out = {self.leaders[0].key: self.recorder.snapshot()}
        for rank, message in sorted(answers.items()):
            if "error" not in message:
                out[self.leaders[rank].key] = message["snapshot"]
        return out

    # ---- during it
    def wakes(self) -> Wakes:
        """Return what rings, and when clocks, replicas or what nobody rings for are due."""
        if self._clocks is None or self._replication is None or self._watch is None:
            return Wakes(due_ns=self.live.due_ns())
        parts = (self._clocks, self.live, self._replication, self._watch)
        due = [part.due_ns() for part in parts]
        return Wakes(self._watch.fds, min((d for d in due if d is not None), default=None))

    def poll(self) -> bool:
        """Take messages, update the replicas and measure clocks as they are due.

        True when a host requests the stop.
        """
        if self._clocks is None or self._replication is None or self._watch is None:
            self._vectors.turn(self.recorder.live)
            return False
        self._watch.turn()
        self._inbox.receive_all()
        messages = [self._inbox.take(rank, "stop_request") for rank in self.leaders.alive()]
        self._clocks.measure_due()
        self._vectors.turn(self.recorder.live)
        self._replication.turn()
        return any(m is not None and "error" not in m for m in messages)

    def status(self) -> RunStatus:
        """Return the progress of this host, which stands for all: no other is asked."""
        sampler = self.recorder.sampler
        known = () if sampler is None else (sampler.last_tick, sampler.missed)
        return run_status(self.hosts, *known)

    def mark(self, event: dict[str, Any]) -> None:
        """Add a mark that was made on this host."""
        self.recorder.mark(event)

    # ---- after it
    def stop(self) -> None:
        """Take the last row on every host, and measure its clock once more."""
        started = [r for r in self.leaders.alive() if self.leaders[r].sampling]
        limit_s = self.options.gather_timeout_s
        self.hurry.begin_step()
        self.live.end()
        self._send(started, "stop")
        self.leaders[0].stopped = self.recorder.stop()
        self.recorder.own_clock()
        if self._watch is not None:
            self._watch.turn()
            for rank in take_reports(self._inbox, self.leaders, started, limit_s, self.hurry):
                self._watch.remark_on(rank)
        self.measure_clocks()

    def gather(self, sink: Sink, progress: Callable[[int, int], None], json: bool) -> None:
        """Put the table of every host into ``sink``, in the order in which they are ready.

        ``json``: the samples too.
        """
        waiting = {r for r in self.leaders.alive() if self.leaders[r].stopped}
        self._json = json
        self.hurry.begin_step()
        self._send(sorted(waiting), "pack", json=json)
        total = len(waiting) + 1
        self._write_own(sink, json)
        if self._gathering is not None:
            self._gathering.receive_each(waiting, sink, lambda done: progress(done, total))
        self._replicas.fill_in(self.hosts, sink, self._bounds)
        for host in self.hosts:  # only now: what was sampled before the failure has been gathered
            if host.error is None and host.stopped and host.stopped["failure"]:
                host.error = f"sampling: {host.stopped['failure']}"
        progress(total, total)

    def _write_own(self, sink: Sink, json: bool) -> None:
        host = self.leaders[0]
        host.facts = self.recorder.facts()
        write_host(sink, host.key, self.recorder.pack(json))
        host.collected = True

    # ---- the end
    def detach(self, why: str = LEFT) -> None:
        """Leave at once; the spools stay."""
        self._replicas.close(False)
        self.recorder.close(why=why)

    def close(self, saved: bool, why: str = LEFT) -> bool:
        """Remove the spools of what is safely on disk, and release every rank.

        True when none is missing. ``why``: see ``Recorder.close``.
        """
        self._replicas.close(saved)
        if saved:
            self.recorder.discard()
            disposable = {
                r for r, h in self.leaders.items() if not h.gone and h.spool_is_disposable
            }
            self._inbox.ask(disposable, "discard", _DISCARD_S)
        else:
            self.recorder.close(why=why)
        return self.world is None or self.release_all()

    def release_all(self) -> bool:
        """Let every rank leave, and wait for those that still answer. True when none is missing."""
        assert self.world is not None
        gone = self.leaders.gone | set(self.missing_ranks)
        left = set(range(1, self.world.size)) - gone
        all_left = release(self.world, self._inbox, left, bye_s(self.options))
        if self._watch is not None:
            self._watch.close()
        return all_left and not gone
