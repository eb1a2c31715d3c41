"""The list of inputs and their tests: every test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent


def test_every_test_that_is_named_is_there() -> None:
    folder = "report/trees/"
    named = 0
    for name in re.findall(
        r"\b((?:\w+/)+test_\w+\.py(?:::test_\w+)?)", (HERE / "README.md").read_text()
    ):
        path, _, test = name.replace("trees/", folder, 1).partition("::")
        text = (HERE.parents[1] / path).read_text()
        assert f"def {test}(" in text or not test, name
        named += 1
    assert named > 30
