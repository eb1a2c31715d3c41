"""What sources told while they were read: a GPU that gives an error, one that answers again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def source_notices(meta: Mapping[str, Any]) -> list[str]:
    """Return a line per notice of a host's sources, each once.

    ``meta``: the host's metadata with the sampler's ``notice`` events. Other events are ignored.
    """
    events = meta.get("events")
    found = [
        f"{event.get('source')}: {event.get('text')}"
        for event in (events if isinstance(events, list) else [])
        if isinstance(event, dict) and event.get("type") == "notice"
    ]
    return list(dict.fromkeys(found))
