"""Numbers, durations and lists of names as text."""

from __future__ import annotations

import pytest

from mpi_collector.report.quantity import duration, number, quantity, ranges
from mpi_collector.terminal_text import safe_text


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (quantity(1.234e9, "bytes/s"), "1.23 GB/s"),
        (quantity(999.6e6, "bytes/s"), "1000 MB/s"),
        (quantity(0, "bytes/s"), "0 MB/s"),
        (quantity(None, "ms"), "-"),
        (quantity(float("nan"), "%"), "-"),
        (quantity(0.0123, "ms"), "12.3 µs"),
        (quantity(2**30, "bytes"), "1.00 GiB"),
        (quantity(1520, "1/s"), "1.52 k"),
        (number(0.0001), "<0.001"),
        (number(12345.6), "12346"),
        (duration(59.96), "60.0 s"),
        (duration(3725), "1 h 02 min 05 s"),
        (
            ranges(["loop0", "loop1", "loop2", "sda", "nvme0n1", "nvme1n1"]),
            "loop0-2, sda, nvme0n1, nvme1n1",
        ),
        (ranges(["eth0", "eth1", "eth10", "eth007"]), "eth0, eth1, eth10, eth007"),
        (ranges([f"node{n:03d}" for n in range(1, 65)]), "node001-064"),
        (ranges(["n08", "n09", "n10", "n1", "n11"]), "n08-11, n1"),
        (ranges([]), ""),
        (safe_text("a\tb\x00c\ud800"), "a\\tb\\x00c\\ud800"),
    ],
)
def test_words(got: str, want: str) -> None:
    assert got == want
