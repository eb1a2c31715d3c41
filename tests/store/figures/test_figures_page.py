"""docs/figures.md is what ``scripts/figures`` writes, and its formulas are of columns that there are."""

from __future__ import annotations

import importlib
import inspect
import re
import runpy
from pathlib import Path

import pytest

from mpi_collector.node.sources import ALL
from mpi_collector.store.figures import FIGURES, SUBJECTS

ROOT = Path(__file__).parents[3]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "figures"))


def test_page_is_not_stale() -> None:
    assert (ROOT / "docs" / "figures.md").read_text() == SCRIPT["text"]()


def test_every_figure_is_on_the_page() -> None:
    page = (ROOT / "docs" / "figures.md").read_text()
    for figure in FIGURES:
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `{figure.name}` |"))
        cells = [cell.strip() for cell in row.split(" | ")]
        assert (cells[1], cells[2]) == (figure.label, figure.unit) and cells[3]


@pytest.mark.parametrize("figure", [f.name for f in FIGURES])
def test_formula_has_columns_that_there_are(figure: str) -> None:
    """Of the declarations, or, where a file has any keys, of the module that computes the figure."""
    fields = {field.name for source in ALL for field in source().fields}
    (subject,) = (s for s in SUBJECTS if figure in [f.name for f in s.figures])
    module = inspect.getsource(importlib.import_module(subject.derive.__module__))
    for word in re.findall(r"[A-Za-z][A-Za-z0-9]*(?:[_.][A-Za-z0-9]+)+", SCRIPT["formula"](figure)):
        name = word.rpartition(".")[2]
        declared = word in fields or name in fields or word in module or name in module
        assert declared or word.startswith("OPERATION_"), word
