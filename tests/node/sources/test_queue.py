"""Requests in flight."""

from __future__ import annotations

from pathlib import Path

from sourcekit import plant, recorded

IN_FLIGHT = {
    "nvme0n1": (3, 14),
    "nvme1n1": (0, 0),
    "nvme2c0n1": (5, 6),
    "nvme2n1": (5, 6),
    "sda": (1, 2),
}


def test_queue(tmp_path: Path) -> None:
    """Requests in flight on every drive, and on each path to it; no loop or RAM devices."""
    plant(tmp_path, "devices")
    wanted = {}
    for device, (reads, writes) in IN_FLIGHT.items():
        wanted[f"queue.{device}.reads_in_flight"] = reads
        wanted[f"queue.{device}.writes_in_flight"] = writes
    assert recorded("queue", tmp_path) == wanted
