"""``check``: what a run would find on every host, before there is one."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mpi_collector.benchmark.plan import LifecyclePlan
from mpi_collector.benchmark.ranks_launch import ask_hosts
from mpi_collector.benchmark.transport_choice import Choice, choose
from mpi_collector.transport.hosts import HostSpec

#: half of what is free becomes the spool; with less than this the recording stays in plain memory
ROOM_BYTES = 16 << 20
_CLOCK_OFF_NS = 1_000_000_000  #: a greater offset of the wall clock is a remark
_MOST_NAMED = 4
_SHELL_CHARACTERS = 60

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class CheckedHost:
    """What was found out about a host.

    error: why its agent did not answer. answer: its agent's, None when it did not. ranks_error:
    what keeps a rank of ours from running there. versions: of what a rank there uses.
    needs_ranks: a run would be recorded over MPI only.
    """

    key: str
    error: str | None
    answer: dict[str, Any] | None
    ranks_error: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    needs_ranks: bool = False

    @property
    def failures(self) -> list[str]:
        """Why this host cannot be recorded as it should, or not at all; [] if it can."""
        if self.error is not None or self.answer is None:
            return [self.error or "no answer"]
        found = list(self.answer["failures"])
        if not found and (self.answer["free_bytes"] or 0) < ROOM_BYTES:
            found.append("too little room for a recording that survives a crash")
        if self.needs_ranks and self.ranks_error:
            found.append(self.ranks_error)
        return found

    @property
    def remarks(self) -> list[str]:
        """Sentences about what hinders no recording, or perhaps only one over MPI."""
        if self.answer is None:
            return []
        found = list(self.answer["hazards"])
        if abs(self.answer["wall_offset_ns"]) > _CLOCK_OFF_NS:
            found.append("the wall clock is off (recordings do not depend on it)")
        if said := self.answer["shell"]:
            found.append(f"the login shell says {said[:_SHELL_CHARACTERS]!r} to programs, too")
        if self.answer["reached"] is None and self.answer["called"]:
            found.append("it cannot connect to this host, as MPI launchers need: a firewall?")
        if self.ranks_error and not self.needs_ranks:
            found.append(f"not over MPI: {self.ranks_error}")
        return found

    @property
    def fit(self) -> bool:
        """True when it can be recorded."""
        return not self.failures

    def document(self) -> dict[str, Any]:
        """Return what is known as JSON."""
        answer = self.answer or {}
        names = ("python", "wall_offset_ns", "rtt_ns", "free_bytes", "file_system", "reached")
        return {
            "fit": self.fit,
            "failures": self.failures,
            "remarks": self.remarks,
            **{name: answer.get(name) for name in names},
            "shell_says": answer.get("shell") or None,
            "ranks": dict(self.versions) or None,
            "ranks_error": self.ranks_error or None,
        }


@dataclass(frozen=True)
class HostsCheck:
    """Of all hosts. ranks: how a run over MPI would start, or why it would not; "": not asked."""

    hosts: list[CheckedHost]
    ranks: str

    @property
    def differences(self) -> list[str]:
        """One sentence for each version that is not the same on all hosts."""
        out = []
        for name in dict.fromkeys(n for host in self.hosts for n in host.versions):
            found: dict[str, list[str]] = {}
            for host in self.hosts:
                if name in host.versions:
                    found.setdefault(host.versions[name], []).append(host.key)
            if len(found) > 1:
                parts = [f"{version} on {_named(keys)}" for version, keys in found.items()]
                out.append(f"{name} differs: {', '.join(parts)}")
        return out

    @property
    def doorbells(self) -> str:
        """Whether ranks could wake a rank 0 on this host; "" where none was asked to connect."""
        asked = [h for h in self.hosts if h.answer is not None and h.answer["called"]]
        silent = [h.key for h in asked if h.answer is not None and h.answer["reached"] is None]
        if silent:
            return (
                f"doorbells: not available, {_named(silent)} cannot connect to this host: "
                "ranks would look for messages every 0.4 s, which costs CPU"
            )
        return f"doorbells: available, {len(asked)} hosts can connect to this one" if asked else ""

    def document(self) -> dict[str, Any]:
        """Return all of it as JSON."""
        return {
            "doorbells": self.doorbells or None,
            "hosts": {host.key: host.document() for host in self.hosts},
            "ranks": self.ranks or None,
            "differences": self.differences,
        }


def check_hosts(plan: LifecyclePlan, progress: Progress) -> HostsCheck:
    """Ask every host of ``plan`` what a run would ask; TransportError without an MPI asked for.

    An agent is asked first; where it answers, what a rank would find there is asked too, unless
    this host alone is named or runs go over ssh.
    """
    from mpi_collector.transport.launch import detect_launcher

    choice = choose(plan, "training", lambda: detect_launcher(plan.mpi_bin))
    keys, answers, errors = _ask_agents(plan, progress)
    asked = [host for key, host in keys.items() if key in answers]
    problems: Mapping[str, str] = {}
    versions: Mapping[str, Mapping[str, str]] = {}
    if choice.transport == "mpi" and asked:
        found = ask_hosts(plan, choice, asked, progress)
        problems, versions = found.problems, found.versions
    return HostsCheck(
        [
            CheckedHost(
                key,
                errors[key],
                answers.get(key),
                problems.get(host.name, "") if key in answers else "",
                versions.get(host.name, {}),
                plan.transport == "mpi",
            )
            for key, host in keys.items()
        ],
        _ranks(plan, choice),
    )


def _ask_agents(
    plan: LifecyclePlan, progress: Progress
) -> tuple[dict[str, HostSpec], dict[str, dict[str, Any]], dict[str, str | None]]:
    """Return {key: host}, {key: answer of its agent} and {key: why it did not answer}."""
    from mpi_collector.transport.listener import listening
    from mpi_collector.transport.ssh import HostQueries

    queries = HostQueries(
        plan.sampling,
        f"check-{secrets.token_hex(4)}",
        plan.hosts,
        plan.ssh_username,
        plan.ssh_fanout,
        plan.ssh_timeout_s,
        progress,
    )
    with listening() as door:
        answers = queries.check(door)
    keys = {state.key: host for state, host in zip(queries.hosts, plan.hosts)}
    return keys, answers, {state.key: state.error for state in queries.hosts}


def _ranks(plan: LifecyclePlan, choice: Choice) -> str:
    if choice.found is not None:
        return choice.found.explain()
    return choice.reason if plan.transport == "auto" and choice.transport == "ssh" else ""


def _named(keys: list[str]) -> str:
    more = len(keys) - _MOST_NAMED
    return ", ".join(keys[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
