"""/proc/diskstats: cut lines, fields of later kernels."""

from __future__ import annotations

from pathlib import Path

import pytest
from nodekit import (
    Decoded,
    edge,
    text_of,
)
from sampled_tree import Tree, sampled
from sourcekit import decoded

from mpi_collector.node.row.layout import MISSING
from mpi_collector.node.status import MALFORMED, OK


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


def test_lines_of_three_generations() -> None:
    """Of each the values that it has; two disks under one number are two."""
    text = edge("diskstats-three-generations")
    cells, status = Decoded("diskstats", text).decode(text)
    found = {
        name: [cells[f"diskstats.{name}.{f}"] for f in ("sectors_read", "discards_completed", "time_flushing_ms")]
        for name in ("sda", "nvme0n1", "sdb", "sdc")
    }  # fmt: skip
    assert status == OK
    assert found == {
        "sda": [1003346126, MISSING, MISSING],
        "nvme0n1": [4643973, MISSING, MISSING],
        "sdb": [9657779, 68851, MISSING],
        "sdc": [1657779, 18851, 1944],
    }


def test_future_fields_are_kept() -> None:
    """Numbers behind those that have a name are kept as field_N, with a declaration of their own."""
    one = Decoded("diskstats", edge("diskstats-future-20-fields"))
    cells, _ = one.decode(edge("diskstats-future-20-fields"))
    assert [cells[f"diskstats.nvme0n1.field_{n}"] for n in (18, 19, 20)] == [77, 4928, 31]
    columns = {c.name: c for c in one.layout.columns()}
    assert columns["diskstats.nvme0n1.field_18"].kind == "gauge"


@pytest.mark.parametrize("values", range(1, 21))
def test_lines_of_any_length(values: int) -> None:
    """From 11 numbers on what every kernel prints in front is taken; beyond 17 all of it.

    lxcfs prints 14: the line lacks the discards completed, so what is behind the first 11 would get
    wrong names.
    """
    line = b"8 0 sda " + b" ".join(b"%d" % n for n in range(1, values + 1)) + b"\n"
    cells, status = decoded("diskstats", line)
    taken = max((n for n in (0, 11, 15, 17) if n <= values), default=0) if values <= 17 else values
    taken = 4 if values == 4 else taken
    assert len(cells) == taken
    assert status == (OK if taken else MALFORMED)
    if taken >= 11:
        assert cells["sda.sectors_read"] == 3
        assert cells["sda.weighted_time_doing_ios_ms"] == 11


def test_a_container_under_lxcfs(tmp_path: Path) -> None:
    """Seventeen words a line: the disk counts, with its rates."""
    tree = Tree(tmp_path / "root")
    at = "proc/diskstats"
    tree.write(at, "8       0 sda 18 0 1808 0 0 0 0 0 0 0 0 0 0 0\n")
    found = sampled(
        tree,
        tmp_path / "results",
        "diskstats",
        lambda: tree.write(at, "8       0 sda 118 0 206608 9 0 0 0 0 0 9 9 0 0 0\n"),
    )
    assert found.moved("read_bytes_per_s") == pytest.approx(204800 * 512, rel=1e-3)
    assert found.moved("read_iops") == pytest.approx(100, rel=1e-3)
    assert [r for r in found.reasons if "diskstats" in r] == []


def test_a_real_container_of_lxcfs() -> None:
    """Lines of 17 words: the first 11 values."""
    cells, status = decoded("diskstats", text_of("lxcfs", "diskstats"))
    assert status == OK
    assert cells["sda.reads_completed"] == 18 and cells["dm-0.sectors_read"] == 1808
    assert not [name for name in cells if "discard" in name]
