"""/proc/pressure: how long tasks waited for CPU, I/O and memory (Documentation/accounting/psi.rst)."""

from ..row.layout import IGNORE, LABEL, Cell, Field
from .base import Source, is_number, name_of

_RESOURCES = ("cpu", "io", "memory", "irq")
_DOC = {"some": "time in which at least one task waited for it",
        "full": "time in which all that were not idle waited for it (cpu: Linux 5.13, irq: Linux 6.1)"}  # fmt: skip


class Pressure(Source):
    name = "pressure"
    order = 10
    kernel_file = "/proc/pressure/*"
    doc = "time lost waiting for CPU, I/O, memory and interrupts (PSI)"
    several = True
    budget_us = 10000
    since = "4.20"
    fields = tuple(
        Field(k + "_us", "us", "counter", v) for k, v in sorted(_DOC.items(), reverse=True)
    )

    def files(self, root: str) -> list:
        return [(r, "proc/pressure/" + r) for r in _RESOURCES]

    def prepare(self, raw: bytes) -> bytes:
        return raw.replace(b"=", b" ")

    def scan(self, text: bytes) -> tuple:
        return scan_pressure(text)

    def spare_slots(self, table: str, devices: int) -> int:
        return 0


def scan_pressure(text: bytes) -> tuple:
    """Roles of ``some avg10 0.00 ... total N`` lines below ``@RESOURCE`` lines; the averages can be made from the totals."""
    roles: list = []
    problems: list = []
    seen: set = set()
    resource = b""
    for line in text.split(b"\n"):
        tokens = line.split()
        if line[:1] == b"@":
            resource = line[1:]
            roles.extend([LABEL] * len(tokens))
            continue
        cell = (resource, tokens[0] if tokens else b"")
        if (
            len(tokens) >= 3
            and tokens[-2] == b"total"
            and is_number(tokens[-1])
            and resource
            and cell not in seen
        ):
            seen.add(cell)
            roles.extend([LABEL] + [IGNORE] * (len(tokens) - 2))
            roles.append(Cell("", name_of(resource), name_of(tokens[0]) + "_us"))
        elif tokens:
            problems.append("no pressure %r" % line[:80])
            roles.extend([IGNORE] * len(tokens))
    return roles, problems
