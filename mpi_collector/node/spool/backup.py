"""A recording set down as a file where a logout does not wipe it (``--rescue-dir``), by a process whose launcher is gone.

The file lies at ``DIR/mpi_collector-UID/RUN/HOST-KEY`` as a spool would, and is read like one: change sets as they go to a
copy (replica.py), in frames (frames.py). Rows that were never written take no room in it.
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
    from typing import Any, Iterator

_READ = 1 << 20


def save(spool: "Any", directory: str, run: str, key: str, again: bool = False) -> str:
    """Write what is in ``spool`` now; the path. ``again``: in place of what this process saved before. SpoolError."""
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


def _frames(spool: "Any") -> "Iterator[bytes]":
    changes, number, more = Changes(spool), 0, True
    while more:
        doc, blob = changes.take(number)
        number, more = doc["number"], doc["more"]
        yield encode(doc, blob)


def _publish(place: int, temporary: str, key: str, again: bool) -> None:
    if not again:
        try:
            os.link(temporary, key, src_dir_fd=place, dst_dir_fd=place, follow_symlinks=False)
            return
        except FileExistsError:
            raise
        except (
            OSError
        ):  # a file system without hard links; the directory is ours alone, and nobody has the name
            if key in os.listdir(place):
                raise
    os.rename(temporary, key, src_dir_fd=place, dst_dir_fd=place)


def _forget(place: int, temporary: str) -> None:
    try:
        os.unlink(temporary, dir_fd=place)
    except OSError:  # renamed
        pass


def why_unusable(directory: str) -> str:
    """Why nothing could be saved in ``directory``; "" when it could as far as can be seen before."""
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
    """The reader of a spool or of what was saved of one. SpoolError as ``open_reader``."""
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
    holder = os.fdopen(fd, "rb")  # the lock goes with it
    try:
        return SpoolReader(memoryview(_image(holder, path)), path, holder)
    except FrameError as e:
        raise SpoolError("%s: damaged: %s" % (path, e)) from e
    except (OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError) as e:
        raise SpoolError("%s: damaged: %s: %s" % (path, type(e).__name__, e)) from e


def _image(f: "Any", path: str) -> "mmap.mmap":
    """The spool as it was, in memory; what was never written in it costs none."""
    decoder: "Any" = FrameDecoder()
    image: "Any" = None
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
    return image  # type: ignore[no-any-return]
