"""A thread that looks for ``mpi_collector stop`` while the suite runs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from mpi_collector.benchmark.collection import Collection
from mpi_collector.benchmark.stop_requests import StopRequests
from mpi_collector.node.compat import mono_ns, readable


class StopWatch:
    """Waits for requests to stop a recording, and calls ``on_request`` once when there is one.

    Nothing else may use the collection until ``end`` has returned. error: why it looks no more,
    if it has.
    """

    def __init__(self, collection: Collection, on_request: Callable[[], None]) -> None:
        """RuntimeError when there can be no thread."""
        self._collection = collection
        self._on_request = on_request
        self.error: Exception | None = None
        self._wake, self._ended = os.pipe()
        collection.open_door()
        self._thread = threading.Thread(target=self._work, name="stop watch", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            os.close(self._wake)
            os.close(self._ended)
            raise

    def end(self) -> None:
        """End the thread; wait for the handling of a request."""
        os.close(self._ended)
        self._thread.join()
        os.close(self._wake)

    def _work(self) -> None:
        try:
            requests = StopRequests(self._collection)
            ready: list[int] = []
            while not requests.came(ready):
                wakes = requests.wakes()
                left_s = None if wakes.due_ns is None else (wakes.due_ns - mono_ns()) * 1e-9
                ready = readable(
                    [self._wake, *wakes.fds], None if left_s is None else max(0.0, left_s)
                )
                if self._wake in ready:
                    return
            self._on_request()
        except Exception as e:  # noqa: BLE001 - the recording goes on, and ends with the suite's run
            self.error = e
