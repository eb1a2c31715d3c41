"""From the tokens of a text to their roles: label, value of a column, or neither."""

from collections import namedtuple
from itertools import groupby

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import NamedTuple

LABEL = "label"  #: role of a token that stays the same while the shape of the text does
IGNORE = "ignore"  #: role of a token that may change and is not kept
IGNORED = ""  #: name of a value that is not kept

if TYPE_CHECKING:

    class Cell(NamedTuple):
        table: str
        device: str
        field: str

else:
    Cell = namedtuple("Cell", "table device field")

Cell.__doc__ = """Role of a token that is a value.

``table``: "" or a name; ``device``: "" in a table of scalars; ``field``: its name.
"""

_SHOWN = 80  #: bytes of a line that a problem quotes
_DIGITS = 20  #: of 64 bits, at most; int() refuses thousands of them


class Scan:
    """The result of a scan.

    ``roles``: LABEL, IGNORE or a Cell for every token of ``text.split()``, in order.
    ``problems``: what was wrong with the text, for people; empty when nothing was.
    """

    __slots__ = ("problems", "roles")

    def __init__(self) -> None:
        self.roles: "list[str | Cell]" = []
        self.problems: "list[str]" = []

    def add(self, role: "str | Cell", count: int = 1) -> None:
        """Give the next ``count`` tokens this role."""
        self.roles.extend([role] * count)

    def reject(self, line: bytes, problem: str) -> None:
        """Ignore all tokens of ``line``; the problem is "``problem`` LINE"."""
        self.problems.append("%s %r" % (problem, line[:_SHOWN]))
        self.add(IGNORE, len(line.split()))


def is_number(token: bytes) -> bool:
    """Return whether ``token`` is an integer as the kernel prints it: digits, perhaps a minus.

    bytes.isdigit() alone is ASCII only. int() would take more: underscores, blanks, a plus.
    """
    return len(token) <= _DIGITS and (
        token.isdigit() or (token[:1] == b"-" and token[1:].isdigit())
    )


def name_of(token: bytes) -> str:
    """Return a device or key as text, whatever bytes the kernel printed."""
    return token.decode("utf-8", "backslashreplace")


def unique(name: str, seen: "set[str]") -> str:
    """Return ``name``, or ``name#2``, ``name#3`` where the text itself repeats it."""
    out = name
    n = 1
    while out in seen:
        n += 1
        out = "%s#%d" % (name, n)
    seen.add(out)
    return out


def scan_keyed(lines: "Iterable[bytes]") -> Scan:
    """Scan lines of ``key value [unit]``: the key, without its colon, is the field of a scalar."""
    scan = Scan()
    seen: "set[str]" = set()
    for line in lines:
        tokens = line.split()
        if not tokens:
            continue
        scan.add(LABEL)
        if len(tokens) < 2 or not is_number(tokens[1]):
            scan.problems.append("no number in %r" % line[:_SHOWN])
            scan.add(IGNORE, len(tokens) - 1)
            continue
        key = tokens[0][:-1] if tokens[0].endswith(b":") else tokens[0]
        scan.add(Cell("", "", unique(name_of(key), seen)))
        scan.add(LABEL, len(tokens) - 2)
    return scan


def scan_table(
    lines: "Iterable[bytes]",
    first_value: int,
    device_at: int,
    names_for: "Callable[[int], Sequence[str] | None]",
    scan: "Scan | None" = None,
) -> Scan:
    """Scan lines of ``label ... value value ...``, one device each, behind what ``scan`` has.

    The device is token ``device_at``, the values begin at token ``first_value``. ``names_for(n)``
    names the values of a line that has n of them, in order; None: such a line is cut or malformed.
    Values beyond the names become ``field_N``; those with the name IGNORED are not kept. A value
    that is no number is a problem; the rest of its line is kept.
    """
    scan = scan or Scan()
    seen: "set[str]" = set()
    for line in lines:
        tokens = line.split()
        if not tokens:
            continue
        values = len(tokens) - first_value
        names = names_for(values) if values > 0 else None
        if names is None:
            scan.problems.append("short line %r" % line[:_SHOWN])
            scan.add(LABEL, min(first_value, len(tokens)))
            scan.add(IGNORE, max(values, 0))
            continue
        device = unique(name_of(tokens[device_at]), seen)
        scan.add(LABEL, first_value)
        for i, token in enumerate(tokens[first_value:]):
            name = names[i] if i < len(names) else "field_%d" % (i + 1)
            if name == IGNORED:
                scan.add(IGNORE)
            elif is_number(token):
                scan.add(Cell("", device, name))
            else:
                scan.problems.append("no number %r in %r" % (token[:20], line[:_SHOWN]))
                scan.add(IGNORE)
    return scan


def scan_cells(
    lines: "Iterable[bytes]", table_of: "Callable[[bytes], str]" = lambda line: ""
) -> Scan:
    """Scan lines of ``device field value``, as the sources make them from several files.

    ``table_of`` names the table of a line. A cell that the lines of one table repeat is a problem.
    """
    scan = Scan()
    for table, group in groupby(lines, table_of):
        seen = set()
        for line in group:
            tokens = line.split()
            if len(tokens) == 3 and is_number(tokens[2]) and (tokens[0], tokens[1]) not in seen:
                seen.add((tokens[0], tokens[1]))
                scan.add(LABEL, 2)
                scan.add(Cell(table, name_of(tokens[0]), name_of(tokens[1])))
            elif tokens:
                scan.reject(line, "no cell")
    return scan
