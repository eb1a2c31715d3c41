"""Names of hosts and users: which are valid, and why a name is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from mpi_collector.errors import HostsError
from mpi_collector.terminal_text import quoted

_MAX_CHARS = 253
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,{_MAX_CHARS}}}\.?\Z)(?:{_LABEL}\.)*{_LABEL}\.?")
#: what a resolver would take for an IPv4 address
_NUMBERS = re.compile(r"(?:[0-9]+\.)*[0-9]+\.?")
#: name of an interface, after the % of an IPv6 address
_ZONE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
_USER = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.@-]{0,253}[A-Za-z0-9_.-])?\$?")


@dataclass(frozen=True)
class HostSpec:
    """A requested host.

    slots: number of ranks it may take, None if not given. is_local: whether it is this host;
    decided once for all hosts of a run, by ``resolve.mark_local``, since the resolver may be slow.
    user, port: of the ssh session to it, None if not given with the host.
    """

    name: str
    slots: int | None = None
    is_local: bool = False
    user: str | None = None
    port: int | None = None


def valid_host(name: str) -> bool:
    """Return whether ``name`` is a host name or an address, and so neither option nor shell text.

    Host names are those of RFC 1123, and may also have underscores.
    """
    if ":" in name:
        return is_ipv6(name)
    if _NUMBERS.fullmatch(name):
        return _is_ipv4(name)
    return _NAME.fullmatch(name) is not None


def valid_user(name: str) -> bool:
    """Return whether ``name`` is a plausible user name, and so neither option nor shell text."""
    return _USER.fullmatch(name) is not None


def checked(name: str) -> str:
    """Return ``name`` if it is valid. Raise HostsError, which says what is wrong, if not."""
    if valid_host(name):
        return name
    raise HostsError(_refusal(name))


def _refusal(name: str) -> str:
    text = quoted(name)
    if not name:
        return "an empty host name"
    if len(name) > _MAX_CHARS:
        limit = f"{len(name)} characters; {_MAX_CHARS} is the limit"
        return f"{text} is too long for a host name ({limit})"
    if name.isascii() and name.isdigit():
        return f"{text} is a number, not a host name; slots are written host:{name[:7]}"
    if name.count(":") > 1:
        return f"{text} is not an IPv6 address; with slots it is written [2001:db8::1]:4"
    return f"{text} is not a host name or address (letters, digits, dots, - and _ inside)"


def _is_ipv4(name: str) -> bool:
    try:
        IPv4Address(name)
    except AddressValueError:
        return False
    return True


def is_ipv6(name: str) -> bool:
    """Return whether ``name`` is an IPv6 address, with or without a zone."""
    address, percent, zone = name.partition("%")
    try:
        IPv6Address(address)
    except AddressValueError:
        return False
    return not percent or _ZONE.fullmatch(zone) is not None


def same_name(name: str) -> str:
    """Return a key that is equal for two spellings of a name.

    These differ in case, a dot at the end, or the way to write an IPv6 address.
    """
    if ":" in name:
        address, percent, zone = name.partition("%")
        return f"{IPv6Address(address)}{percent}{zone}"
    return name.lower().rstrip(".")
