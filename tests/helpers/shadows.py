"""A directory in which a file bears the name of each module of the standard library."""

from __future__ import annotations

import sys
from pathlib import Path


def shadows(directory: Path) -> Path:
    """Make the directory. Each file notes its name in ``executed``, and fails."""
    directory.mkdir()
    for name in sorted(sys.stdlib_module_names - set(sys.builtin_module_names)):
        text = f"open({str(directory / 'executed')!r}, 'a').write({name!r} + ' ')\n"
        (directory / f"{name}.py").write_text(f"{text}raise ImportError({name!r})\n")
    return directory


def executed(directory: Path) -> str:
    """Return the names of the files that were run, "" if none was."""
    note = directory / "executed"
    return note.read_text() if note.exists() else ""
