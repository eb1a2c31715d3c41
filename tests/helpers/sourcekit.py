"""Sources on fixture trees: opened, read and decoded as a sampler does."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from nodekit import FIXTURES

from mpi_collector.node.read.probe import Probe
from mpi_collector.node.row.decode import RowDecoder, make_layout
from mpi_collector.node.row.layout import MISSING
from mpi_collector.node.sources import BY_NAME, select
from mpi_collector.node.status import OK


def plant(root: Path, name: str) -> list[tuple[str, str]]:
    """Write the files that a list of fixtures/sysfs names below ``root``. Return (path, value)."""
    pairs = []
    for line in (FIXTURES / "sysfs" / name).read_text().splitlines():
        if not line.startswith("#"):
            path, _, value = line.partition(" ")
            pairs.append((path, value))
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(value + "\n")
    assert pairs
    return pairs


def recorded(spec: str, root: Path) -> dict[str, int]:
    """Return {column: value} of one sample below ``root``, read and decoded as a sampler does."""
    probe = Probe(select(spec), str(root))
    assert not probe.absent, probe.reasons
    texts: list[bytes | int] = []
    for opened in probe.files:
        view = memoryview(bytearray(opened.capacity))
        n = opened.read_into(view, 0)
        texts.append(bytes(view[:n]) if n >= 0 else -n)
    row, statuses = RowDecoder(probe.sources, probe.layout, lambda event: None).decode(texts, 0)
    probe.close()
    assert set(statuses) == {OK}
    columns = probe.layout.columns()
    without_unit = [c.name for c in columns if not c.unit]
    assert [n for n in without_unit if not n.endswith(".link_up") and "infiniband" not in n] == []
    return {
        c.name: v
        for c, v in zip(columns, row)
        if c.device is not None and v != MISSING and c.source != "collector"
    }


def nonzero(spec: str, tree: str) -> dict[str, int]:
    """Return {column without the source: value} of a fixture tree, without zeros."""
    found = recorded(spec, FIXTURES / tree).items()
    return {name.partition(".")[2]: value for name, value in found if value}


class Decoding(NamedTuple):
    """``cells``: {column without the source: value} of what is not missing."""

    cells: dict[str, int]
    status: int


def decoded(name: str, text: bytes, later: bytes | None = None) -> Decoding:
    """Decode ``later`` (or ``text``) under the layout of ``text``."""
    source = BY_NAME[name]()
    layout = make_layout([source], [text])
    decoder = RowDecoder([source], layout, lambda event: None)
    row, (status,) = decoder.decode([text if later is None else later], 0)
    assert len(row) == layout.width
    cells = {
        c.name.partition(".")[2]: v
        for c, v in zip(layout.columns(), row)
        if c.device is not None and v != MISSING and c.source != "collector"
    }
    return Decoding(cells, status)
