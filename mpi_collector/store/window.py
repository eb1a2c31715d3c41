"""A part of a recording: the rows between two moments, with everything else as it was."""

from __future__ import annotations

from typing import Any

import numpy as np

from mpi_collector.formats.run_document import RunDocument
from mpi_collector.store.recording import Host, Recording

_NOT_BY_ROW = ("columns", "units", "kinds", "sources", "meta")


class HostWindow(Host):
    """A Host whose arrays have only the rows of the window. One row before it is kept, where rates begin."""

    def __init__(self, whole: Host, begin_ns: int, end_ns: int) -> None:
        super().__init__(whole._recording, whole.key)
        times = whole.timestamp_ns
        first = max(int(np.searchsorted(times, begin_ns, side="right")) - 1, 0)
        last = int(np.searchsorted(times, end_ns, side="right"))
        self._rows = slice(first, max(last, first))

    def array(self, name: str) -> Any:
        found = super().array(name)
        return found if name in _NOT_BY_ROW else found[self._rows]


class Window(Recording):
    """The hosts of a recording between two moments of UTC, ns. Reads from the recording it was made of."""

    def __init__(self, whole: Recording, begin_ns: int, end_ns: int) -> None:
        self._whole, self.path = whole, whole.path
        self.begin_ns, self.end_ns = begin_ns, end_ns
        # ticks still count from the run's start
        self.run: RunDocument = {**whole.run, "window_ns": [begin_ns, end_ns]}
        self._hosts: dict[str, Host] = {
            key: HostWindow(host, begin_ns, end_ns) for key, host in whole.items()
        }

    def member(self, name: str) -> Any:
        return self._whole.member(name)

    def fresh(self, key: str) -> Host:
        return HostWindow(self._whole.fresh(key), self.begin_ns, self.end_ns)

    def close(self) -> None:
        """The recording it was made of stays open."""


def during(recording: Recording, name: str) -> Window:
    """The window of the phase ``name``: its first begin to its last end. KeyError names the phases there are."""
    found = [p for p in recording.marks if p.name == name]
    if not found:
        known = ", ".join(dict.fromkeys(p.name for p in recording.marks)) or "none"
        raise KeyError(f"{recording.path} has no phase {name!r}; there are: {known}")
    return Window(recording, min(p.begin_ns for p in found), max(p.end_ns for p in found))
