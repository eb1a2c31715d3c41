"""Several names of one host, and one name of several hosts: the key of each in the files."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, TypeVar

_Name = TypeVar("_Name", bound=Hashable)


def find_aliases(hosts: Iterable[tuple[_Name, Hashable]]) -> dict[_Name, _Name]:
    """Return {further name of a host: its first name}.

    hosts: (name, identity) in order; two names are of one host if their identities are equal
    (``node.host.identity.same_host_key``). A name is whatever the caller counts by: a requested
    name, or a rank.
    """
    first: dict[Hashable, _Name] = {}
    aliases = {}
    for name, identity in hosts:
        known = first.setdefault(identity, name)
        if known != name:
            aliases[name] = known
    return aliases


def unique_keys(names: Iterable[str]) -> list[str]:
    """Return the names in order, with ``-2``, ``-3`` ... added to those that occurred before."""
    taken: set[str] = set()
    keys = []
    for name in names:
        key = name
        number = 1
        while key in taken:
            number += 1
            key = f"{name}-{number}"
        taken.add(key)
        keys.append(key)
    return keys


def requested_name(identity: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return the name by which a host was requested, else its own.

    names: {any name or address of a host: its requested name}. Addresses decide where they are
    known: hosts ``w.1.site`` and ``w.2.site`` may both call themselves ``w``.
    """
    own = str(identity["hostname"])
    by_address = [names[address] for address in identity["addresses"] if address in names]
    by_name = [names[name] for name in (own, own.partition(".")[0]) if name in names]
    both = [name for name in by_name if name in by_address]
    return (both or by_address or by_name or [own])[0]
