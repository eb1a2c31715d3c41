"""Backups of spools in ``--rescue-dir``, where no logout wipes them, for when the launcher is gone.

The file is ``DIR/mpi_collector-UID/RUN/HOST-KEY``, as that of a spool, and is read like one. It
holds the change sets that a replica would get (replica.py), in frames (frames.py). Rows that were
never written take no room.
"""

import mmap
import os

from ..errors import FrameError, SpoolError
from ..frames import MAGIC, FrameDecoder, encode
from .directory import RunDirectory
from .format import HEADER_BYTES
from .reader import SpoolReader, open_locked, open_reader
from .replica import SIZE_MAX, Changes, pieces_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Iterator

    from .writer import Spool

_READ = 1 << 20


def save(spool: "Spool", directory: str, run: str, key: str, again: bool = False) -> str:
    """Save what is in ``spool`` now and return the path. SpoolError when that fails.

    ``again``: replace what this process saved before.
    """
    target = RunDirectory(directory, run)
    place = target.open()
    temporary = ".%s.%d.part" % (key, os.getpid())
    try:
        fd = os.open(
            temporary,
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
            0o600,
            dir_fd=place,
        )
        try:
            with os.fdopen(fd, "wb") as f:
                for frame in _frames(spool):
                    f.write(frame)
                f.flush()
                os.fsync(f.fileno())
            _publish(place, temporary, key, again)
        finally:
            _forget(place, temporary)
    except OSError as e:
        raise SpoolError("%s: %s" % (directory, e.strerror)) from e
    finally:
        os.close(place)
    return target.spool_path(key)


def _frames(spool: "Spool") -> "Iterator[bytes]":
    changes = Changes(spool)
    number: int = 0
    more: bool = True
    while more:
        doc, blob = changes.take(number)
        number = doc["number"]
        more = doc["more"]
        yield encode(doc, blob)


def _publish(place: int, temporary: str, key: str, again: bool) -> None:
    """Give the file its name; FileExistsError when it is taken, unless ``again``."""
    if not again:
        try:
            os.link(temporary, key, src_dir_fd=place, dst_dir_fd=place, follow_symlinks=False)
            return
        except FileExistsError:
            raise
        except OSError:
            # a file system without hard links: check and rename, in a directory of this user alone
            if key in os.listdir(place):
                raise
    os.rename(temporary, key, src_dir_fd=place, dst_dir_fd=place)


def _forget(place: int, temporary: str) -> None:
    try:
        os.unlink(temporary, dir_fd=place)
    except OSError:  # renamed
        pass


def why_unusable(directory: str) -> str:
    """Return why nothing can be saved in ``directory``, "" when nothing speaks against it."""
    # a random name: ranks of other hosts may check the same directory at this moment
    probe = RunDirectory(directory, ".check-%s" % os.urandom(6).hex())
    try:
        os.close(probe.open())
        os.rmdir(probe.path)
    except SpoolError as e:
        return str(e)
    except OSError as e:
        return "%s: %s" % (directory, e.strerror)
    return ""


def open_any(path: str) -> "SpoolReader":
    """Return a reader of a spool or of a backup of one. SpoolError as of ``open_reader``."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as e:
        raise SpoolError("%s: %s" % (path, e.strerror)) from e
    try:
        saved = os.read(fd, len(MAGIC)) == MAGIC
    except OSError as e:
        raise SpoolError("%s: %s" % (path, e.strerror)) from e
    finally:
        os.close(fd)
    return _open_saved(path) if saved else open_reader(path)


def _open_saved(path: str) -> "SpoolReader":
    fd = open_locked(path)
    holder = os.fdopen(fd, "rb")  # holds the lock
    try:
        return SpoolReader(memoryview(_image(holder, path)), path, holder)
    except FrameError as e:
        raise SpoolError("%s: damaged: %s" % (path, e)) from e
    except (OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError) as e:
        raise SpoolError("%s: damaged: %s: %s" % (path, type(e).__name__, e)) from e


def _image(f: "BinaryIO", path: str) -> "mmap.mmap":
    """Return the spool as it was, in memory; parts that were never written cost none."""
    decoder = FrameDecoder()
    image: "mmap.mmap | None" = None
    more: bool = True
    for data in iter(lambda: f.read(_READ), b""):
        for doc, blob in decoder.feed(data):
            if image is None:
                size = int(doc["size"])
                if not HEADER_BYTES < size < SIZE_MAX:
                    raise SpoolError("%s: damaged: a spool of %d bytes" % (path, size))
                image = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            for at, piece in pieces_of(doc, blob, len(image), path):
                image[at : at + len(piece)] = piece
            more = bool(doc["more"])
    if image is None or more:
        raise SpoolError("%s: truncated" % path)
    return image
