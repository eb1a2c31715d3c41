"""docs/mlpstorage.md: every statement names a test that exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "mlpstorage.md"
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
_HEADS = ("the suite", "ours", "shown by")


def rows() -> list[list[str]]:
    """The cells of each statement."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if tuple(row) != _HEADS and set("".join(row)) != {"-"}]


@cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:40])
def test_a_statement_is_shown(row: list[str]) -> None:
    assert len(row) == len(_HEADS), row
    found = _TEST.fullmatch(row[-1])
    assert found, row[-1]
    path, name = found.groups()
    assert (ROOT / path).is_file(), path
    assert name in functions_of(path)


def test_all_parts_are_there() -> None:
    """Each part has statements; that the page is read at all is seen here."""
    parts = re.findall(r"(?m)^## (.+)$", PAGE.read_text(encoding="utf-8"))
    assert len(parts) == 9
    assert len(rows()) > 60
