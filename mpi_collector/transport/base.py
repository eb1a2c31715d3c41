"""What a transport is to its callers: the hosts of a run, from the start to their tables."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, cast

from mpi_collector.node.agent.messages import ReadyReport, StopReport
from mpi_collector.node.table.facts import LEFT, HostFacts
from mpi_collector.transport.deadline import Hurry

if TYPE_CHECKING:
    from mpi_collector.node.table.npy import NpzMember
    from mpi_collector.transport.live_feed import LiveFeed

#: (what is being done, hosts that are through, hosts in all)
Progress = Callable[[str, int, int], None]


@dataclass
class HostState:
    """A host of the run as the coordinator knows it.

    A host is *ready* once ``ready`` is filled, *sampling* after its first sample, *stopped* once
    ``stopped`` is set, and *collected* when its table is in the sink. ``error`` may be set in any
    of these states; it excludes the host from further steps, but what it has recorded until then is
    still collected where possible.
    """

    key: str  #: its unique name in the files
    hostname: str  #: its own name
    identity: dict[str, Any]  #: see node/host/identity.py
    ready: ReadyReport = field(default_factory=ReadyReport)
    sampling: bool = False  #: its first sample was taken
    clock_bound_ns: int | None = 0  #: error bound of its clock offset; None: not measured
    stopped: StopReport | None = None
    collected: bool = False  #: its table is in the sink
    from_replica: bool = False  #: not collected, but its replica as of the last --replicate is
    error: str | None = None  #: why it is not, or only partly, recorded
    cut_off: str = ""  #: why it may not answer the stop; no error as long as it may
    #: whether its rank and rank 0 wake each other; None: another kind of transport, or not known
    woken: bool | None = None
    gone: bool = False  #: does not answer any more: nobody may wait for it in MPI
    #: empty until the host is collected
    facts: HostFacts = field(default_factory=lambda: cast(HostFacts, {}))

    @property
    def spool_is_disposable(self) -> bool:
        """True when its spool is not needed any more: collected, or never filled."""
        return self.collected or (bool(self.ready) and not self.sampling)

    def mark_lost(self, error: str) -> None:
        """Note that the host did not answer in time."""
        self.error = error
        self.gone = True


class Sink(Protocol):
    """Takes the packed tables of hosts, one host at a time.

    The calls for a host are ``begin_host``, then for each of its members ``begin`` and ``write`` as
    often as needed, then ``end_host`` or ``drop_host``. OSError means that the sink cannot write;
    RuntimeError that a host's data are damaged.
    """

    def begin_host(self, key: str) -> None:
        """Expect the members of host ``key``."""

    def begin(self, head: dict[str, Any]) -> None:
        """Expect a member; ``head``: see NpzMember.head (kind, name, crc, size, packed)."""

    def write(self, data: bytes | memoryview) -> None:
        """Take compressed bytes of the member that was begun last; ``packed`` bytes in all."""

    def end_host(self) -> None:
        """The host is complete."""

    def drop_host(self) -> None:
        """Discard what came of the host that was begun: its sender was lost."""


@dataclass(frozen=True)
class Wakes:
    """What ``Transport.poll`` waits for.

    It is to be called when one of ``fds`` is readable, and at ``due_ns`` at the latest (monotonic;
    None: never).
    """

    fds: tuple[int, ...] = ()
    due_ns: int | None = None


class RunStatus(TypedDict):
    """Progress of a run as far as it is known without asking any host."""

    hosts: int
    sampling: int
    last_tick: int  #: -1: unknown
    missed: int


class Transport(Protocol):
    """What the life cycle of a run drives.

    The steps are ``open``, ``start``, ``poll`` as ``wakes`` says, ``stop``, ``gather``, ``close``.

    Implemented by ranks.Coordinator (MPI ranks, or this host alone), ssh.SshCoordinator (agents)
    and launch.ControlClient (a Coordinator in a launch of its own). A host that fails has its
    ``error`` set and stops no other.
    """

    missing_ranks: list[int]  #: MPI ranks that never sent a hello
    aliases: dict[str, str]  #: {further name of a host: the name it is recorded by}
    capacity: int  #: rows of the table, the same on all hosts
    t0_ns: int  #: tick 0 on the coordinator's monotonic clock
    epoch_ns: int  #: tick 0 on the coordinator's wall clock
    local_t0_ns: int  #: tick 0 on this process's monotonic clock
    records_here: bool  #: a host is recorded in this process, or in a child of it
    hurry: Hurry  #: bounds ``stop`` and ``gather`` once there is one; hosts are given up then

    @property
    def method(self) -> str:
        """Name of the transport in the files: local, mpi or ssh."""

    @property
    def hosts(self) -> list[HostState]: ...

    @property
    def live(self) -> LiveFeed:
        """The live vectors of the hosts, which come only with ``live_s``."""

    def open(self, facts: dict[str, Any]) -> None:
        """Connect the hosts, prepare a recorder on each and measure its clock.

        ``facts`` go into every spool.

        TransportError when no host can be reached at all.
        """

    def start(self) -> None:
        """Start sampling at a common tick 0; return when every host samples or has failed."""

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Return {key: snapshot} of the hosts that answer in time."""

    def wakes(self) -> Wakes:
        """Return what ``poll`` waits for; to be asked again after every ``poll``."""

    def poll(self) -> bool | None:
        """Do what is due, without waiting. True when a host was asked to stop the run."""

    def status(self) -> RunStatus:
        """Return the progress of the run without asking any host."""

    def stop(self) -> None:
        """Take the last row on every host, end its sampling and measure its clock once more."""

    def gather(self, sink: Sink, progress: Callable[[int, int], None], json: bool) -> None:
        """Put the table of every host into ``sink``.

        ``json``: the suite's samples too, where a host can encode them.
        """

    def detach(self, why: str = LEFT) -> None:
        """Leave at once; the spools stay on the hosts. ``why``: HostFacts.ended_by of the first."""

    def close(self, saved: bool) -> bool:
        """Release every host; ``saved``: the tables are safely on disk, so remove the spools.

        True when none is missing.
        """


class RecoveryTransport(Protocol):
    """Spools that dead runs left on many hosts. A host holds at most one adopted spool at a time.

    Implemented by ranks.RankRecovery, ssh.HostQueries and launch.ControlRecoveryClient.
    RuntimeError when a host cannot do what it is asked to, or does not answer.
    """

    @property
    def unreached(self) -> dict[str, str]:
        """{host: why nothing is known of its spools}, after ``spools``."""

    def spools(self) -> dict[str, list[dict[str, Any]]]:
        """Return {host: its spools, see find_spools} of the hosts that answer."""

    def identity(self, host: str) -> Mapping[str, Any]:
        """Return the Identity of a host that answers."""

    def claim(self, run: str) -> dict[str, list[dict[str, Any]]]:
        """Let nobody else recover ``run`` on these hosts, until the next claim or ``close``.

        Return {host: its spools of the run}. RunClaimedError with the name of a host where somebody
        else has claimed it. Whoever is the first on the first host, by identities, gets them all.
        """

    def adopt(self, host: str, place: str, run: str, key: str) -> dict[str, Any]:
        """Open a spool in directory ``place`` of ``host`` and return its RecoveredSpool.about."""

    def take_adopted(self, host: str, sink: Sink) -> None:
        """Put the table of the adopted spool into ``sink``."""

    def drop_adopted(self, host: str) -> None:
        """Remove the adopted spool: its table is safely on disk."""

    def close(self, saved: bool) -> bool:
        """Release every host. True when none is missing."""


def run_status(hosts: list[HostState], last_tick: int = -1, missed: int = 0) -> RunStatus:
    """Return the status of a run with ``hosts``."""
    sampling = sum(h.sampling and h.error is None and not h.cut_off for h in hosts)
    return {"hosts": len(hosts), "sampling": sampling, "last_tick": last_tick, "missed": missed}


def nap(seconds: float) -> None:
    """Sleep by select(2), which works under a faked clock (time.sleep fails under libfaketime)."""
    select.select((), (), (), seconds)


def write_host(sink: Sink, key: str, members: Iterable[NpzMember]) -> None:
    """Put the packed ``members`` of host ``key`` into ``sink``.

    After an exception the host is begun, but not ended.
    """
    sink.begin_host(key)
    write_members(sink, members)
    sink.end_host()


def write_members(sink: Sink, members: Iterable[NpzMember]) -> None:
    """Put packed ``members`` into ``sink``, for the host that was begun."""
    for member in members:
        sink.begin(member.head())
        for chunk in member.chunks:
            sink.write(chunk)


class MemberSink(Protocol):
    """Takes the members of one host: the part of a Sink that is between its begin and its end."""

    def begin(self, head: dict[str, Any]) -> None: ...

    def write(self, data: bytes | memoryview) -> None: ...


class MemberSplitter:
    """Splits a stream of bytes into the members that ``heads`` describe, for ``sink``."""

    def __init__(self, heads: list[dict[str, Any]], sink: MemberSink) -> None:
        self._heads = iter(heads)
        self._sink = sink
        self._left = 0  # bytes that are missing of the current member
        self.total = sum(int(h["packed"]) for h in heads)  #: length of the whole stream

    def finish(self) -> None:
        """Begin the members without bytes that are left behind the end of the stream."""
        for head in self._heads:
            self._sink.begin(head)

    def feed(self, data: memoryview) -> None:
        """Take the next bytes of the stream."""
        while len(data):
            while not self._left:
                head = next(self._heads)
                self._left = int(head["packed"])
                self._sink.begin(head)
            n = min(self._left, len(data))
            self._sink.write(data[:n])
            self._left -= n
            data = data[n:]
