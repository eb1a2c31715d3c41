"""/proc/pressure: time lost waiting for CPU, I/O and memory (Documentation/accounting/psi.rst)."""

from ..row.layout import Field
from ..row.scan import IGNORE, LABEL, Cell, Scan, is_number, name_of
from .base import FileGroupSource

_RESOURCES = ("cpu", "io", "memory", "irq")


class Pressure(FileGroupSource):
    """A device is a resource. The averages are left out: they can be made from the totals."""

    name = "pressure"
    order = 10
    in_one_piece = True
    kernel_file = "/proc/pressure/*"
    doc = "time lost waiting for CPU, I/O, memory and interrupts (PSI)"
    budget_us = 10000
    since = "4.20"
    fields = (
        Field(
            "some_us", "us", "counter", "time in which at least one task waited for the resource"
        ),
        Field(
            "full_us",
            "us",
            "counter",
            "time in which all tasks that were not idle waited for it "
            "(cpu: since Linux 5.13; irq: since Linux 6.1)",
        ),
    )

    def files(self, root: str) -> "list[tuple[str, str]]":
        return [(resource, "proc/pressure/" + resource) for resource in _RESOURCES]

    def prepare(self, raw: bytes) -> bytes:
        return raw.replace(b"=", b" ")

    def scan(self, text: bytes) -> Scan:
        """Scan ``some avg10 0.00 ... total N`` lines below ``@RESOURCE`` lines."""
        scan = Scan()
        seen = set()
        resource = b""
        for line in text.split(b"\n"):
            tokens = line.split()
            if line[:1] == b"@":
                resource = line[1:]
                scan.add(LABEL, len(tokens))
                continue
            cell = (resource, tokens[0] if tokens else b"")
            if resource and cell not in seen and _has_total(tokens):
                seen.add(cell)
                scan.add(LABEL)
                scan.add(IGNORE, len(tokens) - 2)
                scan.add(Cell("", name_of(resource), name_of(tokens[0]) + "_us"))
            elif tokens:
                scan.reject(line, "no pressure")
        return scan

    def spare_slots(self, table: str, devices: int) -> int:
        return 0


def _has_total(tokens: "list[bytes]") -> bool:
    return len(tokens) >= 3 and tokens[-2] == b"total" and is_number(tokens[-1])
