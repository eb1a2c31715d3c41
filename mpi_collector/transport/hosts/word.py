"""One word that names hosts: node1, bob@node1:4, [2001:db8::1]:4 or node[01-16]."""

from __future__ import annotations

import re
from typing import NamedTuple

from mpi_collector.errors import HostsError
from mpi_collector.terminal_text import quoted
from mpi_collector.transport.hosts.names import HostSpec, checked, is_ipv6, valid_user

MAX_HOSTS = 65536
_MAX_SLOTS = 10_000_000
_MAX_PORT = 65535

_RANGE = r"[0-9]{1,9}(?:-[0-9]{1,9}(?:/[1-9][0-9]{0,4})?)?"
#: host:slots:adapter of MVAPICH2
_WITH_ADAPTER = re.compile(r"([^:]+:[0-9]{1,9}):[A-Za-z]\w{0,31}")
_NODE_SET = re.compile(rf"(?:[A-Za-z0-9._-]|\[{_RANGE}(?:,{_RANGE})*\])+")


class _Parts(NamedTuple):
    """A name or a node set, and the slots of each of its hosts, None if not given."""

    name: str
    slots: int | None


def expand_word(word: str) -> list[HostSpec]:
    """Return the hosts that ``word`` names. Raise HostsError if it is malformed."""
    user, at, rest = word.rpartition("@")
    if at:
        parse_user(user, word)
    name, slots = _split(rest)
    names = _expand_node_set(name) if "[" in name or "]" in name else [name]
    return [HostSpec(checked(node), slots, user=user if at else None) for node in names]


def _split(word: str) -> _Parts:
    if not is_ipv6(word) and (with_adapter := _WITH_ADAPTER.fullmatch(word)):
        word = with_adapter[1]
    bracketed = re.fullmatch(r"\[([^\]]*:[^\]]*)\](?::(.*))?", word, re.DOTALL)
    if bracketed:
        address, slots = bracketed.groups()
        if not is_ipv6(address):
            raise HostsError(f"{quoted(word)}: not an IPv6 address in the brackets")
        return _Parts(address, None if slots is None else parse_slots(slots, word))
    if word.count(":") == 1:
        name, _, slots = word.partition(":")
        return _Parts(name, parse_slots(slots, word))
    return _Parts(word, None)


def parse_slots(text: str, where: str) -> int:
    """Return a number of slots. Raise HostsError, which quotes ``where``, if ``text`` is none."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 0 < int(text) <= _MAX_SLOTS:
        raise HostsError(
            f"{quoted(where)}: slots are a number from 1 to {_MAX_SLOTS:,}, not {quoted(text)}"
        )
    return int(text)


def parse_port(text: str, where: str) -> int:
    """Return a port of ssh. Raise HostsError, which quotes ``where``, if ``text`` is none."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) <= _MAX_PORT:
        raise HostsError(
            f"{quoted(where)}: a port is a number from 1 to {_MAX_PORT}, not {quoted(text)}"
        )
    return int(text)


def parse_user(text: str, where: str) -> str:
    """Return a user name. Raise HostsError, which quotes ``where``, if ``text`` is none."""
    if not valid_user(text):
        raise HostsError(f"{quoted(where)}: {quoted(text)} is not a user name")
    return text


def _expand_node_set(text: str) -> list[str]:
    if not _NODE_SET.fullmatch(text):
        raise HostsError(
            f"{quoted(text)} is not a node set; write node[01-16] or node[1,4-9], for example"
        )
    count = _count_nodes(text)
    if count > MAX_HOSTS:  # before so many names are made
        raise HostsError(f"{quoted(text)} names {count:,} hosts; {MAX_HOSTS:,} is the limit")
    try:
        from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException
    except ImportError as e:
        raise HostsError(
            f"{quoted(text)} is a node set, which needs ClusterShell (pip install ClusterShell)"
        ) from e
    try:
        return [str(node) for node in NodeSet(text, resolver=RESOLVER_NOGROUP)]
    except NodeSetException as e:
        raise HostsError(f"{quoted(text)}: {quoted(str(e))[1:-1]}") from e


def _count_nodes(text: str) -> int:
    """Return how many hosts a node set names; an upper bound if its ranges overlap."""
    product = 1
    for ranges in re.findall(r"\[([^\]]*)\]", text):
        total = 0
        for first, last, step in re.findall(r"([0-9]+)-?([0-9]*)/?([0-9]*)", ranges):
            total += (int(last or first) - int(first)) // int(step or 1) + 1
        product *= max(total, 1)
    return product
