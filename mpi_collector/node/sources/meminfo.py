"""/proc/meminfo: memory by use (Documentation/filesystems/proc.rst, proc(5)); every key the kernel prints."""

from ..row.layout import Field
from .base import Source, scan_keyed


class Meminfo(Source):
    """Numbers as printed: kB, except the ``HugePages_*`` counts."""

    name = "meminfo"
    order = 5
    path = "proc/meminfo"
    doc = "memory by use, page cache, dirty pages, huge pages"

    def field(self, table: str, name: str) -> "Field":
        unit = "pages" if name.startswith("HugePages_") else "kB"
        return Field(name, unit, "gauge", "/proc/meminfo")

    def scan(self, text: bytes) -> tuple:
        roles: list = []
        problems: list = []
        scan_keyed(text.split(b"\n"), roles, problems)
        return roles, problems
