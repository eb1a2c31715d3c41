"""What a host and a user may be called, and what is wrong with a name that is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from mpi_collector.errors import HostsError
from mpi_collector.terminal_text import quoted

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\.?\Z)(?:{_LABEL}\.)*{_LABEL}\.?")
_NUMBERS = re.compile(r"(?:[0-9]+\.)*[0-9]+\.?")  #: what the resolver would read as an IPv4 address
_ZONE = re.compile(
    r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}"
)  #: an interface's name, behind % in an IPv6 address
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,254}\$?")


@dataclass(frozen=True)
class HostSpec:
    """A requested host.

    slots: number of ranks it may take, None if not given. is_local: whether it is this host;
    decided once for all hosts of a run, by ``resolve.mark_local``, since the resolver may be slow.
    """

    name: str
    slots: int | None = None
    is_local: bool = False


def valid_host(name: str) -> bool:
    """True for a host name (RFC 1123, underscore tolerated) or an address: neither an option nor shell text."""
    if ":" in name:
        return is_ipv6(name)
    if _NUMBERS.fullmatch(name):
        return _is_ipv4(name)
    return _NAME.fullmatch(name) is not None


def valid_user(name: str) -> bool:
    """True for a user name that can be neither an option nor shell text."""
    return _USER.fullmatch(name) is not None


def checked(name: str) -> str:
    """``name`` if ``valid_host`` says so. HostsError otherwise, with what is wrong with it."""
    if valid_host(name):
        return name
    raise HostsError(_refusal(name))


def _refusal(name: str) -> str:
    text = quoted(name)
    if not name:
        return "an empty host name"
    if len(name) > 253:
        return f"{text} is too long for a host name ({len(name)} characters; 253 is the limit)"
    if name.isascii() and name.isdigit():
        return f"{text} is a number, no host name; slots are written host:{name[:7]}"
    if "@" in name:
        return f"{text} is no host name; a user name goes into --ssh-username or ssh's own configuration"
    if name.count(":") > 1:
        return f"{text} is no IPv6 address; with slots it is written [2001:db8::1]:4"
    return f"{text} is no host name or address (letters, digits, dots, - and _ inside)"


def _is_ipv4(name: str) -> bool:
    try:
        IPv4Address(name)
    except AddressValueError:
        return False
    return True


def is_ipv6(name: str) -> bool:
    """True for an IPv6 address, with a zone or without."""
    address, percent, zone = name.partition("%")
    try:
        IPv6Address(address)
    except AddressValueError:
        return False
    return not percent or _ZONE.fullmatch(zone) is not None


def same_name(name: str) -> str:
    """Equal for two spellings of one name: case, a dot at the end, ways to write an IPv6 address."""
    if ":" in name:
        address, percent, zone = name.partition("%")
        return f"{IPv6Address(address)}{percent}{zone}"
    return name.lower().rstrip(".")
