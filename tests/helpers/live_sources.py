"""Columns of sources on the running kernel."""

from __future__ import annotations

from mpi_collector.node.read.probe import Probe
from mpi_collector.node.row.decode import RowDecoder
from mpi_collector.node.row.layout import MISSING
from mpi_collector.node.sources import select


class Watch:
    """Reads the sources ``spec``: {column: value} at any moment."""

    def __init__(self, spec: str) -> None:
        self.probe = Probe(select(spec))
        self.decoder = RowDecoder(self.probe.sources, self.probe.layout, lambda event: None)

    def now(self) -> dict[str, int]:
        texts: list[bytes | int] = []
        for f in self.probe.files:
            view = memoryview(bytearray(f.capacity))
            n = f.read_into(view, 0) if f.fd < 0 else f.rest(view, 0)
            texts.append(bytes(view[:n]) if n >= 0 else -n)
        row, _ = self.decoder.decode(texts, 0)
        return {
            c.name: v
            for c, v in zip(self.probe.layout.columns(), row)
            if c.device is not None and v != MISSING
        }
