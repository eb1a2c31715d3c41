"""``another host``: hosts wait, idle, for one whose resource is full.

Jobs that meet at barriers run at the pace of their slowest host. The others show it: nothing of
theirs is full, while a minority of the hosts is at a limit in the same phase.
"""

from __future__ import annotations

from mpi_collector.formats.why_document import Claim, Evidence

#: causes that say that nothing of the host itself is full
WAITING = frozenset({"latency", "nothing on the hosts"})
MOST_CRITICAL = 0.5  #: share of the hosts; more of them are no minority that others wait for
_NAMED = 3


def claims(hosts: dict[str, list[Claim]]) -> list[Claim]:
    """Return a claim for each host that waits. ``hosts``: the claims on each, its limit first."""
    critical = [k for k, c in hosts.items() if c[0]["cause"] not in WAITING]
    waiting = [k for k in hosts if k not in critical]
    if not critical or not waiting or len(critical) > MOST_CRITICAL * len(hosts):
        return []
    first = max(critical, key=lambda k: hosts[k][0]["share_of_time"])
    return [_claim(hosts[k][0], hosts[first][0], critical) for k in waiting]


def _claim(own: Claim, limit: Claim, critical: list[str]) -> Claim:
    names = ", ".join(critical[:_NAMED])
    evidence: Evidence = {
        "text": f"waits for {names}, where {limit['cause']} is the limit",
        "figure": limit["for"][0]["figure"],
        "value": limit["for"][0]["value"],
        "unit": limit["for"][0]["unit"],
        "begin_ns": limit["begin_ns"],
        "end_ns": limit["end_ns"],
    }
    idle = own["cause"] == "nothing on the hosts"
    return {
        **own,
        "cause": "another host",
        "device": None,
        "confidence": "likely",
        "ceiling": None,
        "for": [evidence, *(own["for"] if idle else [])],
        "against": own["against"] if idle else own["for"],
    }
