"""Counters of sources that are not read at every tick, by their period or throttled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mpi_collector.errors import RecordingError
from mpi_collector.node.row.layout import MISSING
from mpi_collector.node.status import SKIPPED
from mpi_collector.store.host import Float64, Host, growth


class SamplingGaps:
    """The rows of a host at which a source was not due.

    Growth over such rows is spread over them in proportion to their time: each gets the mean rate
    between the two readings. Rows that are missing for any other reason stay unknown.
    """

    def __init__(self, host: Host, seconds: Float64) -> None:
        """``seconds``: (intervals,) between neighbouring rows."""
        self._host = host
        self._seconds = seconds
        self._skipped: dict[str, npt.NDArray[np.bool_]] = {}
        try:
            status = host.array("source_status")
            names = [str(s) for s in host.array("sources")]
        except RecordingError:  # written by a program that keeps no statuses
            return
        if np.shape(status) == (len(host), len(names)):
            self._skipped = {n: status[:, i] == SKIPPED for i, n in enumerate(names)}

    def growth(self, name: str) -> Float64:
        """Return (intervals,) as ``Host.delta`` does, with growth over skipped rows spread."""
        delta = self._host.delta(name)
        skipped = self._skipped.get(name.partition(".")[0])
        if skipped is None or not skipped.any():
            return delta
        raw = self._host.raw(name)
        read = np.flatnonzero((raw != MISSING) & ~skipped)
        between_reads = growth(np.ascontiguousarray(raw[read]))
        due = np.concatenate(([0], np.cumsum(~skipped)))
        for first, last, grown in zip(read[:-1], read[1:], between_reads):
            if last - first > 1 and due[last] - due[first + 1] == 0:
                seconds = self._seconds[first:last]
                delta[first:last] = grown * seconds / seconds.sum()
        return delta
