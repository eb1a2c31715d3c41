"""Which rank leads which host, and under which name."""

from __future__ import annotations

from typing import Any

from mpi_collector.transport.ranks.election import elect


def identity(hostname: str, number: int) -> dict[str, Any]:
    return {
        "hostname": hostname,
        "boot_id": f"{number:036d}",
        "machine_id": f"{number:032d}",
        "net_namespace": number,
        "addresses": [f"10.0.0.{number}"],
    }


def test_the_lowest_rank_of_a_host_leads_it() -> None:
    """Five ranks on three hosts, two of which have one hostname; names as requested where known."""
    first, second, third = identity("node.site", 1), identity("node.site", 2), identity("other", 3)
    found = elect(
        {0: first, 1: second, 2: first, 3: third, 4: second},
        {"10.0.0.3": "by-address"},
    )
    assert {rank: host.key for rank, host in found.leaders.items()} == {
        0: "node.site",
        1: "node.site-2",
        3: "by-address",
    }
    assert found.followers == [2, 4]
    assert found.leaders[3].hostname == "other"
    assert elect({0: first}, {"node": "n1"}).leaders[0].key == "n1"
