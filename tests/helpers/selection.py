"""Which tests of a matrix run: all of it, or every test over one MPI or transport."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

_OVER = re.compile(r"-?(openmpi4|openmpi|mpich|ssh)")


def all_tests() -> bool:
    """Return whether ``scripts/test --all`` runs."""
    return bool(os.environ.get("MPI_COLLECTOR_TEST_ALL"))


def first_of(*values: Any) -> tuple[Any, ...]:
    """Return all values of a parameter when ``scripts/test --all`` runs, else the first of them."""
    return values if all_tests() else values[:1]


def one_of_each(config: pytest.Config, items: list[pytest.Item], folder: Path) -> None:
    """Deselect all but one parameter of every test below ``folder``, another one from test to test.

    Nothing is deselected by ``scripts/test --all``, nor where tests are chosen by ``-k``.
    """
    if all_tests() or config.getoption("keyword"):
        return
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        if folder in item.path.parents:
            groups.setdefault(_OVER.sub("", item.nodeid), []).append(item)
    left_out = {
        item
        for n, group in enumerate(groups.values())
        for k, item in enumerate(group)
        if k != n % len(group)
    }
    config.hook.pytest_deselected(items=[i for i in items if i in left_out])
    items[:] = [i for i in items if i not in left_out]
