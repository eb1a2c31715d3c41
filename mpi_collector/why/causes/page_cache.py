"""``page cache``: reads that were answered from memory, where storage was to be measured.

A warning and never a limit. What the job asked for is compared with what storage delivered, where
the recording knows both. Asked bytes are, in this order: what the benchmark's own log says that it
read in a phase (fio, elbencho; of a recording of one host, and where no other phase with such a log
overlaps); the bytes that applications read, as an NFS client counts them (mountstats, ``bytes:``)
beside those that came from the server, and a Lustre client those of llite and of its targets; the
bytes of read calls of the job's processes (sources ``job`` and ``processes``: ``rchar`` of
/proc/PID/io), which miss mmap, libaio and io_uring and include pipes, sockets and /dev/zero. Where
such descriptors were open, storage delivered more than was asked for, or a file system is mounted
whose bytes no source counts (CephFS, 9p, FUSE), nothing is known.
"""

from __future__ import annotations

import numpy as np

from mpi_collector.formats.why_document import CacheShare, Claim
from mpi_collector.store.host import Float64
from mpi_collector.why.claims import claim_of
from mpi_collector.why.job_bytes import COMMAND, USER, JobCalls
from mpi_collector.why.reported_bytes import delivered_in, has_uncounted_storage
from mpi_collector.why.stretch import Stretch

LEAST_ASKED = 50e6  #: bytes; less says nothing about storage
LEAST_SHARE = 0.05  #: from memory; smaller shares are metadata and read-ahead
CERTAIN_SHARE = 0.2
#: share of what was asked for that read-ahead and headers may add to what was delivered
_EXTRA = 0.02
#: share of what was asked for that may lie outside of the phase, since the job is read now and then
_MOST_UNSURE = 0.1
#: shares of what was read that were written, too, and of that what reached storage: then what was
#: read may come from /dev/zero or a pipe whose reader ended before its descriptors were looked at
_COPIED = 0.9
_STORED = 0.5
_KB = 1024.0
_IN_MEMORY = ("loop", "zram", "ram")  #: block devices whose data are in other ones, or nowhere
Amounts = tuple[float, float, float]  #: bytes asked for, delivered, share of uncertainty


def claim(stretch: Stretch) -> Claim | None:
    """Return the warning, None where reads came from storage or nothing is known."""
    share = cache_share(stretch)
    asked, found = share["asked_bytes"], share["from_memory_share"]
    if asked is None or found is None or asked < LEAST_ASKED or found < LEAST_SHARE:
        return None
    return claim_of(
        stretch,
        "page cache",
        np.ones(len(stretch), dtype=bool),
        "certain" if found >= CERTAIN_SHARE else "likely",
        [
            stretch.evidence(
                f"{100 * found:.0f} % of the {asked / 1e9:.1f} GB that were read came from memory",
                "page_cache", 100 * found, "%"),
        ],
    )  # fmt: skip


def cache_share(stretch: Stretch) -> CacheShare:
    """Return what was asked for, what storage delivered, and the share that came from memory."""
    out: CacheShare = {
        "phase": stretch.name,
        "host": stretch.key,
        "asked_bytes": None,
        "delivered_bytes": None,
        "from_memory_share": None,
        "bound": None,
    }
    known = (
        _reported_bytes(stretch)
        or _network_bytes(stretch)
        or _job_bytes(stretch)
        or _process_bytes(stretch)
    )
    if known is None:
        return out
    asked, delivered, bound = known
    out["delivered_bytes"] = round(delivered)
    if not asked or delivered > (1 + _EXTRA) * asked or bound > _MOST_UNSURE:
        return out
    out["asked_bytes"] = round(asked)
    out["from_memory_share"] = round(max(1 - delivered / asked, 0.0), 4)
    out["bound"] = round(_EXTRA + bound, 4)
    return out


def _reported_bytes(stretch: Stretch) -> Amounts | None:
    """Return what the benchmark says that it read; None where it does not, or did not read."""
    asked = stretch.reported_read_bytes
    if not asked or _from_disks(stretch) is None or has_uncounted_storage(stretch):
        return None
    delivered, unsure = delivered_in(stretch, _IN_MEMORY)
    return float(asked), delivered, unsure / asked


def _bytes(stretch: Stretch, rate: Float64 | None) -> float:
    """Return the amount of a rate over the phase; 0 where it is not recorded."""
    return 0.0 if rate is None else stretch.amount(rate)


def _network_bytes(stretch: Stretch) -> Amounts | None:
    """Return what was asked for and delivered on NFS and Lustre; None where nothing was read."""
    mounts = stretch.devices("nfs", "normal_read_bytes")
    asked = [f"nfs.{m}.{kind}_read_bytes" for m in mounts for kind in ("normal", "direct")]
    delivered = [f"nfs.{m}.server_read_bytes" for m in mounts]
    for device in stretch.devices("lustre", "read_bytes_sum"):
        (asked if device.startswith("llite/") else delivered).append(
            f"lustre.{device}.read_bytes_sum"
        )
    amounts = tuple(_bytes(stretch, stretch.sum_of_rates(c)) for c in (asked, delivered))
    return (amounts[0], amounts[1], 0.0) if max(amounts) >= LEAST_ASKED else None


def _from_disks(stretch: Stretch) -> float | None:
    """Return the bytes that block devices read; None where they are not recorded."""
    if not stretch.devices("diskstats", "sectors_read"):
        return None
    disks = [d for d in stretch.disks if not d.name.startswith(_IN_MEMORY)]
    return sum(_bytes(stretch, d.read_bytes_per_s) for d in disks)


def _job_bytes(stretch: Stretch) -> Amounts | None:
    """Return what the job's read calls returned; None where it is not recorded or incomplete."""
    delivered = _from_disks(stretch)
    device = _job_device(stretch)
    if delivered is None or device is None or has_uncounted_storage(stretch):
        return None
    calls = JobCalls(stretch, device)
    most = calls.grown("read_call_bytes")
    if not calls.known_from_begin() or not calls.complete() or _may_be_copied(stretch, calls, most):
        return None
    if stretch.is_command:  # outside of COMMAND its processes do not exist
        return most, delivered, 0.0
    least = calls.grown("read_call_bytes", outwards=False)
    asked = _bytes(stretch, stretch.rate(f"{device}.read_call_bytes"))
    return asked, delivered, max(most - asked, asked - least) / asked if asked else 1.0


def _may_be_copied(stretch: Stretch, calls: JobCalls, asked: float) -> bool:
    """Return whether as much was written as was read, and reached storage or waits for it.

    A writer that reads /dev/zero looks like this, and so does one that copies a file.
    """
    if not calls.has("write_call_bytes"):
        return False
    stored = sum(_bytes(stretch, d.write_bytes_per_s) for d in stretch.disks)
    dirty = stretch.level("meminfo.Dirty")
    if dirty is not None and np.isfinite(dirty).any():
        stored += _KB * float(np.nanmax(dirty) - np.nanmin(dirty))
    return calls.grown("write_call_bytes") >= _COPIED * asked and stored >= _STORED * asked


def _job_device(stretch: Stretch) -> str | None:
    """Return the device of the job: COMMAND's tree where it was seen, else the user's processes."""
    for device in (COMMAND, USER):
        calls = JobCalls(stretch, device)
        if calls.known and (device == USER or calls.most("read_call_bytes") > 0):
            return device
    return None


def _process_bytes(stretch: Stretch) -> Amounts | None:
    """Return bytes of read calls and of block devices; None without the source ``processes``."""
    names = stretch.devices("processes", "read_call_bytes")
    delivered = _from_disks(stretch)
    if not names or delivered is None or has_uncounted_storage(stretch):
        return None
    asked = stretch.sum_of_rates([f"processes.{n}.read_call_bytes" for n in names])
    return _bytes(stretch, asked), delivered, 0.0
