"""How much memory this process may still take."""

from .snapshot.cgroup import memory_left_bytes
from .snapshot.files import HostFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional


def available_bytes(root: str = "/") -> "Optional[int]":
    """Return the bytes that this process can allocate without an end by the OOM killer.

    It is the smaller of the machine's MemAvailable and of what its memory cgroups leave (v1 and v2,
    nested ones included); None where neither is known. ``root``: root directory that is read.
    """
    return available(root)[0]


def available(root: str = "/") -> "tuple[Optional[int], str]":
    """Return (as ``available_bytes``, where that many bytes are free: words for a message)."""
    files = HostFiles(root)
    machine, cgroup = _machine_bytes(files), memory_left_bytes(files)
    if cgroup is not None and (machine is None or cgroup < machine):
        return cgroup, "the memory cgroup of this process"
    return machine, "this host's memory"


def _machine_bytes(files: HostFiles) -> "Optional[int]":
    """Return MemAvailable of /proc/meminfo, MemFree where the kernel does not estimate it."""
    found = {}
    for line in files.text("proc/meminfo").split("\n"):
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            found[name] = int(words[0]) * 1024
    return found.get("MemAvailable", found.get("MemFree"))
