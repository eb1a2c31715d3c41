"""Texts of kernel files for the batch decoder, and what it calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mpi_collector.node import sources

FIXTURES = Path(__file__).parents[1] / "fixtures"


NAMES = ["diskstats", "netdev", "stat", "vmstat", "meminfo", "loadavg"]


def texts(tree: str = "linux-6.18") -> list[bytes]:
    paths = [sources.BY_NAME[n]().location().lstrip("/") for n in NAMES]
    return [(FIXTURES / tree / p).read_bytes() for p in paths]


def calls(decoder: Any) -> list[bytes]:
    """The texts that a SourceDecoder is given from now on."""
    seen: list[bytes] = []
    real = decoder.decode_text

    def decode_text(text: bytes, row: Any, tick: int) -> int:
        seen.append(text)
        return int(real(text, row, tick))

    decoder.decode_text = decode_text
    return seen
