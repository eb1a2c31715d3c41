"""Hosts as tests write them, and as hypothesis makes them up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

from mpi_collector.errors import HostsError
from mpi_collector.transport.hosts import HostSpec, same_name

_labels = st.from_regex(r"[a-z_]([a-z0-9_-]{0,8}[a-z0-9_])?", fullmatch=True)
_names = st.lists(_labels, min_size=1, max_size=3).map(".".join)
_addresses = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str)
_slots = st.none() | st.integers(1, 9999)

#: lists of hosts without repetitions
host_lists = st.lists(
    st.builds(HostSpec, _names | _addresses, _slots),
    min_size=1,
    max_size=8,
    unique_by=lambda host: same_name(host.name),
)


def named(*pairs: str | tuple[str, int]) -> list[HostSpec]:
    """Return the hosts of these names, or (name, slots)."""
    return [HostSpec(p) if isinstance(p, str) else HostSpec(*p) for p in pairs]


def word(host: HostSpec) -> str:
    """Return a host as a user types it."""
    if host.slots is None:
        return host.name
    return f"[{host.name}]:{host.slots}" if ":" in host.name else f"{host.name}:{host.slots}"


def attempted(parse: Callable[[], list[HostSpec]]) -> tuple[list[HostSpec], list[str]]:
    """Return (hosts, problems), one of them empty; only HostsError is caught."""
    try:
        return parse(), []
    except HostsError as e:
        return [], e.problems


def written(tmp_path: Path, text: str | bytes) -> Path:
    """Return the path of a host file that holds ``text``."""
    path = tmp_path / "hosts"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path
