"""Bytes per request of block devices, from diskstats, and requests in flight, from queue."""

from __future__ import annotations

from mpi_collector.store.figures.base import Deriver, Subject, known_sum
from mpi_collector.store.figures.disk import SECTOR_BYTES
from mpi_collector.store.figures.figure import NO_OUTLIERS, Figure, Group, NoChart

REQUESTS = Subject(order=15, group=Group.STORAGE)
IN_FLIGHT = Subject(order=16, group=Group.STORAGE, optional=True)


def _size(verb: str, done: str) -> Figure:
    return REQUESTS.figure(
        f"{verb}_request_bytes",
        f"{verb} size",
        "bytes",
        "mean",
        f"bytes {done} per request that the counted devices completed, merged ones as one "
        "(areq-sz of iostat)",
        undefined_when_idle=True,
        outlier_floor=65536.0,
    )


_SIZES = {
    "read": (_size("read", "read"), "sectors_read"),
    "write": (_size("write", "written"), "sectors_written"),
}


def _in_flight(verb: str) -> Figure:
    return IN_FLIGHT.figure(
        f"{verb}s_in_flight_depth",
        f"{verb}s in flight",
        "requests",
        "sum",
        f"{verb}s that were issued and not completed at the end of the interval",
        chart=NoChart("the mean queue depth is drawn"),
        outlier_floor=NO_OUTLIERS,
    )


_IN_FLIGHT = {"read": _in_flight("read"), "write": _in_flight("write")}


@REQUESTS.computed_by
def derive_request_sizes(host: Deriver) -> None:
    """Add the size of requests of the counted devices."""
    devices = host.derived.block.devices
    for verb, (figure, column) in _SIZES.items():
        sectors = host.total("diskstats", devices, column)
        count = host.total("diskstats", devices, f"{verb}s_completed")
        if sectors is not None and count is not None:
            host.add_per_request(figure, sectors * SECTOR_BYTES, count)


@IN_FLIGHT.computed_by
def derive_in_flight(host: Deriver) -> None:
    """Add the requests in flight of the counted devices."""
    devices = host.derived.block.devices
    for verb, figure in _IN_FLIGHT.items():
        names = [f"queue.{device}.{verb}s_in_flight" for device in devices]
        levels = [host.level(name) for name in names if name in host.columns]
        host.add(figure, known_sum(levels))
