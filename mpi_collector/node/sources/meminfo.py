"""/proc/meminfo: memory by use, every key (Documentation/filesystems/proc.rst, proc(5))."""

from ..row.layout import Field
from .base import KernelFileSource

_DOC = {
    "MemTotal": "usable memory",
    "MemFree": "memory that is not used at all",
    "MemAvailable": "estimate of what new programs can use without swapping; since Linux 3.14",
    "Buffers": "page cache of block devices (metadata of file systems)",
    "Cached": "page cache of files, tmpfs and shared memory included",
    "Dirty": "page cache that is waiting to be written to storage",
    "Writeback": "page cache that is being written to storage",
    "AnonPages": "anonymous memory that is mapped",
    "Mapped": "files that are mapped",
    "Shmem": "tmpfs and shared memory; since Linux 2.6.32",
    "Slab": "data structures of the kernel",
    "SReclaimable": "part of Slab that can be freed, such as caches of inodes",
    "SUnreclaim": "part of Slab that cannot be freed",
    "SwapTotal": "swap space",
    "SwapFree": "swap space that is free",
    "Committed_AS": "memory that all processes have asked for",
    "NFS_Unstable": "NFS pages written but not committed; always 0 since Linux 5.8",
    "HugePages_Total": "pages in the pool of huge pages",
    "HugePages_Free": "huge pages of the pool that are free",
}


class Meminfo(KernelFileSource):
    """Numbers as printed: kB (1024 bytes), except the ``HugePages_*`` counts."""

    name = "meminfo"
    order = 5
    path = "proc/meminfo"
    doc = "memory by use, page cache, dirty pages, huge pages"

    def field(self, table: str, name: str) -> Field:
        unit = "pages" if name.startswith("HugePages_") else "kB"
        return Field(name, unit, "gauge", _DOC.get(name, "/proc/meminfo"))
