"""A module ``tensorflow`` that does nothing: DLIO 2.0 imports it whatever framework a workload uses."""

from __future__ import annotations

from pathlib import Path

_MODULE = """
class _Any:
    def __getattr__(self, name): return _Any()
    def __call__(self, *a, **k): return a[0] if a and callable(a[0]) else _Any()
def __getattr__(name):
    if name.startswith("__"): raise AttributeError(name)
    return _Any()
"""


def write_tensorflow(directory: Path) -> None:
    """Write the module into a directory of the import path."""
    (directory / "tensorflow.py").write_text(_MODULE)
