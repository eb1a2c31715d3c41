"""A thread that looks for ``mpi_collector stop`` while the suite runs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from mpi_collector.benchmark.collection import Collection
from mpi_collector.benchmark.keeper.process import LOOK_EVERY_S
from mpi_collector.node.compat import readable

_POLL_S = 1.0


class StopWatch:
    """Polls the transport of a recording, and calls ``on_request`` once when it is to stop.

    Nothing else may use the collection until ``end`` has returned. error: why it looks no more,
    if it has.
    """

    def __init__(self, collection: Collection, on_request: Callable[[], None]) -> None:
        """RuntimeError when there can be no thread."""
        self._collection = collection
        self._on_request = on_request
        self.error: Exception | None = None
        self._wake, self._ended = os.pipe()
        collection.keeper.look_for_stop(LOOK_EVERY_S)
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
            while not self._requested():
                keeper = [self._collection.keeper.fd] if self._collection.keeper.fd >= 0 else []
                if self._wake in readable([self._wake, *keeper], _POLL_S):
                    return
            self._on_request()
        except Exception as e:  # noqa: BLE001 - the recording goes on, and ends with the suite's run
            self.error = e

    def _requested(self) -> bool:
        collection = self._collection
        return bool(
            collection.transport.poll()
            or collection.keeper.stop_requested()
            or os.path.exists(collection.run_directory.stop_path)
        )
