"""The architecture as a test: who may import whom, what is private, how large modules may be."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from mpi_collector.store.figures import BY_NAME

PACKAGE = Path(__file__).parent.parent / "mpi_collector"
MODULES = sorted(p.relative_to(PACKAGE.parent).as_posix() for p in PACKAGE.rglob("*.py"))

#: from the top down; layers on one line do not import each other
LAYERS = [
    ("suite",),
    ("cli",),
    ("benchmark", "mlpstorage"),
    ("report", "output"),
    ("transport", "why"),
    ("store",),
    ("formats",),
    ("batch",),
    ("node",),
    ("errors", "_version", "launchers", "scratch", "terminal_text"),
]
LEVEL = {name: n for n, names in enumerate(LAYERS) for name in names}

#: in the standard library of today, but not in that of Python 3.6
LATER_THAN_3_6 = {"contextvars", "dataclasses", "graphlib", "tomllib", "zoneinfo"}

#: the module that knows the binary format of a spool
FORMAT_MODULE = "mpi_collector/node/spool/format.py"

MAX_MODULE, MAX_FUNCTION = 300, 40
#: path of a module, or path:function -> why it is larger
LARGE = {
    "mpi_collector/node/agent/recorder.py": "the life of one recording, from prepare to discard, in one class",
    "mpi_collector/formats/run_document.py:run_document": "one line for each key, twice: argument and value",
    "mpi_collector/formats/verdict.py:verdict_of": "one line for each argument and for each key",
    "mpi_collector/formats/metadata.py:metadata": "one line for each key",
    "mpi_collector/node/host/snapshot/__init__.py:take": "one line for each part of a snapshot",
    "mpi_collector/benchmark/api.py:collect": "one line for each argument, twice: argument and option",
    "mpi_collector/cli/options.py:_add_spool_options": "declarations of options, a line per argument",
    "mpi_collector/store/figures/base.py:figure": "one keyword for each property of a figure, twice",
    "mpi_collector/store/figures/base.py": "a subject and the host it gets name each other: two modules would be a circle",
    "mpi_collector/transport/ranks/world.py": "the one module that may use MPI: messages, streams, clocks",
    "mpi_collector/transport/ranks/coordinator.py": "a method for each step of a transport, in one class",
    FORMAT_MODULE: "the one module that knows the binary format of a spool",
    "mpi_collector/node/sample/sampler.py:_loop": "cold code at every tick, measured: docs/performance.md",
}
#: modules that may use these names of it
FORMAT_USERS = {
    "mpi_collector/node/sample/sampler.py": {
        "FLAG_STOP",
        "FREE",
        "PAYLOAD_AT",
        "STAMP_FOLD",
        "STAMP_SHIFT",
    },
    "mpi_collector/node/spool/replica.py": {"FREE", "HEADER_BYTES"},
    "mpi_collector/node/spool/backup.py": {"HEADER_BYTES"},
    "mpi_collector/node/spool/reader.py": {"HEADER_BYTES", "VERSION"},
    "mpi_collector/node/table/table.py": {"ROW_FIELDS", "ROW_SOURCE_FIELDS"},
    "mpi_collector/batch/decoder.py": {"STAGE_ENDS", "STAGE_SIZES"},
}
#: folders whose modules handle the bytes of a spool: no literal offsets or indices there
SPOOL_FOLDERS = (
    "mpi_collector/node/spool/",
    "mpi_collector/node/sample/",
    "mpi_collector/node/table/",
    "mpi_collector/batch/decoder.py",
)
#: what a number is not added to, subtracted from or divided by in these modules, nor used as an index
OFFSETS = {
    "at", "base", "bases", "row_head", "row_size", "stage_head", "stage_size", "rows_at", "stage_at", "events_at",
    "head", "words",
}  # fmt: skip


@cache
def tree_of(path: str) -> ast.Module:
    return ast.parse((PACKAGE.parent / path).read_text(encoding="utf-8"), path)


def layer_of(path: str) -> str:
    """The first part of a module's path below the package; "" for the package itself and __main__."""
    first = path.split("/")[1]
    return "" if first in ("__init__.py", "__main__.py") else first.removesuffix(".py")


def imports_of(path: str) -> Iterator[tuple[int, str, int, bool]]:
    """(relative level, dotted name, line, at run time) of every import, those inside functions included."""
    tree = tree_of(path)
    typing_only: set[int] = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.If)
            and isinstance(node.test, ast.Name)
            and node.test.id == "TYPE_CHECKING"
        ):
            typing_only.update(
                n.lineno for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)
            )
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (
                (0, a.name, node.lineno, node.lineno not in typing_only) for a in node.names
            )
        elif isinstance(node, ast.ImportFrom):
            for a in node.names:  # "from package import module" imports the module
                name = f"{node.module}.{a.name}" if node.module else a.name
                yield node.level, name, node.lineno, node.lineno not in typing_only


def absolute(path: str, level: int, name: str) -> str:
    """The full dotted name of an import."""
    if not level:
        return name
    package = Path(path).parent.parts
    return ".".join((*package[: len(package) - level + 1], name))


def file_of(dotted: str) -> str | None:
    """The path of the module that a dotted name is, or is defined in."""
    while dotted.startswith("mpi_collector"):
        base = dotted.replace(".", "/")
        for candidate in (f"{base}.py", f"{base}/__init__.py"):
            if candidate in MODULES_SET:
                return candidate
        dotted = dotted.rpartition(".")[0]
    return None


MODULES_SET = set(MODULES)


def internal(path: str) -> Iterator[tuple[str, str, int, bool]]:
    """(imported file, imported name, line, at run time) of every import of the package's own modules."""
    for level, name, line, runtime in imports_of(path):
        full = absolute(path, level, name)
        target = file_of(full)
        if target is not None:
            yield target, full, line, runtime


def allowed(layer: str, target: str) -> bool:
    """May a module of ``layer`` import from ``target``?"""
    if layer == "" or layer == target:
        return target != "__main__"
    if target == "mlpstorage":  # the suite's classes stand beside the house
        return layer == "suite"
    return layer in LEVEL and target in LEVEL and LEVEL[layer] < LEVEL[target]


def test_the_test_sees_the_package() -> None:
    assert "mpi_collector/node/sample/sampler.py" in MODULES and len(MODULES) > 100


def test_every_layer_has_a_level() -> None:
    """A new folder or top-level module must be given its level here."""
    assert {layer_of(p) for p in MODULES} <= {*LEVEL, ""}


def test_imports_point_downwards() -> None:
    """No module imports from a layer above its own, nor from one beside it."""
    wrong = [
        f"{path}:{line} imports {name}"
        for path in MODULES
        for target, name, line, _ in internal(path)
        if layer_of(target)
        and not allowed(layer_of(path), layer_of(target))
        and layer_of(path) != "errors"
    ]
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
        ("output", "formats", True),
        ("formats", "output", False),
        ("formats", "store", False),
        ("store", "formats", True),
        ("output", "mlpstorage", False),
        ("benchmark", "mlpstorage", False),
        ("suite", "mlpstorage", True),
        ("suite", "cli", True),
        ("cli", "suite", False),
        ("mlpstorage", "transport", True),
        ("mlpstorage", "cli", False),
        ("batch", "store", False),
        ("node", "errors", True),
        ("", "cli", True),
    ],
)
def test_the_rule_itself(layer: str, target: str, answer: bool) -> None:
    """The rule says yes and no where it should."""
    assert allowed(layer, target) == answer


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The nodes of one circle of ``graph`` in order, or nothing."""
    state: dict[str, int] = {}
    stack: list[str] = []

    def visit(node: str) -> list[str]:
        state[node] = 1
        stack.append(node)
        for target in sorted(graph.get(node, ())):
            if state.get(target) == 1:
                return stack[stack.index(target) :]
            if target not in state and (found := visit(target)):
                return found
        stack.pop()
        state[node] = 2
        return []

    for node in sorted(graph):
        if node not in state and (found := visit(node)):
            return found
    return []


def test_no_circles() -> None:
    """Imports between modules have no circle, those inside functions and for type checkers included."""
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        targets = {t for t, _, _, _ in internal(path)} - {path}
        graph[path] = targets - {"mpi_collector/__init__.py"}
    assert circle(graph) == []


def test_the_circle_finder() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]


def rooms(path: str) -> str:
    """The folder of a module of node/ below the package: each is a room with imports one way."""
    return "/".join(path.split("/")[1:3]) if path.count("/") > 2 else path


def test_no_circles_between_the_rooms_of_node() -> None:
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        if layer_of(path) == "node":
            graph.setdefault(rooms(path), set()).update(
                rooms(t) for t, _, _, _ in internal(path) if rooms(t) != rooms(path)
            )
    assert circle(graph) == []


def test_nothing_private_crosses_a_module() -> None:
    """A name with a leading underscore is used in the module that defines it, and nowhere else."""
    wrong = [
        f"{path}:{line} imports {name}"
        for path in MODULES
        for _, name, line, _ in internal(path)
        if name.rpartition(".")[2].startswith("_")
        and name.rpartition(".")[2] not in ("__version__", "_version")
    ]
    for path in MODULES:
        modules = {
            n.rpartition(".")[2]
            for t, n, _, _ in internal(path)
            if file_of(n) == t and is_module(n)
        }
        wrong += [
            f"{path}:{node.lineno} uses {node.value.id}.{node.attr}"
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in modules
            and node.attr.startswith("_")
            and not node.attr.startswith("__")
        ]
    assert wrong == []


def is_module(dotted: str) -> bool:
    base = dotted.replace(".", "/")
    return f"{base}.py" in MODULES_SET or f"{base}/__init__.py" in MODULES_SET


def test_node_stands_alone() -> None:
    """What is sent to a host imports the standard library of Python 3.6 and, relatively, itself."""
    wrong = []
    for path in MODULES:
        if layer_of(path) != "node":
            continue
        for level, name, line, _ in imports_of(path):
            top = name.split(".")[0]
            if level:
                fine = absolute(path, level, name).startswith("mpi_collector.node.")
            else:
                fine = top in sys.stdlib_module_names and top not in LATER_THAN_3_6
            if not fine:
                wrong.append(f"{path}:{line} imports {name}")
    assert wrong == []


def test_one_module_knows_mpi() -> None:
    """mpi4py is imported in one module."""
    found = {
        p
        for p in MODULES
        for level, name, _, _ in imports_of(p)
        if not level and name.split(".")[0] == "mpi4py"
    }
    assert found == {"mpi_collector/transport/ranks/world.py"}


def constants_of_format() -> set[str]:
    """The constants of the format module: fields, offsets and sizes."""
    return {
        target.id
        for node in tree_of(FORMAT_MODULE).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id.isupper() and target.id != "TYPE_CHECKING"
    }


def name_of(node: ast.AST) -> str:
    """The last part of a name or an attribute; "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def literal_offsets(tree: ast.AST) -> Iterator[int]:
    """The lines with a number in the arithmetic of an offset or as the index of a word."""

    def is_number(node: ast.AST | None) -> bool:
        if isinstance(node, ast.UnaryOp):
            node = node.operand
        return isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value != 0

    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp):
            sides = (node.left, node.right)
            if any(map(is_number, sides)) and any(name_of(s) in OFFSETS for s in sides):
                yield node.lineno
        elif isinstance(node, ast.Subscript) and name_of(node.value) in OFFSETS:
            parts = ast.walk(node.slice)
            if any(is_number(part) for part in parts):
                yield node.lineno


def test_one_module_knows_the_format_of_a_spool() -> None:
    """Fields, offsets and checksum of stage slots and rows are known to one module of the program."""
    constants = constants_of_format()
    assert {"ROW_FIELDS", "STAGE_FIELDS", "STAMP_SHIFT", "HEADER_BYTES"} <= constants
    wrong = []
    for path in MODULES:
        uses_format = path != FORMAT_MODULE and FORMAT_MODULE in {
            t for t, _, _, _ in internal(path)
        }
        allowed_names = FORMAT_USERS.get(path, set())
        for node in ast.walk(tree_of(path)) if uses_format else ():
            if name_of(node) in constants - allowed_names:
                wrong.append(f"{path}:{getattr(node, 'lineno', 0)} uses {name_of(node)}")
        if path != FORMAT_MODULE and path.startswith(SPOOL_FOLDERS):
            wrong += [
                f"{path}:{line} has a literal offset" for line in literal_offsets(tree_of(path))
            ]
    assert wrong == []


def test_format_users_use_it() -> None:
    """Every name that a module may use of the format is used there."""
    for path, names in FORMAT_USERS.items():
        assert names <= {name_of(node) for node in ast.walk(tree_of(path))}, path


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("data[at + 16 : at + size]", 2),
        ("x = words[6:8]", 1),
        ("x = words[:, 2]", 1),
        ("n = shape.row_head // 8 - 2", 1),
        ("at + 24", 1),
        ("words[stage_word('flags')]", 0),
        ("data[at + PAYLOAD_AT : at + shape.row_size]", 0),
        ("words[:, STAGE_ENDS]", 0),
        ("slots + 1", 0),
    ],
)
def test_literal_offsets_are_found(code: str, lines: int) -> None:
    """The search for literal offsets finds what it should and nothing else."""
    assert len(list(literal_offsets(ast.parse(code)))) == min(lines, 1)


def test_reading_a_spool_needs_no_sampler() -> None:
    """The reader of a dead spool does not import the sampling thread, a writer of files no transport."""
    for start, barred in (
        (
            "mpi_collector/node/table/recovered.py",
            ("mpi_collector/node/sample/",),
        ),
        ("mpi_collector/output/sink.py", ("mpi_collector/transport/",)),
        (
            "mpi_collector/formats/suite_samples.py",
            ("mpi_collector/transport/", "mpi_collector/node/sample/"),
        ),
    ):
        seen, todo = set(), [start]
        while todo:
            path = todo.pop()
            if path not in seen:
                seen.add(path)
                todo += [t for t, _, _, runtime in internal(path) if runtime]
        assert [p for p in sorted(seen) if p.startswith(barred)] == [], start


def test_figures_are_listed_where_they_are_declared() -> None:
    """Outside of store/figures/ no code names a figure: it asks the declarations.

    ``node`` and ``batch`` know columns, some of which have the name of a figure; a text with fewer
    than three figures is an example.
    """
    names = set(BY_NAME)
    wrong = []
    for path in MODULES:
        if path.startswith("mpi_collector/store/figures/") or layer_of(path) in ("node", "batch"):
            continue
        documentation = docstrings(tree_of(path))
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named = names & set(re.findall(r"\w+", node.value))
                listed = node.value in names or len(named) > 2
                if listed and node not in documentation:
                    wrong.append(f"{path}:{node.lineno} names {', '.join(sorted(named))}")
    assert wrong == []


def docstrings(tree: ast.Module) -> set[ast.Constant]:
    """The strings of a module that stand for themselves."""
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def test_sizes() -> None:
    """A module above 300 lines or a function above 40 has its reason in the list above."""
    wrong = []
    for path in MODULES:
        lines = len((PACKAGE.parent / path).read_text(encoding="utf-8").splitlines())
        if lines > MAX_MODULE and path not in LARGE:
            wrong.append(f"{path} has {lines} lines")
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION and f"{path}:{node.name}" not in LARGE:
                    wrong.append(f"{path}:{node.name} has {length} lines")
    assert wrong == []


def test_reasons_are_for_something() -> None:
    """Every entry of the list names something that is really too large."""
    assert {name.split(":")[0] for name in LARGE} <= set(MODULES)
