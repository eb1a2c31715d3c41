"""Who a host is: names do not suffice, since two hosts may carry one name and one host several."""

import os
import re
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SIOCGIFADDR = 0x8915
_TABLE_MOST = 4 << 20  #: a router has a million routes


def _line(path: str) -> "Any":
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.readline().strip() or None
    except OSError:  # hidden from containers, absent on small systems
        return None


def _inode(path: str) -> "Any":
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


def addresses() -> list:
    """IPv4 and IPv6 addresses of this host's interfaces, loopback left out (netdevice(7), /proc/net/fib_trie, if_inet6)."""
    import fcntl

    found = _secondary()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for _index, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(
                    s.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15])
                )
            except OSError:  # an interface without an IPv4 address
                continue
            found.append(socket.inet_ntoa(answer[20:24]))
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as f:
            found += [
                socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line.split()[0])) for line in f
            ]
    except OSError:  # no IPv6
        pass
    return [a for a in dict.fromkeys(found) if not a.startswith("127.") and a != "::1"]


def _secondary() -> list:
    """IPv4 addresses by the routing table: an interface has many, of which the ioctl tells the first."""
    try:
        with open("/proc/net/fib_trie", encoding="ascii") as f:
            return re.findall(r"\|-- ([0-9.]+)\n +/32 host LOCAL\b", f.read(_TABLE_MOST))
    except OSError:
        return []


def identity() -> dict:
    """Names, boot id, machine id, network namespace and addresses of this host; None where the system hides it."""
    return {
        "hostname": socket.gethostname(),
        "boot_id": _line("/proc/sys/kernel/random/boot_id"),
        "machine_id": _line("/etc/machine-id"),
        "net_namespace": _inode("/proc/self/ns/net"),
        "addresses": addresses(),
    }


def same_host_key(who: dict) -> tuple:
    """Equal for two processes exactly when they see the same host, as far as that can be known from inside."""
    return (who["hostname"], who["boot_id"], who["machine_id"], who["net_namespace"])
