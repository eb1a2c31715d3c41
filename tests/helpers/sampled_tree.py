"""Trees of kernel files that change while the whole program samples them, writes its files and sums them up."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import mpi_collector
from mpi_collector.node.row.layout import MISSING
from mpi_collector.report.summary import document
from mpi_collector.store.figures import derive
from mpi_collector.store.figures.base import Series

INTERVAL_S = 0.05
TICKS = 3  #: that pass at every step, about


class Sampled(NamedTuple):
    """``columns``: {name: value in every row, None where missing}; ``summary``: as ``summary --json`` has it.

    ``figures``: {name: the figure of the one host}.
    """

    columns: dict[str, list[int | None]]
    figures: dict[str, Series]
    summary: dict[str, Any]

    def known(self, name: str) -> list[int]:
        """The values that are known, in order."""
        return [v for v in self.columns[name] if v is not None]

    def moved(self, figure: str) -> float:
        """The mean of a rate times the time in which it is known: what was moved in that time."""
        series = self.figures[figure]
        return series.mean * series.known_s

    def about(self, source: str) -> list[str]:
        """The reasons of the verdict that name a source: a busy machine may have others."""
        return [r for r in self.reasons if source in r]

    @property
    def reasons(self) -> list[str]:
        found = self.summary["verdict"]["reasons"]
        return [str(r) for r in found]


class Tree:
    """Files below a root, written in place: a held file of /proc shows its new text, too."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: str) -> None:
        """Write a file at once, whether it is there or not."""
        at = self.root / path
        at.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(at, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(fd, text.encode(), 0)
            os.truncate(fd, len(text.encode()))
        finally:
            os.close(fd)

    def remove(self, path: str) -> None:
        """Remove a file, or a directory and all in it."""
        at = self.root / path
        shutil.rmtree(at) if at.is_dir() else at.unlink()


def sampled(
    tree: Tree,
    results: Path,
    sources: str,
    *steps: Callable[[], object],
    interval_s: float = INTERVAL_S,
) -> Sampled:
    """Record the tree, with these steps in turn and some ticks after each of them."""
    with _root(tree.root):
        with mpi_collector.collect(
            interval=interval_s,
            sources=sources,
            results_dir=results,
            spool_dir=str(results),
            quiet=True,
            sampler="thread",
        ):
            for step in steps:
                time.sleep(TICKS * interval_s)
                step()
            time.sleep(TICKS * interval_s)
    with mpi_collector.load(results) as run:
        (host,) = run.values()
        columns = {
            name: [None if v == MISSING else v for v in host.raw(name).tolist()]
            for name in host.columns
        }
        summary = json.loads(json.dumps(document(run), allow_nan=False))
        return Sampled(columns, derive(host).series, summary)


@contextmanager
def _root(root: Path) -> Iterator[None]:
    before = os.environ.get("MPI_COLLECTOR_ROOT")
    os.environ["MPI_COLLECTOR_ROOT"] = str(root)
    try:
        yield
    finally:
        if before is None:
            del os.environ["MPI_COLLECTOR_ROOT"]
        else:
            os.environ["MPI_COLLECTOR_ROOT"] = before
