"""Hold one kernel file open and re-read it into a preallocated buffer."""

import os

from ..compat import preadv

_PAGE = 4096


_ENOUGH = 1 << 20  #: no kernel file read here is larger


class KernelFile:
    """A kernel file held open and re-read into buffers that exist already."""

    def __init__(self, root: str, path: str, record_max: int) -> None:
        self.fd = os.open(os.path.join(root, path), os.O_RDONLY | os.O_CLOEXEC)
        self.record_max = record_max
        self.capacity = 0

    def first(self) -> bytes:
        """The whole text now; fixes ``capacity``, the bytes to keep for later ones, which may be longer."""
        chunks, size = [], 0
        while size < _ENOUGH:
            chunk = os.pread(self.fd, 1 << 16, size)
            if not chunk:
                break
            chunks.append(chunk)
            size += len(chunk)
        self.capacity = size + size // 2 + _PAGE
        return b"".join(chunks)

    @property
    def whole_below(self) -> int:
        """A single read that returns fewer bytes than this has reached the end of the file.

        seq_file hands out whole records until the next does not fit into its page; a file made in one piece comes whole.
        """
        return _PAGE - self.record_max if self.record_max else self.capacity

    def rest(self, buffer: memoryview, got: int) -> int:
        """Read on behind the first ``got`` bytes until the end or until ``buffer`` is full. Returns all bytes."""
        while got < len(buffer):
            n = preadv(self.fd, [buffer[got:]], got)
            got += n
            if n < self.whole_below:
                break
        return got

    def close(self) -> None:
        os.close(self.fd)
