"""Read several kernel files as one text."""

import errno
import os

from ..compat import mono_ns, preadv
from .look_again import ListingPace, ReopeningPace, is_gone
from .readable import Readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NO_ANSWER = " does not answer: "  #: in a notice, between a device and the error
_FIRST_BYTES = 1 << 22  #: room for the first reading
_NEWLINE = 10
_LEAST_ROOM = 512  #: bytes of buffer below which the next file is not begun


class _Held:
    """An open file: its path below the root, the line before its text, its descriptor.

    ``left_out``: not to be read this time.
    """

    __slots__ = ("fd", "head", "left_out", "path")

    def __init__(self, label: str, path: str, fd: int, left_out: bool) -> None:
        self.head = ("@%s\n" % label).encode("utf-8", "backslashreplace")
        self.path = path
        self.fd = fd
        self.left_out = left_out


class FileGroup(Readable):
    """Several kernel files as one text, with a line ``@LABEL`` before the text of each.

    ``list_files`` returns (label, path below ``root``) of the files there are now. It is asked
    again at the pace of ``ListingPace``, with ``relist_s``: for files that are new, and those that
    could not be opened. After a file that was open is gone it is asked at the pace of
    ``ReopeningPace``. A label that stands for another path then is left out of one reading: the two
    files have nothing to do with each other, and no rate must be made of their counters.

    A file that cannot be opened or read is left out. OSError when that is so of all of them: at the
    start, or at a reading. ``may_be_empty``: no files at all are in order, and so is that they go.

    ``in_one_piece``: the kernel formats each file in one piece (single_open, sysfs, kernfs), and
    one system call reads it. Others are read on to their end.

    A device of which a file is there and gives an error has not gone: a notice names it, once.

    ``capacity`` has room for half as much again, for ``file_bytes`` of every file, and for
    ``later_bytes`` of files and devices that appear later. ``clock``: monotonic nanoseconds.
    """

    def __init__(
        self,
        root: str,
        list_files: "Callable[[], list[tuple[str, str]]]",
        relist_s: float = 0,
        file_bytes: int = 0,
        later_bytes: int = 4096,
        may_be_empty: bool = False,
        in_one_piece: bool = False,
        clock: "Callable[[], int]" = mono_ns,
    ) -> None:
        super().__init__()
        self._root = root
        self._list_files = list_files
        self._listing = ListingPace(relist_s, clock)
        self._file_bytes = file_bytes
        self._later_bytes = later_bytes
        self._may_be_empty = may_be_empty
        self._in_one_piece = in_one_piece
        # Of an ordinary file that was removed the text can still be read, of one in /sys it cannot.
        self._ordinary_files = os.path.realpath(root) != "/"
        self._open: "dict[str, _Held]" = {}
        self._gone: "set[str]" = set()  # labels that were open, and failed
        self._failing: "OSError | None" = None  # why, where they have not just been removed
        self._pace = ReopeningPace()
        self._silent: "set[str]" = set()  # devices that are named
        self.capacity = 0
        error = self._relist()
        if not self._open and not (may_be_empty and error is None):
            raise error or FileNotFoundError(2, "nothing of it is there", self._root)

    # ---- which files
    def _relist(self) -> "OSError | None":
        """Open what is there now and was not open. Return the last error, if there was one."""
        error: "OSError | None" = None
        wanted: "dict[str, str]" = {}
        try:
            wanted.update(self._list_files())
        except OSError as e:
            error = e
        moved = self._close_others(wanted)
        ordered = {}
        for label, path in wanted.items():
            try:
                ordered[label] = self._open.get(label) or self._opened(label, path, label in moved)
            except OSError as e:
                error = e
        self._open = ordered
        self._gone -= ordered.keys()
        if not self._gone:
            self._failing = None
            self._pace.succeeded()
        return error

    def _close_others(self, wanted: "dict[str, str]") -> "set[str]":
        """Close the files that are not wanted. Return the labels that have another path now."""
        others = [label for label, held in self._open.items() if wanted.get(label) != held.path]
        for label in others:
            os.close(self._open.pop(label).fd)
        moved = {label for label in others if label in wanted}
        if moved:
            place = os.path.dirname(wanted[min(moved)])
            self.notices.append("read from /%s from here on" % place)
        return moved

    def _opened(self, label: str, path: str, left_out: bool) -> _Held:
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        return _Held(label, path, os.open(os.path.join(self._root, path), flags), left_out)

    def _drop(self, gone: "list[str]") -> None:
        """Close files that are gone; they are looked for again."""
        for label in gone:
            os.close(self._open.pop(label).fd)
        self._gone.update(gone)
        self._pace.failed()

    # ---- reading
    def first(self) -> bytes:
        out = bytearray(_FIRST_BYTES)
        n = self._fill(memoryview(out))
        self.capacity = max(n + n // 2, self._file_bytes * len(self._open)) + self._later_bytes
        return bytes(out[:n])

    def read(self, view: memoryview) -> int:
        if self._listing.due() | self._pace.due():
            self._relist()
        return self._fill(view)

    def _fill(self, view: memoryview) -> int:
        at = 0
        size = len(view)
        whole = self._in_one_piece
        error = self._failing
        gone: "list[str]" = []
        for label, held in self._open.items():
            if held.left_out:
                held.left_out = False
                continue
            head = held.head
            begin = at + len(head)
            if size - begin <= _LEAST_ROOM:
                return size  # full, which means truncated
            try:
                if self._ordinary_files:
                    self._check_linked(held)
                n = preadv(held.fd, [view[begin:]], 0)
                end = begin + n
                if n and not whole:
                    end = self._rest(held.fd, view, begin, end)
            except OSError as e:
                if is_gone(e):
                    gone.append(label)
                self._name_silent(label, held, e)
                if e.errno == errno.EIO:
                    self._failing = e
                if e.errno == errno.EIO or not (is_gone(e) and self._may_be_empty):
                    error = e
                continue
            view[at:begin] = head
            at = end
            if at > begin and view[at - 1] != _NEWLINE and at < size:
                view[at] = _NEWLINE
                at += 1
        if gone:
            self._drop(gone)
        if not at and not (self._may_be_empty and error is None):
            raise error or FileNotFoundError(2, "nothing of it is there any more", self._root)
        return at

    def _name_silent(self, label: str, held: _Held, error: OSError) -> None:
        device = label.rpartition(":")[0]
        there = os.path.exists(os.path.join(self._root, held.path))
        if device and there and device not in self._silent:
            self._silent.add(device)
            self.notices.append(device + NO_ANSWER + (error.strerror or str(error)))

    def _rest(self, fd: int, view: memoryview, begin: int, end: int) -> int:
        """Read on at ``end``, to the end of a file whose text is from ``begin`` on."""
        while end < len(view):
            n = preadv(fd, [view[end:]], end - begin)
            if not n:
                break
            end += n
        return end

    def _check_linked(self, held: _Held) -> None:
        """Open an ordinary file that was replaced. FileNotFoundError when it was removed."""
        if not os.fstat(held.fd).st_nlink:
            fresh = os.open(os.path.join(self._root, held.path), os.O_RDONLY | os.O_CLOEXEC)
            os.close(held.fd)
            held.fd = fresh

    def close(self) -> None:
        for held in self._open.values():
            os.close(held.fd)
        self._open = {}
