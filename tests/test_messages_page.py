"""docs/when-it-does-not-start.md: every message in it is one of the code's, and its table is that of the code."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from settings_table import BEGIN, END, settings_table

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
