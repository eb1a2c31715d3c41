"""Which rank samples which host, and under which key the host is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mpi_collector.node.forms import file_name_of
from mpi_collector.node.host.identity import same_host_key
from mpi_collector.transport.base import HostState
from mpi_collector.transport.hosts import find_aliases, requested_name, unique_keys


@dataclass
class Election:
    """``leaders``: {rank: its host}; ``followers``: ranks whose host has another leader."""

    leaders: dict[int, HostState] = field(default_factory=dict)
    followers: list[int] = field(default_factory=list)


def elect(identities: Mapping[int, dict[str, Any]], names: Mapping[str, str]) -> Election:
    """Make the lowest rank of every host its leader.

    ``identities``: {rank: identity}; ``names``: see ``requested_name``.
    """
    ranks = sorted(identities)
    aliases = find_aliases((rank, same_host_key(identities[rank])) for rank in ranks)
    ranks = [rank for rank in ranks if rank not in aliases]
    keys = unique_keys([file_name_of(requested_name(identities[r], names)) for r in ranks])
    leaders = {
        r: HostState(key, identities[r]["hostname"], identities[r]) for r, key in zip(ranks, keys)
    }
    return Election(leaders, [r for r in identities if r not in leaders])


def refused(odd: Mapping[int, Mapping[str, Any]], election: Election) -> dict[int, HostState]:
    """Return {rank: its host} of ranks whose hello was none, and nothing is known of their hosts.

    ``odd``: {rank: what it sent}. One that reports its failure will answer in the end.
    """
    taken = [host.key for host in election.leaders.values()]
    keys = unique_keys([*taken, *(f"rank-{rank}" for rank in odd)])[len(taken) :]
    return {
        rank: HostState(key, key, {}, error=sent["error"], gone="event" not in sent)
        for key, (rank, sent) in zip(keys, odd.items())
    }
