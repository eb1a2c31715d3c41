"""Which figures stand in which table, as their declarations say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mpi_collector.store.figures import BY_NAME, FIGURES
from mpi_collector.store.figures.figure import Column, Figure, Group


def shown_in_tables(name: str, peak: float | None) -> bool:
    """Return whether a figure with this peak stands in tables."""
    return bool(peak) or not BY_NAME[name].hidden_when_zero


def by_group(names: Iterable[str]) -> Iterator[tuple[Group, list[str]]]:
    """Yield the groups that any of the figures ``names`` belongs to, each with these figures."""
    wanted = list(names)
    for group in Group:
        found = [n for n in wanted if BY_NAME[n].group is group]
        if found:
            yield group, found


def host_columns(group: Group) -> Iterator[tuple[Figure, Column]]:
    """Yield the columns of the table of hosts of a group, in order."""
    for figure in FIGURES:
        if figure.group is group:
            for column in figure.columns:
                yield figure, column
