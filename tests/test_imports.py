"""Who may import whom, and how large things may be: the architecture as a test."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "mpi_collector"
MODULES = sorted(p.relative_to(PACKAGE.parent).as_posix() for p in PACKAGE.rglob("*.py"))

#: from the top down; folders on one line do not know each other
LAYERS = [("cli",), ("benchmark",), ("report", "output"), ("transport",), ("store",), ("node",)]
LEVEL = {name: n for n, names in enumerate(LAYERS) for name in names}
#: beside the layers: the suite's formats
SUITE_IMPORTED_BY = {"output", "benchmark", "cli", "mlpstorage"}
SUITE_MAY_IMPORT = {
    "transport",
    "store",
    "node",
    "mlpstorage",
}  # its collectors are ours underneath

#: in the standard library of today, but not in that of Python 3.6
LATER_THAN_3_6 = {"contextvars", "dataclasses", "graphlib", "tomllib", "zoneinfo"}

MAX_MODULE, MAX_FUNCTION = 300, 40
#: path of a module, or path:function -> why it is larger
LARGE = {
    "mpi_collector/node/spool.py": "one file format: what writes it and what reads it change together",
    "mpi_collector/node/sampler.py:_loop": "every call is cold code at every tick: measured, see docs/performance.md",
    "mpi_collector/node/sampler.py": "one thread, from its start to the row: the stage's layout is known nowhere else",
    "mpi_collector/transport/root.py": "rank 0's side of one conversation, from hello to farewell",
    "mpi_collector/benchmark/collect.py": "one run from its names to its files: every step leaves what the next one needs",
}


@cache
def tree_of(path: str) -> ast.Module:
    return ast.parse((PACKAGE.parent / path).read_text(encoding="utf-8"), path)


def layer_of(path: str) -> str:
    """The folder of a module below the package, or its own name; "" for the package itself and __main__."""
    first = path.split("/")[1]
    return "" if first in ("__init__.py", "__main__.py") else first.removesuffix(".py")


def imports_of(path: str) -> Iterator[tuple[int, str, int]]:
    """(relative level, dotted name, line) of every import, those inside functions and for type checkers included."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((0, a.name, node.lineno) for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            # "from package import folder" imports the folder
            for a in node.names:
                yield node.level, f"{node.module}.{a.name}" if node.module else a.name, node.lineno


def absolute(path: str, level: int, name: str) -> str:
    """The full dotted name of an import."""
    if not level:
        return name
    package = Path(path).parent.parts
    return ".".join((*package[: len(package) - level + 1], name))


def inner(path: str) -> Iterator[tuple[str, str]]:
    """(layer, place) of every import of the package's own parts."""
    for level, name, line in imports_of(path):
        parts = absolute(path, level, name).split(".")
        if parts[0] == "mpi_collector" and len(parts) > 1 and is_layer(parts[1]):
            yield parts[1], f"{path}:{line} imports {'.'.join(parts)}"


def is_layer(name: str) -> bool:
    """A folder or module of the package, not a name defined in its __init__."""
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists()


def allowed(layer: str, target: str) -> bool:
    """May a module of ``layer`` import from ``target``?"""
    if layer == "" or layer == target:
        return target != "__main__"
    if target.startswith("mlpstorage"):
        return layer in SUITE_IMPORTED_BY or layer.startswith("mlpstorage")
    if layer.startswith("mlpstorage"):
        return target in SUITE_MAY_IMPORT
    return layer in LEVEL and target in LEVEL and LEVEL[layer] < LEVEL[target]


def test_there_is_a_package() -> None:
    """The test looks at something."""
    assert "mpi_collector/node/sampler.py" in MODULES and len(MODULES) > 20


def test_every_folder_has_a_place() -> None:
    """A new folder must be given its level here."""
    known = {*LEVEL, "", "mlpstorage"}
    assert {layer_of(p) for p in MODULES if not layer_of(p).startswith("mlpstorage")} <= known


@pytest.mark.parametrize("path", MODULES)
def test_imports_point_downwards(path: str) -> None:
    """No module imports from a layer above its own, nor from one beside it."""
    wrong = [place for target, place in inner(path) if not allowed(layer_of(path), target)]
    assert wrong == []


@pytest.mark.parametrize(
    ("layer", "target", "answer"),
    [
        ("cli", "benchmark", True),
        ("cli", "node", True),
        ("node", "store", False),
        ("store", "transport", False),
        ("output", "report", False),
        ("report", "output", False),
        ("output", "mlpstorage", True),
        ("report", "mlpstorage", False),
        ("transport", "mlpstorage", False),
        ("mlpstorage", "store", True),
        ("mlpstorage", "output", False),
        ("node", "cli", False),
        ("", "cli", True),
    ],
)
def test_the_rule_itself(layer: str, target: str, answer: bool) -> None:
    """The rule says yes and no where it should."""
    assert allowed(layer, target) == answer


@pytest.mark.parametrize("path", [p for p in MODULES if layer_of(p) == "node"])
def test_node_stands_alone(path: str) -> None:
    """What is sent to a host imports the standard library of Python 3.6 and, relatively, itself."""
    for level, name, line in imports_of(path):
        if level:
            assert absolute(path, level, name).startswith("mpi_collector.node."), f"{path}:{line}"
        else:
            top = name.split(".")[0]
            assert top in sys.stdlib_module_names and top not in LATER_THAN_3_6, (
                f"{path}:{line} imports {name}"
            )


def test_one_module_knows_mpi() -> None:
    """mpi4py is imported in transport/mpi.py and nowhere else."""
    found = {
        p
        for p in MODULES
        for level, name, _line in imports_of(p)
        if not level and name.split(".")[0] == "mpi4py"
    }
    assert found == {"mpi_collector/transport/mpi.py"} & set(MODULES)


@pytest.mark.parametrize("path", MODULES)
def test_sizes(path: str) -> None:
    """A module above 300 lines or a function above 40 has its reason in the list above."""
    lines = len((PACKAGE.parent / path).read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_MODULE or path in LARGE, f"{path} has {lines} lines"
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            name = f"{path}:{node.name}"
            assert length <= MAX_FUNCTION or name in LARGE, f"{name} has {length} lines"


def test_reasons_are_for_something() -> None:
    """The list names modules that exist."""
    assert {name.split(":")[0] for name in LARGE} <= set(MODULES)
