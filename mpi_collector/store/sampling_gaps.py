"""Counters of sources that are not read at every tick: expensive ones, and those that were slowed down."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mpi_collector.errors import RecordingError
from mpi_collector.node.row.layout import MISSING
from mpi_collector.node.status import SKIPPED
from mpi_collector.store.recording import Float64, Host, grown


class SamplingGaps:
    """At which rows of a host which source was not due. Growth over such rows is spread over them by their time.

    That is the mean rate of the longer interval, for each of its parts. Rows that are missing for any other reason stay unknown.
    """

    def __init__(self, host: Host, seconds: Float64) -> None:
        self._host, self._seconds = host, seconds
        self._rows: dict[str, npt.NDArray[np.bool_]] = {}
        try:
            status, names = host.array("source_status"), [str(s) for s in host.array("sources")]
        except RecordingError:  # of a program that keeps no statuses
            return
        if np.shape(status) == (len(host), len(names)):
            self._rows = {n: status[:, i] == SKIPPED for i, n in enumerate(names)}

    def growth(self, name: str) -> Float64:
        """(intervals,) as ``Host.delta`` has it, where a source was not due its share."""
        delta = self._host.delta(name)
        skipped = self._rows.get(name.partition(".")[0])
        if skipped is None or not skipped.any():
            return delta
        raw = self._host.raw(name)
        read = np.flatnonzero((raw != MISSING) & ~skipped)
        whole = grown(np.ascontiguousarray(raw[read]))
        due = np.concatenate(([0], np.cumsum(~skipped)))
        for first, last, growth in zip(read[:-1], read[1:], whole):
            if last - first > 1 and due[last] - due[first + 1] == 0:
                seconds = self._seconds[first:last]
                delta[first:last] = growth * seconds / seconds.sum()
        return delta
