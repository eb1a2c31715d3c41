"""What a source is: three kinds of them on a small common base.

* ``KernelFileSource``: one kernel file, stored as it is;
* ``FileGroupSource``: several kernel files, stored as one text;
* ``ReaderSource``: a text that a reader of the source's own makes.

docs/adding-a-source.md adds one step by step.
"""

from ..read.file_group import FileGroup
from ..read.kernel_file import KernelFile
from ..read.reader import Reader, ReaderFile
from ..row.layout import DEVICES, Field
from ..row.scan import Scan, is_number, scan_cells, scan_keyed, scan_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..read.readable import Readable


class Source:
    """One source of metrics: its name, its columns, and how its text is read and scanned.

    A source is used in four steps: ``open`` once on a node; then for every text of it ``prepare``
    and ``scan``, which say what its tokens are; ``field`` and ``spare_slots`` when the columns are
    declared from the first text (node/row/decode.py). Texts are stored as they are read and decoded
    later: ``prepare`` and ``scan`` get nothing but the text.
    """

    # ---- for people, and which groups it is in
    name = ""  #: first part of the column names; a class without one is no source
    doc = ""  #: one line
    kernel_file = ""  #: where it is read, for the documentation; a KernelFileSource needs none
    since = ""  #: Linux version, where it is not as old as 2.6
    option_doc = ""  #: lines ``name:OPTION  meaning`` where ``choose`` takes one
    default = True  #: is in the group default
    privileged = False  #: needs rights that users rarely have; not in the group default then

    # ---- columns
    fields: "tuple[Field, ...]" = ()  #: fields known by name, in the order of their columns
    fields_from_start = False  #: every device has all of them, whether the first text did or not
    lists_devices = False  #: has its table of devices even when none is there at the start
    may_be_empty = False  #: a text without tokens is in order: there are no devices

    copies_numbers = False
    """``prepare`` copies numbers as they are, each at most once; which it keeps depends on no
    number. A number is a word of digits, or what stands behind a ``=``. Such texts are decoded
    as fast as those of one kernel file (batch/copied.py)."""

    # ---- when and how it is read
    order = 50  #: reading order: first what changes fastest and matters most; blocking ones last
    every = 1  #: read at every so many ticks; a power of two
    budget_us = 0
    """Mean time of a reading above which it is read half as often (Throttled); 0: no budget."""
    apart_s = 0.0  #: readings are no further apart, whatever they cost (Throttled); 0: no limit
    tells_pace = True  #: people are told when it is read less often than at ``every``
    may_block = False  #: a reading may hang: opened and read in a thread of its own
    start_s = 3.0  #: time for opening and for the first reading, where it may block

    named = False  #: it was asked for by its name, not as one of a group
    run = ""  #: the run that is recorded, where that is known
    directories: "tuple[str, ...]" = ()  #: of the run: results, and those that COMMAND names

    def choose(self, text: str) -> None:
        """Take the option of ``name:text``. ValueError, with the name in it, when it is invalid."""
        raise NotImplementedError

    def location(self) -> str:
        """Return the kernel file or files as the documentation names them."""
        return self.kernel_file

    def open(self, root: str) -> "Readable":
        """Open what it reads below ``root``. OSError when there is nothing to read."""
        raise NotImplementedError

    def is_there(self, root: str) -> bool:
        """Return whether there is something to read below ``root`` now. Raises nothing."""
        try:
            self.open(root).close()
        except OSError:
            return False
        return True

    def prepare(self, raw: bytes) -> bytes:
        """Return the text that ``scan`` gets; a hook for texts whose tokens need work first."""
        return raw

    def scan(self, text: bytes) -> Scan:
        """Return the role of every token of ``text.split()``.

        The default: lines of ``device field value``, in the tables that ``table_of`` names.
        """
        return scan_cells(text.split(b"\n"), self.table_of)

    def table_of(self, line: bytes) -> str:
        """Return the table of a line of ``device field value``; "": the one table of devices.

        Devices with different fields belong in different tables: every device of a table has a
        column for every field of it.
        """
        return ""

    def field(self, table: str, name: str) -> Field:
        """Return the declaration of a field, also of one that this version does not know yet."""
        for f in self.fields:
            if f.name == name:
                return f
        return Field(name, "", "gauge", "not known to this version")

    def known_fields(self, raw: bytes) -> "dict[str, tuple[str, ...]]":
        """Return the fields that are columns whatever the first text has, per table.

        For files that list only what was used so far, or that are not there yet: {table: names},
        in the order of their columns. The table of devices of most sources is ``DEVICES``.
        ``raw``: the first text, before ``prepare``. The default: none, or ``fields`` where
        ``fields_from_start``.
        """
        return {DEVICES: tuple(f.name for f in self.fields)} if self.fields_from_start else {}

    def later_fields(self) -> "dict[str, tuple[str, ...]]":
        """Return what is a column where nothing of the source is there at the start, per table.

        None: a source that is not there then cannot be recorded later. The default: what is known
        of an empty text.
        """
        return self.known_fields(b"")

    def spare_slots(self, table: str, devices: int) -> int:
        """Return for how many devices that appear later a table has room."""
        return max(4, devices // 4)


class KernelFileSource(Source):
    """One kernel file, stored as it is: the cheapest kind.

    The default scan takes ``key value [unit]`` lines as scalars (/proc/meminfo). With ``device_at``
    it takes a table with a device per line (/proc/diskstats): the device is token ``device_at``,
    the values begin at token ``first_value``, and ``names_for`` names them.
    """

    path = ""  #: below the root, without a leading slash
    record_max = 0
    """Longest record in bytes of a file that the kernel hands out record by record (seq_file): a
    reading that ends closer than this to a page's end may have more behind it. 0: the kernel
    formats the file in one piece (single_open)."""
    device_at: "int | None" = None  #: token that names the device, in a table of devices
    first_value = 1  #: first token that is a value, in a table of devices

    def location(self) -> str:
        return "/" + self.path

    def open(self, root: str) -> KernelFile:
        return KernelFile(root, self.path, self.record_max)

    def later_fields(self) -> "dict[str, tuple[str, ...]]":
        if self.device_at is None:
            return {}
        return {DEVICES: tuple(f.name for f in self.fields)}

    def scan(self, text: bytes) -> Scan:
        lines = text.split(b"\n")
        if self.device_at is None:
            return scan_keyed(lines)
        return scan_table(lines, self.first_value, self.device_at, self.names_for)

    def names_for(self, values: int) -> "Sequence[str] | None":
        """Return the names of the values of a line that has so many; None: it is cut."""
        return tuple(f.name for f in self.fields) if values >= len(self.fields) else None


class FileGroupSource(Source):
    """Several kernel files, stored as one text: a line ``@LABEL`` before the text of each.

    The default ``prepare`` is for files of one number each, as most of /sys has them, with labels
    ``DEVICE:FIELD``. Files that cannot be read are left out; the source is absent when that is so
    of all of them.
    """

    in_one_piece = False  #: the kernel formats each file in one piece (FileGroup)
    relist_s = 0  #: seconds after which ``files`` is asked again at the latest (FileGroup)
    file_bytes = 0  #: length that the text of a file may reach, where it is short at the start
    later_bytes = 4096  #: room for the text of files and devices that appear later

    def files(self, root: str) -> "list[tuple[str, str]]":
        """Return (label without blanks, path below ``root``) of every file there is now.

        OSError when there can be none. No files at all are in order where ``may_be_empty``.
        """
        raise NotImplementedError

    def open(self, root: str) -> FileGroup:
        return FileGroup(
            root,
            lambda: self.files(root),
            relist_s=self.relist_s,
            file_bytes=self.file_bytes,
            later_bytes=self.later_bytes,
            may_be_empty=self.may_be_empty,
            in_one_piece=self.in_one_piece,
        )

    def prepare(self, raw: bytes) -> bytes:
        """Return ``device field value`` lines of files that have one number each."""
        out = []
        for label, lines in labelled(raw):
            device, _, field = label.rpartition(b":")
            value = lines[0].strip() if lines else b""
            if device and is_number(value):
                out.append(b"%s %s %s" % (device, field, value))
        return b"\n".join(out)


class ReaderSource(Source):
    """A text that a reader makes, where a kernel file is too large to store or needs state."""

    later_bytes = 16384  #: room for the text of devices that appear later

    def reader(self, root: str) -> "Reader":
        """Return what makes the text; ``CondensedFile`` makes a reader of a function.

        OSError when there is nothing to read.
        """
        raise NotImplementedError

    def open(self, root: str) -> ReaderFile:
        return ReaderFile(self.reader(root), self.later_bytes)


def labelled(text: bytes) -> "list[tuple[bytes, list[bytes]]]":
    """Return (label, lines) of every file of a text of several files, without empty lines."""
    out: "list[tuple[bytes, list[bytes]]]" = []
    for line in text.split(b"\n"):
        if line[:1] == b"@":
            out.append((line[1:], []))
        elif out and line:
            out[-1][1].append(line)
    return out
