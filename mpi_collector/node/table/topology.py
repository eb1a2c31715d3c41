"""What sysfs said of the devices of a host, those included that appeared while it was recorded."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


#: facts of a device that appeared, and was gone before sysfs could be asked
UNSEEN = {"unseen": True}
#: part of the topology -> (source of its devices, part of a snapshot)
_PARTS = {"block": ("diskstats", "block_topology"), "net": ("netdev", "net_topology")}


def topology_of(meta: "Mapping[str, Any]", part: str) -> "dict[str, Any]":
    """Return {device: facts} of ``block`` or ``net``; empty where none were recorded.

    Of a device that appeared during the run they are those of when its first sample was decoded,
    else those of the end; of one that was gone before sysfs could be asked ``UNSEEN``. ``meta``:
    the host's metadata.
    """
    source, in_snapshot = _PARTS[part]
    found = _dict(meta.get("topology")).get(part)
    known = _dict(found)
    if not known:
        return {}
    events = meta.get("events")
    appeared = {
        event["device"]: event.get("facts")
        for event in (events if isinstance(events, list) else [])
        if isinstance(event, dict)
        and event.get("type") == "device"
        and event.get("source") == source
        and isinstance(event.get("device"), str)
    }
    unseen = dict.fromkeys(appeared, UNSEEN)
    seen = {name: facts for name, facts in appeared.items() if isinstance(facts, dict)}
    at_end = _dict(_dict(meta.get("snapshot_end")).get(in_snapshot))
    return {**unseen, **at_end, **seen, **known}


def _dict(value: object) -> "dict[str, Any]":
    return value if isinstance(value, dict) else {}
