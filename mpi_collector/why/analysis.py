"""What limited a run: per phase and host, then the run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from mpi_collector.formats.why_document import CacheShare, Claim, NotKnown, SlowHost, WhyDocument
from mpi_collector.store.host import Host
from mpi_collector.store.recording import Recording
from mpi_collector.why.causes import another_host, page_cache
from mpi_collector.why.ceilings import DeviceCeiling
from mpi_collector.why.reported_bytes import reported_reads
from mpi_collector.why.resolve import claims_on, why_not
from mpi_collector.why.slow_hosts import HostRates, rates_of, slow_hosts
from mpi_collector.why.stretch import Stretch

LEAST_INTERVALS = 4  #: of a phase; fewer say nothing
WHOLE_RUN = ""  #: the name of the phase of a run without phases, and of a part of a run

Stretches = dict[str, list[tuple[int, int]]]


def stretches_of(recording: Recording) -> Stretches:
    """Return {phase: its stretches}, UTC ns; the whole run where it has no phase.

    Without phases the run is COMMAND, where the recording knows when it ran. A part of a recording
    is one phase.
    """
    if recording.stretches is not None:
        return {WHOLE_RUN: list(recording.stretches)}
    out: Stretches = {}
    for phase in recording.marks:
        if not phase.moment:
            out.setdefault(phase.name, []).append((phase.begin_ns, phase.end_ns))
    if out:
        return {name: sorted(parts) for name, parts in out.items()}
    run = recording.run
    command = run.get("command_ns")
    begin, end = command if command else (run["start_ns"], run["end_ns"])
    return {WHOLE_RUN: [(begin, max(end, begin + 1))]}


class Analysis:
    """What limited a run, while its hosts are added one after the other.

    ``phase``: only this one. ``ceilings``: of devices, as they were probed.
    """

    def __init__(
        self,
        recording: Recording,
        phase: str | None = None,
        ceilings: Sequence[DeviceCeiling] = (),
    ) -> None:
        self._ceilings = ceilings
        whole = recording.stretches is None and not recording.marks
        self._command_only = whole and bool(recording.run.get("command_ns"))
        ends = (recording.run["start_ns"], recording.run["end_ns"])
        self._span = (
            None if whole or recording.stretches is not None or ends[0] >= ends[1] else ends
        )
        self._run = str(recording.run.get("run", ""))
        self._phases = stretches_of(recording)
        if phase is not None:
            self._phases = {n: parts for n, parts in self._phases.items() if n == phase}
        self._reported = reported_reads(recording)
        self._hosts = {name: _PhaseHosts() for name in self._phases}
        self._not_known: list[NotKnown] = []

    def add(self, host: Host) -> None:
        """Judge a host in every phase; of its rows nothing is kept."""
        run = Stretch(host, WHOLE_RUN, [self._span]) if self._span else None
        for name, parts in self._phases.items():
            stretch = Stretch(host, name, parts, self._ceilings, run)
            stretch.is_command = self._command_only
            stretch.reported_read_bytes = self._reported.get(name)
            kept = self._hosts[name]
            kept.cache.append(page_cache.cache_share(stretch))
            if warning := page_cache.claim(stretch):
                kept.warnings.append(warning)
            found = claims_on(stretch) if len(stretch) >= LEAST_INTERVALS else []
            if found:
                kept.claims[host.key] = found
                kept.rates[host.key] = rates_of(stretch)
            else:
                self._not_known.append(
                    {"phase": name, "host": host.key, "reason": why_not(stretch)}
                )

    def document(self) -> WhyDocument:
        """Return the answer for the hosts that were added."""
        claims: list[Claim] = []
        slow: list[SlowHost] = []
        for name, hosts in self._hosts.items():
            claims += _of_phase(hosts.claims) + hosts.warnings
            slow += slow_hosts(name, hosts.rates)
        return {
            "run": self._run,
            "limited_by": _of_run(claims, self._phases),
            "claims": claims,
            "not_known": self._not_known,
            "cache": [c for hosts in self._hosts.values() for c in hosts.cache],
            "slow_hosts": slow,
        }


def why(
    recording: Recording,
    *,
    phase: str | None = None,
    host: str | None = None,
    ceilings: Sequence[DeviceCeiling] = (),
) -> WhyDocument:
    """Return what limited the run, or one phase or host of it; one host's rows are in memory.

    ``ceilings``: of devices, as they were probed. KeyError names the phases or hosts there are.
    """
    phases = stretches_of(recording)
    if phase is not None and phase not in phases:
        raise KeyError(f"there is no phase {phase!r}; there are {', '.join(phases) or 'none'}")
    if host is not None and host not in recording:
        raise KeyError(f"there is no host {host!r}; there are {', '.join(recording)}")
    analysis = Analysis(recording, phase, ceilings)
    for key in recording if host is None else [host]:
        judged = recording.fresh(key)
        analysis.add(judged)
        judged.release()
    return analysis.document()


def limit_of(document: WhyDocument, phase: str) -> Claim | None:
    """Return what limited a phase, None where it is not known."""
    return next(_limits(c for c in document["claims"] if c["phase"] == phase), None)


@dataclass
class _PhaseHosts:
    """What is kept of the hosts in a phase, by key."""

    claims: dict[str, list[Claim]] = field(default_factory=dict)
    rates: dict[str, HostRates] = field(default_factory=dict)
    cache: list[CacheShare] = field(default_factory=list)
    warnings: list[Claim] = field(default_factory=list)


def _of_phase(hosts: dict[str, list[Claim]]) -> list[Claim]:
    """Return the claims of a phase, that of its critical host first."""
    waits = another_host.claims(hosts)
    waiting = {c["host"] for c in waits}
    limits = [hosts[k][0] for k in hosts if k not in waiting]
    limits.sort(key=lambda c: (c["cause"] in another_host.WAITING, -c["share_of_time"]))
    return limits + waits + [c for k in hosts if k not in waiting for c in hosts[k][1:]]


def _of_run(claims: Sequence[Claim], phases: Stretches) -> Claim | None:
    """Return the claim with the largest share of the time of all phases."""
    best: Claim | None = None
    longest = 0.0
    for name in phases:
        first = next(_limits(c for c in claims if c["phase"] == name), None)
        length = sum(end - begin for begin, end in phases[name])
        if first is not None and first["share_of_time"] * length > longest:
            longest = first["share_of_time"] * length
            best = first
    return best


def _limits(claims: Iterable[Claim]) -> Iterator[Claim]:
    return (c for c in claims if c["cause"] != "page cache")
