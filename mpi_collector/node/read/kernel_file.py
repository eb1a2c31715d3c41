"""Hold one kernel file open and re-read it into a preallocated buffer."""

import os

from ..compat import preadv
from ..status import status_of
from .look_again import ReopeningPace, is_gone
from .readable import OpenSource, Readable

_PAGE = 4096
_ONE_READ = 1 << 16
_FIRST_MAX = 1 << 20  #: bytes of the first reading, at most; no file that is kept whole is larger
_CHUNK = 1 << 16  #: above 128 KiB the C library maps and unmaps memory for every reading
_HEAD = 4096  #: bytes that ``read_once`` returns at most


class KernelFile(OpenSource, Readable):
    """A kernel file that stays open and is read at every tick.

    The sampler calls ``preadv`` itself for the first piece, into its own buffer at offset 0, and
    ``rest`` only when that piece had ``whole_below`` bytes or more: most files cost one system call
    and no call of Python code.

    ``record_max``: longest record in bytes of a file that the kernel hands out record by record
    (seq_file); 0: it formats the file in one piece (single_open). ``whole_below``: a single read
    that returns fewer bytes than this has reached the end of the file. seq_file hands out whole
    records until the next one does not fit into its page (fs/seq_file.c); a file made in one piece
    comes whole.
    """

    def __init__(self, root: str, path: str, record_max: int) -> None:
        super().__init__()
        self._path = os.path.join(root, path)
        self.fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        self._pace = ReopeningPace()
        self.record_max = record_max
        self.whole_below = _PAGE - record_max if record_max else 0

    def first(self) -> bytes:
        """Return the whole text now and fix ``capacity`` at half as much again and a page."""
        chunks = []
        size = 0
        while size < _FIRST_MAX:
            chunk = os.pread(self.fd, _ONE_READ, size)
            if not chunk:
                break
            chunks.append(chunk)
            size += len(chunk)
        self.capacity = size + size // 2 + _PAGE
        if not self.record_max:
            self.whole_below = self.capacity
        return b"".join(chunks)

    def rest(self, buffer: memoryview, got: int) -> int:
        """Read on behind the first ``got`` bytes, to the end of the file or of ``buffer``.

        Return all bytes.
        """
        while got < len(buffer):
            n = preadv(self.fd, [buffer[got:]], got)
            got += n
            if n < self.whole_below:
                break
        return got

    def read(self, view: memoryview) -> int:
        """Read the whole text into ``view``. Return its bytes."""
        return self.rest(view, 0)

    def read_into(self, view: memoryview, tick: int) -> int:
        """Read the whole text, whatever tick it is."""
        return self.rest(view, 0)

    def failed(self, error: OSError) -> int:
        """Return minus the status of a reading that failed; of a file that is gone, open it again.

        It keeps its number, and is read at the next tick.
        """
        if is_gone(error):
            self._pace.failed()
            if self._pace.due() and _open_as(self.fd, self._path):
                self._pace.succeeded()
        return -status_of(error)

    def close(self) -> None:
        os.close(self.fd)


def _open_as(fd: int, path: str) -> bool:
    """Open a file under the number of an open descriptor. Return False when it is not there."""
    fresh = open_or_none(path)
    if fresh is None:
        return False
    os.dup2(fresh, fd, inheritable=False)
    os.close(fresh)
    return True


class WholeFile:
    """A kernel file of any length that stays open and is read whole. OSError if it is not there."""

    def __init__(self, root: str, path: str) -> None:
        self._path = os.path.join(root, path)
        self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        self._pace = ReopeningPace()

    def read(self) -> bytes:
        """Return the whole text now. One that is gone is opened again when it is back."""
        if self._pace.due() and _open_as(self._fd, self._path):
            self._pace.succeeded()
        try:
            return self._read()
        except OSError as e:
            if is_gone(e):
                self._pace.failed()
            raise

    def _read(self) -> bytes:
        chunks: "list[bytes]" = []
        at = 0
        while True:
            chunk = os.pread(self._fd, _CHUNK, at)
            if not chunk:
                return b"".join(chunks)
            chunks.append(chunk)
            at += len(chunk)

    def close(self) -> None:
        os.close(self._fd)


def open_or_none(path: str) -> "int | None":
    """Return a descriptor of a file that is read, or None when it cannot be opened."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def read_again(fd: int) -> bytes:
    """Return the beginning of an open file (4096 bytes at most), b"" when it cannot be read."""
    try:
        return os.pread(fd, _HEAD, 0)
    except OSError:
        return b""


def read_once(path: str) -> bytes:
    """Return the beginning of a file (4096 bytes at most), b"" when it cannot be read."""
    fd = open_or_none(path)
    if fd is None:
        return b""
    try:
        return read_again(fd)
    finally:
        os.close(fd)


def read_whole(root: str, path: str) -> bytes:
    """Return a file of any length, b"" when it cannot be read."""
    try:
        whole = WholeFile(root, path)
    except OSError:
        return b""
    try:
        return whole.read()
    except OSError:
        return b""
    finally:
        whole.close()


def list_names(root: str, path: str) -> "list[str]":
    """Return the sorted names in a directory below ``root``, none when it cannot be read."""
    try:
        return sorted(os.listdir(os.path.join(root, path)))
    except OSError:
        return []
