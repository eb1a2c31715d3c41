"""Faults of this program's own: code that a started Python runs before anything else, by PYTHONPATH."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

_HOME = str(Path(__file__).parents[2])
#: calls ``change(module)`` as soon as ``name`` has been imported
_HOOK = """
import importlib.abc, importlib.util, sys

class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, name, change):
        self.name, self.change = name, change
    def find_spec(self, fullname, path=None, target=None):
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            self.change(module)
        spec.loader.exec_module = exec_module
        return spec

def on_import(name):
    return lambda change: sys.meta_path.insert(0, _Finder(name, change))
"""


def sabotaged(directory: Path, code: str) -> dict[str, str]:
    """Return variables under which every Python runs ``code`` first.

    ``@on_import(NAME)`` in it decorates a function that gets the module NAME when it is imported.
    """
    directory.mkdir(exist_ok=True)
    text = _HOOK + textwrap.dedent(code)
    (directory / "sitecustomize.py").write_text(text)
    others = [p for p in os.environ.get("PYTHONPATH", "").split(":") if p]
    return {"PYTHONPATH": ":".join([str(directory), *(others or [_HOME])])}
