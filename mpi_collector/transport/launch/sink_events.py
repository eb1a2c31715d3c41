"""The calls of a sink that rank 0 makes as events, made here."""

from __future__ import annotations

from typing import Any

from mpi_collector.node.compat import mono_ns
from mpi_collector.transport.base import Sink
from mpi_collector.transport.session import Session


class SinkEvents:
    """Turns the events of a gathering back into calls of ``sink``, and acknowledges them.

    In the loop's thread.
    """

    def __init__(self, sink: Sink, session: Session) -> None:
        self._sink = sink
        self._session = session
        self._in_host = False
        self._error: OSError | RuntimeError | None = None
        self._last_ns = mono_ns()

    @property
    def idle_s(self) -> float:
        """Seconds since the last event."""
        return (mono_ns() - self._last_ns) * 1e-9

    def __call__(self, message: dict[str, Any], blob: bytes) -> None:
        self._last_ns = mono_ns()
        if self._error is None:
            try:
                self._call_sink(message, blob)
            except (OSError, RuntimeError) as e:  # a full disk, or a damaged table: all spools stay
                self._error = e
        if message["event"] == "write":
            self._session.send({"ack": 1})

    def _call_sink(self, message: dict[str, Any], blob: bytes) -> None:
        event = message["event"]
        if event == "write":
            self._sink.write(blob)
        elif event == "begin":
            self._sink.begin(message["head"])
        elif event == "begin_host":
            self._sink.begin_host(message["key"])
            self._in_host = True
        elif event == "end_host":
            self._in_host = False
            self._sink.end_host()
        elif event == "drop_host":
            self._in_host = False
            self._sink.drop_host()
        elif event not in ("stop_request", "cut_off"):  # those came too late
            raise RuntimeError(f"no such event: {event!r}")

    def finish(self) -> None:
        """Drop a host that was not completed, and raise the error of the sink, if there was one."""
        if self._in_host:
            self._sink.drop_host()
        if self._error is not None:
            raise self._error
