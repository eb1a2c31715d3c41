"""Files that appear under their names only when they are whole and on disk."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class NewFile:
    """A binary file that appears under ``path`` only when it is whole and on disk.

    Write to ``file``, then ``commit`` or ``discard`` it. OSError when it cannot be made.
    """

    def __init__(self, path: Path, beside: Path | None = None) -> None:
        """``beside``: the file whose name and directory the unfinished file has, else ``path``."""
        self.path = path
        named = beside or path
        self._temporary = named.parent / f".{named.name}.{secrets.token_hex(4)}.part"
        try:
            # x = O_EXCL, which follows no symlink either
            self.file: BinaryIO = open(self._temporary, "xb", buffering=1 << 20)  # noqa: SIM115
        except OSError as e:
            raise OSError(e.errno, e.strerror, str(path)) from e  # the name that the user knows

    def close(self) -> None:
        """Close the unfinished file. OSError when it cannot be written."""
        self.file.close()

    def reopen(self) -> None:
        """Open it again after ``close``, to read and write."""
        self.file = open(self._temporary, "r+b", buffering=1 << 20)  # noqa: SIM115

    def commit(self) -> None:
        """Put the file on disk and give it its name.

        FileExistsError rather than overwriting anything, a symlink included. OSError when it cannot
        be written. In both cases nothing is left behind.
        """
        try:
            if self.file.closed:
                self.reopen()
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            self._link()
            _sync(self.path.parent)
        finally:
            self.discard()

    def _link(self) -> None:
        try:
            os.link(self._temporary, self.path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if os.path.lexists(self.path):
                raise FileExistsError(errno.EEXIST, "exists already", str(self.path)) from None
            os.rename(self._temporary, self.path)

    def discard(self) -> None:
        """Leave nothing behind but what was committed. Raises nothing."""
        with contextlib.suppress(OSError):  # what is in the buffer may have no place on the disk
            self.file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink()


@contextmanager
def create(path: Path) -> Iterator[BinaryIO]:
    """Yield a new binary file that appears under ``path`` at the end of the block.

    Nothing appears when the block raises. FileExistsError rather than overwriting anything.
    """
    new = NewFile(path)
    try:
        yield new.file
    except BaseException:
        new.discard()
        raise
    new.commit()


def _sync(directory: Path) -> None:
    """Put the directory's names on disk: spools are removed after this."""
    with contextlib.suppress(OSError):  # some file systems refuse it for directories
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
