"""Measure what a directory's storage, one core and memory can do: ``mpi_collector probe``.

Streams and random reads bypass the page cache (O_DIRECT, open(2)); the file has no name, so that
nothing is left whatever happens. Each measurement takes its share of five seconds.
"""

from __future__ import annotations

import mmap
import os
import random
import socket
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from mpi_collector.errors import ResultsError
from mpi_collector.why.ceilings import FORMAT, ProbeDocument

SECONDS = 5.0
_STREAMS = 8
_RANDOM_STREAMS = 32
_BLOCK = 1 << 20
_RANDOM_BLOCK = 4096
_FILE_BYTES_MAX = 8 << 30
_LEAST_BYTES = 64 << 20
_FREE_SHARE = 0.25  #: of the file system's free space that the file takes at most
#: shares of the time
_WRITE, _READ, _RANDOM, _ONE, _CORE, _COPY = 0.3, 0.26, 0.24, 0.1, 0.05, 0.05
_BUFFER = 64 << 20
_IN_MEMORY = ("tmpfs", "ramfs", "devtmpfs", "hugetlbfs")


def probe(directory: Path, seconds: float = SECONDS) -> ProbeDocument:
    """Return what was measured; ResultsError where the directory cannot be probed."""
    room = _room(directory)
    file_system = _file_system(directory)
    if file_system in _IN_MEMORY:
        raise ResultsError(
            f"{directory} lies in memory ({file_system}); "
            "probe a directory of the storage under test"
        )
    fd = _open(directory)
    try:
        written, rate = _write(fd, room, seconds * _WRITE)
        read = _read(fd, written, _BLOCK, _STREAMS, seconds * _READ, at_random=False)
        many = _read(fd, written, _RANDOM_BLOCK, _RANDOM_STREAMS, seconds * _RANDOM)
        one = _read(fd, written, _RANDOM_BLOCK, 1, seconds * _ONE)
    except OSError as e:
        raise ResultsError(f"{directory}: {e.strerror} while it was probed") from e
    finally:
        os.close(fd)
    device, model = _device(os.stat(directory).st_dev)
    return ProbeDocument(
        format=FORMAT,
        host=socket.gethostname(),
        directory=str(directory.resolve()),
        file_system=file_system,
        device=device,
        model=model,
        streams=_STREAMS,
        block_bytes=_BLOCK,
        read_bytes_per_s=round(read),
        write_bytes_per_s=round(rate),
        random_reads_per_s=round(many / _RANDOM_BLOCK, 1),
        random_read_ms=round(1e3 * _RANDOM_BLOCK / one, 4),
        one_core_bytes_per_s=round(_per_second(_checksum, seconds * _CORE)),
        memory_copy_bytes_per_s=round(_per_second(_copier(), seconds * _COPY)),
    )


def _room(directory: Path) -> int:
    """Return how large the file may become, in bytes."""
    try:
        found = os.statvfs(directory)
    except OSError as e:
        raise ResultsError(f"{directory}: {e.strerror}") from e
    room = min(int(found.f_bavail * found.f_frsize * _FREE_SHARE), _FILE_BYTES_MAX)
    if room < _LEAST_BYTES:
        raise ResultsError(
            f"{directory}: {found.f_bavail * found.f_frsize >> 20} MiB are free; "
            f"probing needs {int(_LEAST_BYTES / _FREE_SHARE) >> 20}"
        )
    return room - room % (_BLOCK * _STREAMS)


def _open(directory: Path) -> int:
    """Return a file without a name that bypasses the page cache."""
    flags = os.O_RDWR | os.O_DIRECT | os.O_CLOEXEC
    try:
        try:
            return os.open(directory, flags | os.O_TMPFILE, 0o600)
        except OSError:  # a file system without O_TMPFILE, such as NFS
            path = directory / f".mpi_collector_probe_{os.getpid()}"
            fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
            path.unlink()
            return fd
    except OSError as e:
        raise ResultsError(
            f"{directory}: no file can be opened that bypasses the page cache ({e.strerror}); "
            "probe a directory of the storage under test"
        ) from e


def _together(streams: int, work: Callable[[int], int]) -> float:
    """Run ``work``, which returns bytes, in threads; return all bytes per second."""
    done: list[int] = []
    failed: list[OSError] = []

    def run(number: int) -> None:
        try:
            done.append(work(number))
        except OSError as e:
            failed.append(e)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(streams)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return sum(done) / (time.monotonic() - began)


def _write(fd: int, room: int, seconds: float) -> tuple[int, float]:
    """Write streams side by side; return (bytes from 0 that were written, bytes per second).

    Blocks of all streams alternate, so that what is written is one piece. It is written at least
    until it is large enough to be read at random.
    """
    ends = time.monotonic() + seconds
    blocks = [0] * _STREAMS
    least = _LEAST_BYTES // (_BLOCK * _STREAMS)

    def stream(number: int) -> int:
        data = mmap.mmap(-1, _BLOCK)
        data.write(random.randbytes(_BLOCK))
        count = 0
        per_stream = room // (_BLOCK * _STREAMS)
        while time.monotonic() < ends or count < least:
            at = (count % per_stream * _STREAMS + number) * _BLOCK
            os.pwrite(fd, data, at)
            count += 1
        blocks[number] = min(count, per_stream)
        return count * _BLOCK

    rate = _together(_STREAMS, stream)
    return min(blocks) * _STREAMS * _BLOCK, rate


def _read(
    fd: int, size: int, block: int, streams: int, seconds: float, at_random: bool = True
) -> float:
    """Read the first ``size`` bytes of a file side by side; return bytes per second."""
    ends = time.monotonic() + seconds
    places = size // block

    def stream(number: int) -> int:
        buffer = mmap.mmap(-1, block)
        choose = random.Random(number)
        total = count = 0
        while not total or time.monotonic() < ends:
            place = choose.randrange(places) if at_random else (count * streams + number) % places
            total += os.preadv(fd, [buffer], place * block)
            count += 1
        return total

    return _together(streams, stream)


def _per_second(work: Callable[[], int], seconds: float) -> float:
    """Return the bytes per second of ``work``, which returns bytes, in this thread."""
    began = time.monotonic()
    total = 0
    while not total or time.monotonic() - began < seconds:
        total += work()
    return total / (time.monotonic() - began)


def _checksum() -> int:
    data = bytes(_BLOCK)
    zlib.crc32(data)
    return len(data)


def _copier() -> Callable[[], int]:
    source, target = bytearray(_BUFFER), bytearray(_BUFFER)
    view = memoryview(target)

    def copy() -> int:
        view[:] = source
        return _BUFFER

    return copy


def _device(number: int) -> tuple[str | None, str]:
    """Return (name of the whole device, its model); (None, "") where there is none."""
    place = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if not place.exists():
        return None, ""
    real = place.resolve()
    if (real / "partition").exists():
        real = real.parent
    try:
        model = (real / "device/model").read_text().strip()
    except OSError:
        model = ""
    return real.name, model


def _file_system(directory: Path) -> str:
    """Return the type of the file system, "" where it is not known."""
    number = os.stat(directory).st_dev
    wanted = f"{os.major(number)}:{os.minor(number)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return ""
    for line in lines:  # proc(5): the type follows a dash
        words = line.split()
        if len(words) > 6 and words[2] == wanted and "-" in words:
            return words[words.index("-") + 1]
    return ""
