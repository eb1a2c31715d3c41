"""``page cache``: reads that were answered from memory, where storage was to be measured.

A warning and never a limit. What the job asked for is compared with what storage delivered, where
the recording knows both: an NFS client counts the bytes that applications read and those that came
from the server (mountstats, ``bytes:``), a Lustre client those of llite and of its targets, and
``--sources processes`` the bytes of read calls of every process (``rchar`` of /proc/PID/io), which
miss mmap, libaio and io_uring and include pipes and sockets: where storage delivered more than was
asked for, nothing is known.
"""

from __future__ import annotations

import numpy as np

from mpi_collector.formats.why_document import CacheShare, Claim
from mpi_collector.store.host import Float64
from mpi_collector.why.claims import claim_of
from mpi_collector.why.stretch import Stretch

LEAST_ASKED = 50e6  #: bytes; less says nothing about storage
LEAST_SHARE = 0.05  #: from memory; smaller shares are metadata and read-ahead
CERTAIN_SHARE = 0.2
#: share of what was asked for that read-ahead and headers may add to what was delivered
_EXTRA = 0.02


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
    known = _network_bytes(stretch) or _process_bytes(stretch)
    if known is None:
        return out
    asked, delivered = known
    out["delivered_bytes"] = round(delivered)
    if delivered > (1 + _EXTRA) * asked or not asked:
        return out
    out["asked_bytes"] = round(asked)
    out["from_memory_share"] = round(max(1 - delivered / asked, 0.0), 4)
    out["bound"] = _EXTRA
    return out


def _bytes(stretch: Stretch, rate: Float64 | None) -> float:
    """Return the amount of a rate over the phase; 0 where it is not recorded."""
    return 0.0 if rate is None else float(np.nansum(rate * stretch.seconds))


def _network_bytes(stretch: Stretch) -> tuple[float, float] | None:
    """Return bytes asked for and delivered of NFS and Lustre; None where nothing was read there."""
    mounts = stretch.devices("nfs", "normal_read_bytes")
    asked = [f"nfs.{m}.{kind}_read_bytes" for m in mounts for kind in ("normal", "direct")]
    delivered = [f"nfs.{m}.server_read_bytes" for m in mounts]
    for device in stretch.devices("lustre", "read_bytes_sum"):
        (asked if device.startswith("llite/") else delivered).append(
            f"lustre.{device}.read_bytes_sum"
        )
    amounts = tuple(_bytes(stretch, stretch.sum_of_rates(c)) for c in (asked, delivered))
    return (amounts[0], amounts[1]) if max(amounts) >= LEAST_ASKED else None


def _process_bytes(stretch: Stretch) -> tuple[float, float] | None:
    """Return bytes of read calls and of block devices; None without the source ``processes``."""
    names = stretch.devices("processes", "read_call_bytes")
    if not names or not stretch.devices("diskstats", "sectors_read"):
        return None
    asked = stretch.sum_of_rates([f"processes.{n}.read_call_bytes" for n in names])
    delivered = [_bytes(stretch, d.read_bytes_per_s) for d in stretch.disks]
    return _bytes(stretch, asked), sum(delivered)
