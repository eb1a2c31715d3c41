"""/proc/diskstats: cut lines, fields of later kernels."""

from __future__ import annotations

from nodekit import (
    Decoded,
    edge,
    text_of,
)

from mpi_collector.node.row.layout import MISSING
from mpi_collector.node.status import MALFORMED


def test_short_line_loses_only_itself() -> None:
    """A device cut in the middle is missing; the lines before and behind it are right."""
    text = edge("diskstats-short-line")
    one = Decoded("diskstats", text_of("linux-4.18", "diskstats"))
    cells, status = one.decode(text)
    assert status == MALFORMED
    assert {v for n, v in cells.items() if n.startswith("diskstats.sda1.")} == {MISSING}
    assert (
        cells["diskstats.sda.sectors_read"] == 856916
        and cells["diskstats.sda3.time_reading_ms"] == 2850
    )


def test_future_fields_are_kept() -> None:
    """Numbers behind those that have a name are kept as field_N, with a declaration of their own."""
    one = Decoded("diskstats", edge("diskstats-future-20-fields"))
    cells, _ = one.decode(edge("diskstats-future-20-fields"))
    assert [cells[f"diskstats.nvme0n1.field_{n}"] for n in (18, 19, 20)] == [77, 4928, 31]
    columns = {c.name: c for c in one.layout.columns()}
    assert columns["diskstats.nvme0n1.field_18"].kind == "gauge"
