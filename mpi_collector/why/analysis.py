"""What limited a run: per phase and host, then the run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from mpi_collector.store.host import Host
from mpi_collector.store.recording import Recording
from mpi_collector.why.causes import another_host, page_cache
from mpi_collector.why.contract import CacheShare, Claim, NotKnown, SlowHost, WhyDocument
from mpi_collector.why.resolve import claims_on, why_not
from mpi_collector.why.slow_hosts import HostRates, rates_of, slow_hosts
from mpi_collector.why.stretch import Stretch

LEAST_INTERVALS = 4  #: of a phase; fewer say nothing
WHOLE_RUN = ""  #: the name of the phase of a run without phases

Stretches = dict[str, list[tuple[int, int]]]


def stretches_of(recording: Recording) -> Stretches:
    """Return {phase: its stretches}, UTC ns; the whole run where it has no phase.

    Without phases the run is COMMAND, where the recording knows when it ran.
    """
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


def why(recording: Recording, *, phase: str | None = None, host: str | None = None) -> WhyDocument:
    """Return what limited the run, or one phase or host of it; one host's rows are in memory."""
    phases = stretches_of(recording)
    if phase is not None:
        phases = {name: parts for name, parts in phases.items() if name == phase}
    judged = {name: _PhaseHosts() for name in phases}
    not_known: list[NotKnown] = []
    for key in recording if host is None else [host]:
        _judge_host(recording.fresh(key), phases, judged, not_known)
    claims: list[Claim] = []
    slow: list[SlowHost] = []
    for name in phases:
        claims += _of_phase(judged[name].claims) + judged[name].warnings
        slow += slow_hosts(name, judged[name].rates)
    return {
        "run": str(recording.run.get("run", "")),
        "limited_by": _of_run(claims, phases),
        "claims": claims,
        "not_known": not_known,
        "cache": [c for name in phases for c in judged[name].cache],
        "slow_hosts": slow,
    }


@dataclass
class _PhaseHosts:
    """What is kept of the hosts in a phase, by key."""

    claims: dict[str, list[Claim]] = field(default_factory=dict)
    rates: dict[str, HostRates] = field(default_factory=dict)
    cache: list[CacheShare] = field(default_factory=list)
    warnings: list[Claim] = field(default_factory=list)


def _judge_host(
    host: Host, phases: Stretches, judged: dict[str, _PhaseHosts], not_known: list[NotKnown]
) -> None:
    for name, parts in phases.items():
        stretch = Stretch(host, name, parts)
        kept = judged[name]
        kept.cache.append(page_cache.cache_share(stretch))
        if warning := page_cache.claim(stretch):
            kept.warnings.append(warning)
        found = claims_on(stretch) if len(stretch) >= LEAST_INTERVALS else []
        if found:
            kept.claims[host.key] = found
            kept.rates[host.key] = rates_of(stretch)
        else:
            not_known.append({"phase": name, "host": host.key, "reason": why_not(stretch)})


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
