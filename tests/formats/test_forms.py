"""What this program writes has the forms that its readers ask for, on every machine that there is a tree of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mpi_collector.formats.run_forms import META
from mpi_collector.node.host.snapshot import take, topology

FIXTURES = Path(__file__).parents[1] / "fixtures"
ROOTS = ["/", *(str(p) for p in sorted(FIXTURES.iterdir()) if (p / "proc").is_dir())]


@pytest.mark.parametrize("root", ROOTS)
def test_meta(root: str) -> None:
    snapshot = take((root,), root)
    meta = {"snapshot": snapshot, "topology": topology(snapshot), "snapshot_end": None}
    META.check(json.loads(json.dumps(meta)))


def test_there_are_trees() -> None:
    assert len(ROOTS) > 4
