"""The identity of a host.

Names do not suffice: two hosts may have one name, and one host several.
"""

import os
import re
import socket
import struct
from collections import namedtuple

from ..knobs import file_system_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping, NamedTuple, TypedDict

    class Identity(TypedDict):
        """What identifies a host; None where the system hides it, from a container for instance."""

        hostname: str
        boot_id: "str | None"
        machine_id: "str | None"
        net_namespace: "int | None"
        addresses: "list[str]"

    class HostKey(NamedTuple):
        hostname: object
        boot_id: object
        machine_id: object
        net_namespace: object

else:
    HostKey = namedtuple("HostKey", "hostname boot_id machine_id net_namespace")

_SIOCGIFADDR = 0x8915  # include/uapi/linux/sockios.h
_MAX_FIB_CHARS = 4 << 20  # a router may have a million routes


def identity() -> "Identity":
    """Return the identity of this host."""
    return {
        "hostname": socket.gethostname(),
        "boot_id": boot_id(),
        "machine_id": _first_line("/etc/machine-id"),
        "net_namespace": _inode("/proc/self/ns/net"),
        "addresses": addresses(),
    }


def boot_id() -> "str | None":
    """Return what the kernel drew when it booted; containers of one machine have the same."""
    path = "proc/sys/kernel/random/boot_id"
    return _first_line(os.path.join(file_system_root(), path)) or _first_line("/" + path)


def same_host_key(who: "Mapping[str, object]") -> "HostKey":
    """Return a key that is equal for two processes if and only if they see the same host.

    who: an Identity, perhaps from a message. Processes in different network namespaces count as on
    different hosts.
    """
    return HostKey(who["hostname"], who["boot_id"], who["machine_id"], who["net_namespace"])


def claim_order(who: "Mapping[str, object]") -> "tuple[str, ...]":
    """Return a key by which whoever knows two hosts sorts them in the same order."""
    return tuple(map(str, same_host_key(who)))


def identity_text(who: "Mapping[str, object]") -> str:
    """Return an identity as one line: the words of ``same_host_key``, and the addresses."""
    found = who["addresses"]
    assert isinstance(found, list)
    return " ".join([str(part) for part in same_host_key(who)] + [",".join(found) or "-"])


def addresses() -> "list[str]":
    """Return the IPv4 and IPv6 addresses of this host's interfaces without loopback."""
    found = _addresses_of_routes() + _addresses_of_interfaces() + _ipv6_addresses()
    return [a for a in dict.fromkeys(found) if not a.startswith("127.") and a != "::1"]


def _addresses_of_routes() -> "list[str]":
    """Return all local IPv4 addresses by /proc/net/fib_trie, [] if it is hidden."""
    try:
        with open("/proc/net/fib_trie", encoding="ascii") as f:
            return re.findall(r"\|-- ([0-9.]+)\n +/32 host LOCAL\b", f.read(_MAX_FIB_CHARS))
    except OSError:
        return []


def _addresses_of_interfaces() -> "list[str]":
    """Return the first IPv4 address of each interface (netdevice(7))."""
    import fcntl

    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for _index, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(s.fileno(), _SIOCGIFADDR, request)
            except OSError:  # an interface without an IPv4 address
                continue
            found.append(socket.inet_ntoa(answer[20:24]))
    return found


def _ipv6_addresses() -> "list[str]":
    """Return the IPv6 addresses of all interfaces, [] if there is no IPv6."""
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as f:
            numbers = [line.split()[0] for line in f]
    except OSError:
        return []
    return [socket.inet_ntop(socket.AF_INET6, bytes.fromhex(number)) for number in numbers]


def _first_line(path: str) -> "str | None":
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.readline().strip() or None
    except OSError:  # hidden from containers, absent on small systems
        return None


def _inode(path: str) -> "int | None":
    try:
        return os.stat(path).st_ino
    except OSError:
        return None
