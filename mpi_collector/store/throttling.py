"""Sources that exceeded their time budget and were therefore read less often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpi_collector.formats.ordinal import ordinal


def throttling_notes(meta: Mapping[str, Any]) -> list[str]:
    """Return a line per throttled source of a host: its mean cost and the lowest rate of reads.

    ``meta``: the host's metadata with the sampler's ``slowed`` events. Other events are ignored.
    """
    worst: dict[str, tuple[int, int]] = {}  # (every, cost_us) at the lowest rate
    for event in meta.get("events") or []:
        if event["type"] == "slowed":
            source = event["source"]
            found = (event["every"], event["cost_us"])
            worst[source] = max(worst.get(source, (0, 0)), found)
    return [
        f"{source}: throttled, since it exceeded its time budget (mean {cost_us / 1000:g} ms a "
        f"read); at worst read at every {ordinal(every)} tick"
        for source, (every, cost_us) in worst.items()
    ]
