"""Putting our classes in place of the suite's, in memory: no file of it is touched.

``PACKAGE.cluster_collector`` defines the collectors; other modules import them by name, most of all
``PACKAGE.benchmarks.base``, whose ``Benchmark.run`` starts and stops them.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

#: of ``cluster_collector``; the first two must be there
SERIES = ("TimeSeriesCollector", "MultiHostTimeSeriesCollector")
SNAPSHOTS = ("SSHClusterCollector", "MPIClusterCollector")

Benchmark = Any
AroundRun = Callable[[Benchmark], AbstractContextManager[None]]


class UnknownSuiteError(Exception):
    """The suite has another shape than any that is known. The text says what is different."""


def suite_modules(package: str) -> tuple[ModuleType, type[Benchmark]]:
    """Import and return the module of the collectors and the class of all benchmarks.

    UnknownSuiteError when they are not there, or cannot be imported.
    """
    modules = []
    for name in (f"{package}.cluster_collector", f"{package}.benchmarks.base"):
        try:
            modules.append(importlib.import_module(name))
        except Exception as e:
            raise UnknownSuiteError(f"{name} cannot be imported ({type(e).__name__}: {e})") from e
    collectors, base = modules
    benchmark = getattr(base, "Benchmark", None)
    if not isinstance(benchmark, type) or not callable(getattr(benchmark, "run", None)):
        raise UnknownSuiteError(f"{base.__name__} has no class Benchmark with a method run")
    for name in SERIES:
        if not isinstance(getattr(collectors, name, None), type):
            raise UnknownSuiteError(f"{collectors.__name__} has no class {name}")
    return collectors, benchmark


def check_arguments(original: Callable[..., Any], ours: Callable[..., Any]) -> None:
    """Check that ``ours`` can be called as ``original`` is. UnknownSuiteError when it cannot."""
    taken = inspect.signature(ours).parameters
    if any(p.kind is p.VAR_KEYWORD for p in taken.values()):
        return
    for name, parameter in inspect.signature(original).parameters.items():
        named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if named and name not in taken:
            raise UnknownSuiteError(f"{original.__qualname__} has an argument {name}")


def replace_everywhere(package: str, replacements: Mapping[int, Any]) -> None:
    """Replace objects, {id of the original: ours}, in every module of the package.

    The originals must be alive as long as this lasts.
    """
    for module in _modules_of(package):
        for name, value in list(vars(module).items()):
            if id(value) in replacements:
                setattr(module, name, replacements[id(value)])


def _modules_of(package: str) -> Iterator[ModuleType]:
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and (name == package or name.startswith(f"{package}.")):
            yield module


def surround_run(benchmark: type[Benchmark], around: AroundRun) -> None:
    """Have ``benchmark.run`` carried out within ``around(benchmark object)``."""
    original = benchmark.run

    @functools.wraps(original)
    def run(self: Benchmark, *args: Any, **kwargs: Any) -> Any:
        with around(self):
            return original(self, *args, **kwargs)

    benchmark.run = run


def note_exit_code(benchmark: Benchmark, note: Callable[[int | None], None]) -> None:
    """Have the exit code of the benchmark's ``_run`` noted as soon as it has returned.

    ``Benchmark.run`` ends its time series before it returns the code, and writes the files then.
    """
    original = getattr(benchmark, "_run", None)
    if not callable(original):
        return

    @functools.wraps(original)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            result = original(*args, **kwargs)
        except SystemExit as e:
            note(exit_code_of(e.code))
            raise
        note(exit_code_of(result))
        return result

    benchmark._run = run


def exit_code_of(result: object) -> int | None:
    """Return a result, a number or a member of an enumeration, as a number; None for others."""
    value = getattr(result, "value", result)
    return int(value) if isinstance(value, int) else None
