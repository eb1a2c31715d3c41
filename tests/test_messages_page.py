"""docs/when-it-does-not-start.md: every message in it is one of the code's, and its table is that of the code."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from settings_table import BEGIN, END, OWN_BEGIN, OWN_END, own_table, settings_table

_REPOSITORY = Path(__file__).parents[1]
PAGE = _REPOSITORY / "docs" / "when-it-does-not-start.md"
MESSAGES = re.findall(r"(?m)^### `(.+)`$", PAGE.read_text())


@cache
def texts() -> tuple[str, ...]:
    """Return every text of the code; of an f-string the constant parts, with a mark for each value."""
    found = []
    for path in (_REPOSITORY / "mpi_collector").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = [p.value if isinstance(p, ast.Constant) else "\0" for p in node.values]
                found.append("".join(str(p) for p in parts))
    return tuple(found)


@pytest.mark.parametrize("message", MESSAGES)
def test_messages_are_the_codes(message: str) -> None:
    """A text of the code has the parts of the message in their order."""
    parts = [part for part in message.split("...") if part.strip()]
    pattern = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
    assert any(pattern.search(text) for text in texts()), message


def test_there_are_messages() -> None:
    assert len(MESSAGES) >= 20
    assert len(set(MESSAGES)) == len(MESSAGES)


def test_table_of_settings() -> None:
    """Written by tests/helpers/settings_table.py."""
    text = PAGE.read_text()
    assert text[text.index(BEGIN) + len(BEGIN) : text.index(END)].strip() == settings_table()


def test_table_of_our_own_variables() -> None:
    text = PAGE.read_text()
    assert text[text.index(OWN_BEGIN) + len(OWN_BEGIN) : text.index(OWN_END)].strip() == own_table()


# ---- the inputs that are tested
INPUTS = re.findall(r"(?m)^\|.*\| `(tests/[\w/]+\.py)::(test_\w+)` \|$", PAGE.read_text())


@pytest.mark.parametrize(("path", "name"), sorted(set(INPUTS)))
def test_an_input_is_tested(path: str, name: str) -> None:
    tree = ast.parse((_REPOSITORY / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_row_of_inputs_names_a_test() -> None:
    lines = PAGE.read_text().partition("## Inputs that are tested")[2].splitlines()
    rows = [line for line in lines if line.startswith("|")][2:]
    assert len(rows) == len(INPUTS) > 30
