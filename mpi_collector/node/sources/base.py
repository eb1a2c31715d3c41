"""TODO"""

from ..row.layout import IGNORE, LABEL, Cell, Field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


class Source:
    """One kernel file. Subclasses set the class attributes and ``scan``; most need nothing else."""

    name = ""  #: first part of the column names
    path = ""  #: under the root of the file system, without a leading slash
    doc = ""  #: one line for people
    record_max = 0
    """Longest record in bytes of a file that the kernel hands out record by record (seq_file): a read that ends closer
    than this to a page's end may have more behind it. 0: the kernel formats the file in one piece (single_open)."""
    fields: tuple = ()  #: Field tuples known by name
    fixed_width = True  #: the same number of tokens in every sample of one shape
    lists_devices = False  #: has its table of devices even when none is there at the start
    may_be_empty = False  #: a text without tokens says that there are no devices
    several = (
        False  #: ``files`` says which; their text is one, with a line ``@LABEL`` before each file's
    )
    makes_its_text = False  #: ``reader`` gives what makes it
    relist_every = 0  #: reads after which ``files`` is asked again
    every = 1  #: read at every so many ticks; a power of two
    budget_us = (
        0  #: what a read may take on average before it is done half as often; 0: whatever it takes
    )
    may_block = False  #: opened and read in a thread of its own
    start_s = (
        3.0  #: what may block is opened and read for the first time within this, or is not there
    )
    order = 50  #: sources are read in this order: what changes fastest and matters most first; what may block comes last of all
    default = True  #: is in the group default
    privileged = False  #: needs rights that users rarely have
    since = ""  #: Linux version
    option_doc = ""  #: lines ``name:OPTION  meaning`` for people, where ``choose`` takes one
    kernel_file = ""  #: for the documentation, where ``path`` does not say it

    def prepare(self, raw: bytes) -> bytes:
        """The text to split; a hook for files whose tokens are glued together."""
        return raw

    def choose(self, text: str) -> None:
        """What ``name:text`` means. ValueError, with the name in it, when it means nothing."""
        raise NotImplementedError

    def files(self, root: str) -> list:
        """(label without blanks, path below root) of every file there is now."""
        raise NotImplementedError

    def reader(self, root: str) -> "Any":
        """An object with ``read() -> bytes`` and ``close()``. OSError when there is nothing to read."""
        raise NotImplementedError

    def scan(self, text: bytes) -> tuple:
        """(roles, problems): for every token of ``text.split()`` LABEL, IGNORE or a Cell; what was wrong, for people."""
        raise NotImplementedError

    def field(self, table: str, name: str) -> "Field":
        """The declaration of a field, also of one that this version does not know yet."""
        for f in self.fields:
            if f.name == name:
                return f  # type: ignore[no-any-return]
        return Field(name, "", "gauge", "not known to this version")

    def spare_slots(self, table: str, devices: int) -> int:
        """How many devices may appear later."""
        return max(4, devices // 4)


def is_number(token: bytes) -> bool:
    """True for what int() takes and the kernel prints: digits, perhaps after a minus. isdigit() alone is ASCII on bytes.

    64 bits have 20 digits at most; int() refuses thousands of them.
    """
    return len(token) <= 20 and (token.isdigit() or (token[:1] == b"-" and token[1:].isdigit()))


def name_of(token: bytes) -> str:
    """A device or key as text, whatever bytes the kernel printed."""
    return token.decode("utf-8", "backslashreplace")


def unique(name: str, seen: set) -> str:
    """``name``, or ``name#2`` where the file itself repeats it."""
    out, n = name, 1
    while out in seen:
        n += 1
        out = "%s#%d" % (name, n)
    seen.add(out)
    return out


def scan_table(
    lines: list,
    first_value: int,
    device_at: int,
    names_for: "Callable",
    roles: list,
    problems: list,
) -> None:
    """Lines of ``labels... value value ...``, one device each, appended to ``roles``.

    ``names_for(n)`` names the values of a line that has n of them, in order; None: such a line is cut or malformed. A
    kernel that prints more than there are names for gets ``field_N``. A value that is no number is reported, the rest of
    its line is kept.
    """
    seen: set = set()
    for line in lines:
        tokens = line.split()
        if not tokens:
            continue
        values = len(tokens) - first_value
        field_names = names_for(values) if values > 0 else None
        if field_names is None:
            problems.append("short line %r" % line[:80])
            roles.extend([LABEL if i < first_value else IGNORE for i in range(len(tokens))])
            continue
        device = unique(name_of(tokens[device_at]), seen)
        roles.extend([LABEL] * first_value)
        for i, token in enumerate(tokens[first_value:]):
            if is_number(token):
                name = field_names[i] if i < len(field_names) else "field_%d" % (i + 1)
                roles.append(Cell("", device, name))
            else:
                problems.append("no number %r in %r" % (token[:20], line[:80]))
                roles.append(IGNORE)


def scan_cells(lines: list, roles: list, problems: list, table: str = "") -> None:
    """Lines of ``device field value``, as a source's ``prepare`` makes them."""
    seen: set = set()
    for line in lines:
        tokens = line.split()
        if len(tokens) == 3 and is_number(tokens[2]) and (tokens[0], tokens[1]) not in seen:
            seen.add((tokens[0], tokens[1]))
            roles.extend([LABEL, LABEL, Cell(table, name_of(tokens[0]), name_of(tokens[1]))])
        elif tokens:
            problems.append("no cell %r" % line[:80])
            roles.extend([IGNORE] * len(tokens))


def labelled(text: bytes) -> list:
    """[(label, [lines])] of the text of several files."""
    out: list = []
    for line in text.split(b"\n"):
        if line[:1] == b"@":
            out.append((line[1:], []))
        elif out and line:
            out[-1][1].append(line)
    return out


def scan_keyed(lines: list, roles: list, problems: list) -> None:
    """Lines of ``key value [unit]``: the key (a trailing colon removed) names the field of a scalar."""
    seen: set = set()
    for line in lines:
        tokens = line.split()
        if not tokens:
            continue
        roles.append(LABEL)
        if len(tokens) < 2 or not is_number(tokens[1]):
            problems.append("no number in %r" % line[:80])
            roles.extend([IGNORE] * (len(tokens) - 1))
            continue
        key = tokens[0][:-1] if tokens[0].endswith(b":") else tokens[0]
        roles.append(Cell("", "", unique(name_of(key), seen)))
        roles.extend([LABEL] * (len(tokens) - 2))
