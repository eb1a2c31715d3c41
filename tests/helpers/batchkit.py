"""Texts of kernel files for the batch decoder, and what it calls."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import numpy as np

from mpi_collector.batch.decoder import _columns
from mpi_collector.batch.digit_delta import Cells, DigitDeltaDecoder
from mpi_collector.node import sources
from mpi_collector.node.row.decode import SourceDecoder, make_layout
from mpi_collector.node.row.layout import MISSING

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


class Pair:
    """A source's texts decoded both ways."""

    def __init__(self, name: str, first: bytes, era: int = 5) -> None:
        made = [sources.BY_NAME[name]() for _ in range(2)]
        self.source = made[0]
        layouts = [make_layout([s], [first]) for s in made]
        self.width = layouts[0].width
        self.columns = [c.name for c in layouts[0].columns()]
        self.plain = SourceDecoder(made[0], layouts[0], lambda event: None)
        self.inner = SourceDecoder(made[1], layouts[1], lambda event: None)
        self.whole = calls(self.inner)
        self.follower = DigitDeltaDecoder(self.inner, _columns(layouts[1], name))
        self.follower.ERA = era  # type: ignore[misc]
        self._tick = 0

    def check(self, raws: list[bytes]) -> None:
        prepared = [self.source.prepare(r) for r in raws]
        ticks = list(range(self._tick, self._tick + len(raws)))
        self._tick += len(raws)
        wanted = np.full((len(raws), self.width), MISSING, np.int64)
        found = wanted.copy()
        statuses = np.zeros(len(raws), np.int64)
        expected = [
            self.plain.decode_text(t, Cells(row), k) for t, row, k in zip(prepared, wanted, ticks)
        ]
        self.follower.decode([*raws], ticks, found, statuses)
        assert statuses.tolist() == expected
        differing = [
            (k, self.columns[c], found[k, c], wanted[k, c])
            for k, c in np.argwhere(found != wanted)[:3]
        ]
        assert not differing


def changed(r: random.Random, text: bytes) -> bytes:
    """What may happen to a kernel file: numbers mostly, sometimes its lines, sometimes junk."""
    kind = r.choice(
        ["numbers"] * 6 + ["aligned", "drop", "double", "rename", "byte", "cut", "empty"]
    )
    lines = text.splitlines(True)
    at = r.randrange(max(1, len(lines)))
    often = r.choice([0.01, 0.1])
    if kind == "numbers":

        def number(m: re.Match[bytes]) -> bytes:
            # loads have two more digits behind the point, and 64 bits have twenty
            high = [] if b"." in text else [2**63 + 5, 2**64 - 1, 2**64 + 3]
            new = r.choice(
                [
                    0,
                    7,
                    min(int(m[0]) + 1, 10**20 - 1),
                    min(int(m[0]) * 3 + 5, 10**20 - 1),
                    99999,
                    *high,
                ]
            )
            return str(new).encode() if r.random() < often else m[0]

        return re.sub(rb"\d+", number, text)
    if kind == "aligned":

        def aligned(m: re.Match[bytes]) -> bytes:
            return (
                b" " + str(r.choice([0, 12, 123456, 1234567, 123456789])).encode().rjust(7)
                if r.random() < often
                else m[0]
            )

        return re.sub(rb" +\d+\b", aligned, text)
    if kind == "drop":
        return b"".join(lines[:at] + lines[at + 1 :])
    if kind == "double":
        return b"".join(lines[: at + 1] + lines[at:])
    if kind == "rename":
        return text.replace(
            r.choice([b"vda", b"eth0", b"loop1", b"cpu1", b"nr_", b"dma32", b"4k"]), b"new9", 1
        )
    if kind == "byte" and text:
        i = r.randrange(len(text))
        if (
            text[i : i + 1] == b"\n"
        ):  # the same tokens in other lines are judged by the lines they had when they were learnt
            return text
        return (
            text[:i] + bytes(r.choice(b" 0129-x\t") for _ in range(r.randrange(3))) + text[i + 1 :]
        )
    if kind == "cut":
        return text[: r.randrange(len(text) + 1)]
    return b"" if kind == "empty" else text
