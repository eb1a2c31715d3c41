"""Print docs/test-results.md from the JUnit files of ``scripts/test --all``.

test_results.py DIRECTORY [SKIPPED...]
"""

from __future__ import annotations

import platform
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

_TITLES = {
    "1-unit": "unit and property tests",
    "2-cluster": "fake hosts",
    "3-faults": "faults",
}


def row(path: Path) -> str:
    """Return the line of one group."""
    suite = next(ElementTree.parse(path).getroot().iter("testsuite"))
    total, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    minutes = float(suite.get("time", 0)) / 60
    name = path.stem.removesuffix("-alone")
    title = _TITLES.get(name, name) + (", what failed, alone" if name != path.stem else "")
    return f"| {title} | {total - skipped - failed} | {failed} | {skipped} | {minutes:.1f} min |"


def main() -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    print("# The last run of all tests\n")
    print("`scripts/test --all` writes this page.\n")
    print(f"{time.strftime('%Y-%m-%d')}, commit {commit}, Python {platform.python_version()}.\n")
    print("| group | passed | failed | skipped | time |\n|---|---:|---:|---:|---:|")
    for path in sorted(Path(sys.argv[1]).glob("*.xml")):
        print(row(path))
    if sys.argv[2:]:
        print("\nNot tried on that machine:\n")
        print("\n".join(f"* {text}" for text in sys.argv[2:]))


if __name__ == "__main__":
    main()
