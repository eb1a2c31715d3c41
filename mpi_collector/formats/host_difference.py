"""A host of ``*_cluster_info.json`` at the end of a run, by what was different at the start.

It has its name and the parts that differ; ``parts_gone`` lists those that it does not have then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from mpi_collector.formats.cluster_info import HostInformation


def differing_parts(start: HostInformation, end: HostInformation) -> HostInformation:
    """Return the parts of a host that are not as they were at the start."""
    before: Mapping[str, Any] = start
    after: Mapping[str, Any] = end
    parts = {k: v for k, v in after.items() if k not in before or before[k] != v}
    gone = [k for k in before if k not in after]
    found = {"hostname": end["hostname"], **parts, **({"parts_gone": gone} if gone else {})}
    return cast(HostInformation, found)


def whole_host(start: Mapping[str, Any], end: Mapping[str, Any]) -> HostInformation:
    """Return the host at the end, of which ``end`` has the ``differing_parts``."""
    gone = end.get("parts_gone", [])
    kept = {k: v for k, v in start.items() if k not in gone}
    return cast(HostInformation, {**kept, **{k: v for k, v in end.items() if k != "parts_gone"}})
