"""Who a host is: names do not suffice, since two hosts may carry one name and one host several."""

import os
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SIOCGIFADDR = 0x8915


def _line(path):
    # type: (str) -> Any
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.readline().strip() or None
    except OSError:  # hidden from containers, absent on small systems
        return None


def _inode(path):
    # type: (str) -> Any
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


def addresses():
    # type: () -> list
    """IPv4 and IPv6 addresses of this host's interfaces, loopback left out (netdevice(7), /proc/net/if_inet6)."""
    import fcntl

    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for _index, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(s.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:  # an interface without an IPv4 address
                continue
            found.append(socket.inet_ntoa(answer[20:24]))
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as f:
            found += [socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line.split()[0])) for line in f]
    except OSError:  # no IPv6
        pass
    return [a for a in found if not a.startswith("127.") and a != "::1"]


def identity():
    # type: () -> dict
    """Names, boot id, machine id, network namespace and addresses of this host; None where the system hides it."""
    return {
        "hostname": socket.gethostname(),
        "boot_id": _line("/proc/sys/kernel/random/boot_id"),
        "machine_id": _line("/etc/machine-id"),
        "net_namespace": _inode("/proc/self/ns/net"),
        "addresses": addresses(),
    }


def check_host(spool_dir):
    # type: (str) -> dict
    """Is this host fit to be recorded: room on the spool's file system in bytes, and what may wipe it (``hazards``)."""
    doc = {"free_bytes": None, "file_system": None, "hazards": []}  # type: dict
    try:
        room = os.statvfs(spool_dir)
        doc["free_bytes"] = room.f_bavail * room.f_frsize
    except OSError as e:
        doc["hazards"].append("%s: %s" % (spool_dir, e.strerror))
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as f:
            mounts = [line.split()[1:3] for line in f if line.count(" ") > 2]
        inside = [m for m in mounts if (spool_dir + "/").startswith(m[0].rstrip("/") + "/")]
        doc["file_system"] = max(inside, key=lambda m: len(m[0]))[1] if inside else None
    except OSError:  # hidden from this process
        pass
    if doc["file_system"] not in (None, "tmpfs", "ramfs"):
        doc["hazards"].append("%s is %s, not memory: writing to it may disturb the job" % (spool_dir, doc["file_system"]))
    if _remove_ipc() and os.getuid() >= 1000:
        doc["hazards"].append("RemoveIPC=yes: /dev/shm is wiped when the last session of this user ends")
    if os.environ.get("SLURM_JOB_ID") and spool_dir.startswith("/dev/shm") and _private_shm():
        doc["hazards"].append("the scheduler gave this job a /dev/shm of its own, which goes away with the job")
    return doc


def _remove_ipc():
    # type: () -> bool
    """systemd-logind wipes a user's shared memory at logout unless told not to (logind.conf(5))."""
    if not os.path.isdir("/run/systemd/seats"):
        return False  # no logind here
    setting = "yes"
    for path in ("/usr/lib/systemd/logind.conf", "/etc/systemd/logind.conf"):
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                for line in f:
                    name, _, value = line.strip().partition("=")
                    setting = value.strip().lower() if name == "RemoveIPC" else setting
        except OSError:
            continue
    return setting in ("yes", "true", "on", "1")


def _private_shm():
    # type: () -> bool
    try:
        return os.stat("/proc/self/ns/mnt").st_ino != os.stat("/proc/1/ns/mnt").st_ino
    except OSError:  # not ours to see: assume the usual
        return False


def same_host_key(who):
    # type: (dict) -> tuple
    """Equal for two processes exactly when they see the same host, as far as that can be known from inside."""
    return (who["hostname"], who["boot_id"], who["machine_id"], who["net_namespace"])


def unique_keys(names):
    # type: (list) -> list
    """The names in order, with ``-2``, ``-3`` ... behind those that were there before."""
    taken = set()  # type: set
    keys = []
    for name in names:
        key, n = name, 1
        while key in taken:
            n += 1
            key = "%s-%d" % (name, n)
        taken.add(key)
        keys.append(key)
    return keys
