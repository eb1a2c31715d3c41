"""Rank 0: agrees on who leads which node, starts and stops everybody, and takes the tables node after node.

It also records its own node. Without MPI peers (``world`` None) it records this host alone: that is the local transport.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mpi_collector.batch.recorder import BatchRecorder
from mpi_collector.node.agent.recorder import use_all_cpus
from mpi_collector.node.compat import mono_ns, wall_ns
from mpi_collector.node.host.identity import identity, same_host_key
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.read.worker import stuck_in_kernel
from mpi_collector.transport.base import HostState, MemberSplitter, Sink, nap, run_status
from mpi_collector.transport.hosts import find_aliases, unique_keys
from mpi_collector.transport.replicas import Replicas

if TYPE_CHECKING:
    from mpi_collector.transport.ranks.world import World

_GROUP = 16  #: leaders that measure their clocks at the same time
_CLOCK_EVERY_NS = 180_000_000_000
_LEAD_NS = 50_000_000  #: tick 0 lies this far ahead, and a little more for every leader that must hear of it
_BYE_NS = 5_000_000_000
ECHOES = 25


class Coordinator:
    """``open`` → ``start`` → (``idle`` now and then) → ``stop`` → ``gather`` → ``dismiss``."""

    def __init__(
        self,
        options: SamplingOptions,
        run: str,
        world: World | None,
        names: Mapping[str, str] | None = None,
        recorder_class: type[BatchRecorder] = BatchRecorder,
    ) -> None:
        self._recorder_class = recorder_class
        self.options, self.run, self.world = options, run, world
        self._names = names or {}  # {hostname: name it was asked for by}
        self.leaders: dict[int, HostState] = {}
        self.ranks: dict[int, str] = {}
        self.missing_ranks: list[int] = []
        self.capacity = options.max_samples
        self.t0_ns = self.epoch_ns = 0
        self._followers: list[int] = []
        self._inbox: dict[int, list[dict[str, Any]]] = {}
        self._clocked_ns = 0
        self._to_clock: list[int] = []
        self._replicas = Replicas(options, run)
        self._blobs: dict[int, tuple[dict[str, Any], Callable[[], bytearray | None]]] = {}
        self._flushed = False

    @property
    def method(self) -> str:
        return "mpi" if self.world is not None else "local"

    @property
    def hosts(self) -> list[HostState]:
        return [self.leaders[r] for r in sorted(self.leaders)]

    # ---- messages
    def _pump(self) -> None:
        while self.world is not None:
            got = self.world.receive()
            if got is None:
                return
            self._inbox.setdefault(got[0], []).append(got[1])

    def _take(self, rank: int, kind: str) -> dict[str, Any] | None:
        """A waiting message of ``kind`` from ``rank``. A report of failure is noted and answers every question."""
        box = self._inbox.get(rank, [])
        for i, message in enumerate(box):
            if message["type"] in (kind, "failed"):
                del box[i]
                if not box:
                    del self._inbox[rank]
                if message["type"] == "failed":
                    self.leaders[rank].error = f"{message['during']}: {message['error']}"
                return message
        return None

    def _ask(
        self, ranks: Iterable[int], answer: str, timeout_s: float, **message: Any
    ) -> dict[int, dict[str, Any]]:
        """Send ``message`` to all of ``ranks`` and collect their answers, those that come in time."""
        left = set(ranks) - {0}
        if self.world is None or not left:
            return {}
        for rank in sorted(left):
            self.world.send(rank, **message)
        return self._await(left, answer, timeout_s)

    def _await(self, left: set[int], answer: str, timeout_s: float) -> dict[int, dict[str, Any]]:
        out: dict[int, dict[str, Any]] = {}
        deadline = mono_ns() + int(timeout_s * 1e9)
        pause = 0.0005
        while left and mono_ns() < deadline:
            self._pump()
            for rank in sorted(left & self._inbox.keys()):
                message = (
                    self._take(rank, answer) if rank in self.leaders or answer == "hello" else None
                )
                if message is not None:
                    out[rank] = message
                    left.discard(rank)
                    pause = 0.0005
            if left:
                nap(pause)
                pause = min(pause * 1.5, 0.02)
        return out

    def _alive(self) -> list[int]:
        return [r for r, h in sorted(self.leaders.items()) if r and h.error is None]

    # ---- before the job
    def open(self, facts: dict[str, Any]) -> None:
        """Find the nodes, make a recorder ready on each, measure their clocks."""
        if self.world is not None and self.world.own:
            use_all_cpus()  # undo the launcher's binding; without one, how we were started is the user's choice
        self._meet()
        for rank in self._alive():
            assert self.world is not None
            host = self.leaders[rank]
            lead = dict(facts, identity=host.identity, rank=rank)
            self.world.send(
                rank,
                type="lead",
                run=self.run,
                key=host.key,
                options=self.options.to_dict(),
                facts=lead,
            )
        root = self.leaders[0]
        self.recorder = self._recorder_class(
            self.options, self.run, root.key, dict(facts, identity=root.identity, rank=0)
        )
        root.ready = self.recorder.prepare()
        self.recorder.own_clock()
        ready = self._await(set(self._alive()), "ready", self.options.start_timeout_s)
        for rank in self._alive():
            self.leaders[rank].ready = ready.get(rank, {})
            if rank not in ready:
                self.leaders[rank].mark_lost(f"not ready within {self.options.start_timeout_s:g} s")
        self.capacity = min(h.ready["rows"] for h in self.hosts if h.error is None)
        self.measure_clocks()

    def _meet(self) -> None:
        """Hear of everybody, and agree on who leads which host."""
        identities = {0: dict(identity())}
        if self.world is not None and self.world.size > 1:
            others = set(range(1, self.world.size))
            hellos = self._await(set(others), "hello", self.options.start_timeout_s)
            identities.update({r: m["identity"] for r, m in hellos.items()})
            self.missing_ranks = sorted(others - set(hellos))
        self._elect(identities)

    def _elect(self, identities: dict[int, dict[str, Any]]) -> None:
        """The lowest rank of every host leads it."""
        ranks = sorted(identities)
        aliases = find_aliases((rank, same_host_key(identities[rank])) for rank in ranks)
        leaders = [rank for rank in ranks if rank not in aliases]
        keys = unique_keys([self._name(identities[r]) for r in leaders])
        self.leaders = {
            r: HostState(k, identities[r]["hostname"], identities[r]) for r, k in zip(leaders, keys)
        }
        self._followers = [r for r in identities if r not in self.leaders]
        for rank in self._followers:
            assert self.world is not None
            self.world.send(rank, type="follow", run=self.run, spool_dir=self.options.spool_dir)

    def _name(self, who: dict[str, Any]) -> str:
        """The name that was asked for, known by any of the host's own names and addresses; else its own."""
        own = str(who["hostname"])
        for alias in (own, own.split(".")[0], *who["addresses"]):
            if alias in self._names:
                return self._names[alias]
        return own

    def measure_clocks(self) -> None:
        """Every leader's offset to this clock, a few of them at a time."""
        self._clocked_ns, self._to_clock = mono_ns(), self._alive()
        while self._to_clock:
            self._clock_some()

    def _clock_some(self) -> list[int]:
        """The next few leaders of those that are to measure their clocks."""
        group, self._to_clock = self._to_clock[:_GROUP], self._to_clock[_GROUP:]
        assert self.world is not None
        for rank in group:
            self.world.send(rank, type="clock")
        self.world.serve_echoes(group, ECHOES, 3.0)
        for rank, answer in self._await(set(group), "clocked", 3.0).items():
            self.leaders[rank].clock_bound_ns = answer.get("bound_ns")
        return group

    def start(self) -> None:
        """Everybody samples from the same tick 0 on; returns when all have, or have failed to within the time-out."""
        ranks = self._alive()
        self.t0_ns = mono_ns() + _LEAD_NS + 200_000 * len(ranks)
        self.epoch_ns = wall_ns() + self.t0_ns - mono_ns()
        self.recorder.start(self.t0_ns, self.epoch_ns, self.capacity)
        answers = self._ask(
            ranks, "sampling", self.options.start_timeout_s,
            type="start", t0_ns=self.t0_ns, epoch_ns=self.epoch_ns, capacity=self.capacity,
        )  # fmt: skip
        self.leaders[0].sampling = self.recorder.wait_first(self.options.start_timeout_s)
        for rank in ranks:
            host = self.leaders[rank]
            host.sampling = answers.get(rank, {}).get("type") == "sampling"
            if not host.sampling and host.error is None:
                host.mark_lost(f"no first sample within {self.options.start_timeout_s:g} s")
        if self.world is not None:
            for rank in (*self._alive(), *self._followers):
                self.world.send(rank, type="idle")

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """{key: snapshot} of the hosts that answer in time; between ``open`` and ``dismiss``."""
        answers = self._ask(
            self._alive(), "snapshot", self.options.start_timeout_s, type="snapshot"
        )
        out = {self.leaders[0].key: self.recorder.snapshot()}
        out.update(
            {
                self.leaders[r].key: m["snapshot"]
                for r, m in sorted(answers.items())
                if m["type"] == "snapshot"
            }
        )
        return out

    # ---- during it
    def poll(self) -> bool:
        """To be called about once a second: takes messages, and measures the clocks again every few minutes.

        True when a host was asked to stop the run.
        """
        if self.world is None:
            return False
        self._pump()
        taken = [self._take(rank, "request") for rank in self._alive()]
        if mono_ns() - self._clocked_ns > _CLOCK_EVERY_NS:
            self._clocked_ns, self._to_clock = mono_ns(), self._to_clock or self._alive()
        if self._to_clock:  # a few at a turn: they sleep, and the end of a job must not wait until thousands have woken up
            for rank in self._clock_some():
                self.world.send(rank, type="idle")
        self._replicate()
        return any(m is not None and m["type"] == "request" for m in taken)

    def _replicate(self) -> None:
        """Ask everybody for what is new; a turn before that, have them decode what is staged. Later turns take what has come."""
        self._take_blobs()
        assert self.world is not None
        if self._replicas.due():
            self._flushed = False
            for rank in self._alive():
                if rank not in self._blobs:  # else the last set is still on its way
                    self.world.send(
                        rank, type="replicate", got=self._replicas.got(self.leaders[rank].key)
                    )
        if self._replicas.soon() and not self._flushed:
            self._flushed = True
            for rank in self._alive():
                self.world.send(rank, type="flush")

    def _take_blobs(self) -> None:
        assert self.world is not None
        for rank, host in self.leaders.items():
            message = self._take(rank, "replica") if rank and host.error is None else None
            if message is not None and message["type"] == "replica":
                self._blobs[rank] = message["doc"], self.world.receive_blob(rank, message["bytes"])
        for rank, (doc, arrived) in list(self._blobs.items()):
            blob = arrived()
            if blob is not None:
                del self._blobs[rank]
                key = self.leaders[rank].key
                self._replicas.apply(key, doc, blob)
                if doc["more"] and key not in self._replicas.failures:
                    self.world.send(rank, type="replicate", got=self._replicas.got(key))

    def status(self) -> dict[str, Any]:
        """Ticks of this host, which stand for all: nobody is asked while the job runs."""
        sampler = self.recorder.sampler
        return (
            run_status(self.hosts, sampler.last_tick, sampler.missed)
            if sampler is not None
            else run_status(self.hosts)
        )

    def mark(self, event: dict[str, Any]) -> None:
        """A mark made on this host."""
        self.recorder.mark(event)

    # ---- after it
    def stop(self) -> None:
        """The last row everywhere, and the clocks once more."""
        started = {r for r in self._alive() if self.leaders[r].sampling}
        if self.world is not None:
            for rank in started:
                self.world.send(rank, type="stop")
        self.leaders[0].stopped = self.recorder.stop()
        self.recorder.own_clock()
        answers = self._await(set(started), "stopped", self.options.gather_timeout_s)
        for rank in started:
            answer = answers.get(rank)
            self.leaders[rank].stopped = answer if answer and answer["type"] == "stopped" else None
            if answer is None:
                self.leaders[rank].mark_lost(
                    f"did not answer the stop within {self.options.gather_timeout_s:g} s"
                )
        self.measure_clocks()

    def gather(self, sink: Sink, progress: Callable[[int, int], None], json: bool) -> None:
        """Every node's packed table into ``sink``, in the order in which they are ready; ``json``: the samples too."""
        waiting = {r for r in self._alive() if self.leaders[r].stopped}
        if self.world is not None:
            for rank in sorted(waiting):
                self.world.send(rank, type="pack", json=json)
        total, done = len(waiting) + 1, 0
        self._own_table(sink, json)
        while waiting:
            done += 1
            progress(done, total)
            answers = self._await_one(waiting)
            if answers is None:
                for rank in waiting:
                    self.leaders[rank].mark_lost(
                        f"sent nothing within {self.options.gather_timeout_s:g} s"
                    )
                break
            rank, message = answers
            waiting.discard(rank)
            if message["type"] == "packed":
                self.leaders[rank].facts = message["facts"]
                self._receive(rank, message["heads"], sink)
        self._replicas.rescue(self.hosts, sink)
        for host in self.hosts:  # only now: what was sampled until the failure has been gathered
            if host.error is None and host.stopped and host.stopped["failure"]:
                host.error = f"sampling: {host.stopped['failure']}"
        progress(total, total)

    def _await_one(self, waiting: set[int]) -> tuple[int, dict[str, Any]] | None:
        deadline = mono_ns() + int(self.options.gather_timeout_s * 1e9)
        while mono_ns() < deadline:
            self._pump()
            for rank in sorted(
                waiting & self._inbox.keys()
            ):  # of thousands that still pack, nothing need be asked
                message = self._take(rank, "packed")
                if message is not None:
                    return rank, message
            nap(0.002)
        return None

    def _own_table(self, sink: Sink, json: bool) -> None:
        host = self.leaders[0]
        host.facts = self.recorder.facts()
        sink.begin_host(host.key)
        for member in self.recorder.pack(json):
            sink.begin(member.head())
            for chunk in member.chunks:
                sink.write(chunk)
        sink.end_host()
        host.collected = True

    def _receive(self, rank: int, heads: list[dict[str, Any]], sink: Sink) -> None:
        from mpi_collector.errors import PeerLostError

        assert self.world is not None
        host = self.leaders[rank]
        self.world.send(rank, type="send")
        sink.begin_host(host.key)
        splitter = MemberSplitter(heads, sink)
        try:
            self.world.receive_stream(
                rank, splitter.total, splitter.take, self.options.gather_timeout_s
            )
        except PeerLostError as e:
            sink.drop_host()
            host.mark_lost(f"sent only a part of its table: {e}")
            return
        try:
            sink.end_host()
        except RuntimeError as e:
            host.error = str(e)
            return
        host.collected = True

    def detach(self) -> None:
        """Leave now: the spools stay."""
        self._replicas.close(False)
        self.recorder.close()

    def refuse(self, why: str = "") -> bool:
        """Nothing will be recorded: let everybody go before anything was opened. True when nobody is missing."""
        assert self.world is not None
        hellos = self._await(set(range(1, self.world.size)), "hello", self.options.start_timeout_s)
        return self._let_go(hellos, why) and len(hellos) == self.world.size - 1

    def _let_go(self, ranks: Iterable[int], why: str = "") -> bool:
        """Everybody may leave; True when all of ``ranks`` said bye, and can end.

        What they sent before it is taken too: of messages that nobody took MPICH complains, on COMMAND's stdout.
        """
        assert self.world is not None
        for rank in range(1, self.world.size):
            self.world.send(rank, type="exit", why=why)
        patience = int(self.options.gather_timeout_s * 1e9) if self.options.rescue_dir else _BYE_NS
        left, deadline, stuck = set(ranks), mono_ns() + patience, stuck_in_kernel()
        while left and mono_ns() < deadline:
            self._pump()
            byes = {
                r: box[-1] for r, box in self._inbox.items() if box and box[-1]["type"] == "bye"
            }
            left -= byes.keys()
            stuck = stuck or any(bye["stuck"] for bye in byes.values())
            nap(0.001)
        return self.world.flush(2.0) and not left and not stuck

    def close(self, saved: bool) -> bool:
        """Remove the spools of what is safely on disk, and let everybody go. True when nobody is missing."""
        self._replicas.close(saved)
        if saved:
            self.recorder.discard()
            # what never sampled has nothing to lose
            ranks = [
                r
                for r, h in self.leaders.items()
                if r and not h.gone and (h.collected or (h.ready and not h.sampling))
            ]
            self._ask(ranks, "discarded", 10.0, type="discard")
        else:
            self.recorder.close()
        if self.world is None:
            return True
        gone = {r for r, h in self.leaders.items() if h.gone} | set(self.missing_ranks)
        return self._let_go(set(range(1, self.world.size)) - gone) and not gone
