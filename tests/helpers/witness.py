"""Another program's readings of a counter that all fake hosts share, to judge recorded rows by."""

from __future__ import annotations

import bisect
import threading
import time
from pathlib import Path

import mpi_collector

_EVERY_S = 0.02
_SLACK_NS = 5_000_000  #: of a time on the recording's time line: clocks have bounds


class Witness:
    """Reads the number of context switches of the machine (proc_stat(5)) while it is entered."""

    column = "stat.ctxt"

    def __init__(self) -> None:
        self._times: list[int] = []
        self._values: list[int] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Witness:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(10)

    def _read(self) -> None:
        while not self._end.wait(_EVERY_S):
            text = Path("/proc/stat").read_text()
            (line,) = (x for x in text.splitlines() if x.startswith("ctxt "))
            self._values.append(int(line.split()[1]))
            self._times.append(time.time_ns())  # the value is at most this old

    def check(self, results: Path) -> None:
        """Every row has the count of its own moment, and the rows are apart as its ticks are."""
        times, values = self._times[:], self._values[:]
        judged = 0
        with mpi_collector.load(results) as run:
            interval_ns = run.run["interval_ns"]
            for key, host in run.items():
                counts = host.values[:, host.columns.index(self.column)]
                for tick, at, count in zip(host.tick, host.timestamp_ns, counts, strict=True):
                    before = bisect.bisect_left(times, int(at) - _SLACK_NS) - 2
                    after = bisect.bisect_right(times, int(at) + 2 * _SLACK_NS) + 1
                    if before < 0 or after >= len(times):
                        continue
                    judged += 1
                    assert values[before] <= count <= values[after], (key, int(tick))
                    if tick >= 0:
                        due = run.run["start_ns"] + int(tick) * interval_ns
                        assert abs(int(at) - due) < interval_ns, (key, int(tick))
        assert judged >= 10, judged
