"""The life cycle's end of the bridge: a Root whose ranks are in a launch of its own, beside the job's."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from mpi_collector.errors import SessionLostError, TransportError
from mpi_collector.node.options import SamplingOptions
from mpi_collector.transport.base import HostState, Sink, run_status
from mpi_collector.transport.session import Session

_T = TypeVar("_T")


class ControlClient:
    """Same life as ``root.Root``. ``argv``: the launcher's command line; ``names``: {hostname: requested name}."""

    method = "mpi"

    def __init__(
        self,
        options: SamplingOptions,
        run: str,
        argv: Sequence[str],
        names: Mapping[str, str],
        environ: Mapping[str, str],
    ) -> None:
        self.options, self.run, self.names = options, run, dict(names)
        self.hosts: list[HostState] = []
        self.missing_ranks: list[int] = []
        self.capacity, self.t0_ns, self.epoch_ns = options.max_samples, 0, 0
        self.lost = ""
        # Open MPI 5 does not tell its ranks that stdin has ended; this signal every launcher hands on
        self._session = Session(argv, (), environ, signal.SIGUSR1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="bridge", daemon=True)
        self._thread.start()

    def _do(self, work: Coroutine[Any, Any, _T]) -> _T:
        if not self._thread.is_alive():  # dismissed already: nobody would ever run it
            work.close()
            raise RuntimeError("the sessions have ended")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _ask(self, do: str, timeout_s: float, **fields: Any) -> None:
        """A request whose answer is the state of the hosts. A lost launch marks all hosts."""
        try:
            answer, _ = self._do(self._session.request(do, timeout_s, **fields))
        except (SessionLostError, RuntimeError) as e:
            self.lost = str(e)
            for host in self.hosts:
                host.error = host.error or f"{do}: {e}"
            return
        self._take_state(answer)

    def _take_state(self, answer: dict[str, Any]) -> None:
        self.hosts = [HostState(**h) for h in answer["hosts"]]
        self.missing_ranks = answer["missing_ranks"]
        self.capacity, self.t0_ns, self.epoch_ns = (
            answer["capacity"],
            answer["t0_ns"],
            answer["epoch_ns"],
        )

    # ---- the life of a root
    def open(self, facts: dict[str, Any]) -> None:
        """Launch the ranks and make them ready. TransportError when the launch does not come up."""
        limit = self.options.start_timeout_s
        try:
            self._do(self._session.connect(limit))
            answer, _ = self._do(
                self._session.request("open", 3 * limit, options=self.options.to_dict(), run=self.run, facts=facts,
                                      names=self.names)
            )  # fmt: skip
        except (SessionLostError, RuntimeError, OSError) as e:
            self.detach()
            raise TransportError(f"the collectors' launch did not come up: {e}") from e
        self._take_state(answer)

    def start(self) -> None:
        self._ask("start", 3 * self.options.start_timeout_s)

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """{key: snapshot} of the hosts that answer in time."""
        try:
            answer, _ = self._do(
                self._session.request("snapshot", 2 * self.options.start_timeout_s)
            )
        except (SessionLostError, RuntimeError) as e:
            self.lost = str(e)
            return {}
        return dict(answer["snapshots"])

    def poll(self) -> None:
        """Nothing: rank 0 looks after its ranks by itself."""

    def status(self) -> dict[str, Any]:
        return run_status(self.hosts)

    def stop(self) -> None:
        self._ask("stop", 2 * self.options.gather_timeout_s)

    def gather(self, sink: Sink, progress: Callable[[int, int], None], json: bool) -> None:
        if self.lost:
            return
        feeder = _Feeder(sink, self._session)
        self._session.on_event = feeder
        self._ask("gather", 1e6, json=json)  # rank 0 bounds every wait of its own
        feeder.finish()
        progress(1, 1)

    def close(self, saved: bool) -> bool:
        if not self.lost:
            try:
                self._do(self._session.request("dismiss", 30, saved=saved))
            except (SessionLostError, RuntimeError):
                pass
            self._do(self._session.wait(5))
        self.detach()
        return True

    def detach(self) -> None:
        """End the launch; the spools stay."""
        self._do(self._session.disconnect())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)


class ControlRecoveryClient(ControlClient):
    """The same way to what dead runs left: see ``spool_ranks.SpoolRanks``."""

    def spools(self) -> dict[str, list[dict[str, Any]]]:
        """Launch the ranks and ask them. TransportError when the launch does not come up."""
        limit = self.options.start_timeout_s
        try:
            self._do(self._session.connect(limit))
            answer, _ = self._do(
                self._session.request(
                    "spools",
                    3 * limit,
                    options=self.options.to_dict(),
                    run=self.run,
                    names=self.names,
                )
            )
        except (RuntimeError, OSError) as e:
            raise TransportError(f"the launch did not come up: {e}") from e
        self.unreached: dict[str, str] = answer["unreached"]
        return dict(answer["spools"])

    def adopt(self, host: str, place: str, run: str, key: str) -> dict[str, Any]:
        answer, _ = self._do(
            self._session.request("adopt", 90, host=host, place=place, run=run, key=key)
        )
        return dict(answer["about"])

    def take_adopted(self, host: str, sink: Sink) -> None:
        self._session.on_event = feeder = _Feeder(sink, self._session)
        try:
            self._do(self._session.request("take", 1e6, host=host))
        finally:
            feeder.finish()

    def drop_adopted(self, host: str) -> None:
        self._do(self._session.request("drop", 60, host=host))


class _Feeder:
    """Passes what arrives to the sink, in the loop's thread, and acknowledges it."""

    def __init__(self, sink: Sink, session: Session) -> None:
        self._sink, self._session = sink, session
        self._open = False
        self.error: OSError | RuntimeError | None = None

    def __call__(self, message: dict[str, Any], blob: bytes) -> None:
        if self.error is None:
            try:
                self._pass_on(message, blob)
            except (
                OSError,
                RuntimeError,
            ) as e:  # our disk, or a damaged table: told at the end, and all spools stay
                self.error = e
        if message["event"] == "write":
            self._session.send({"ack": 1})

    def _pass_on(self, message: dict[str, Any], blob: bytes) -> None:
        event = message["event"]
        if event == "write":
            self._sink.write(blob)
        elif event == "begin":
            self._sink.begin(message["head"])
        elif event == "begin_host":
            self._sink.begin_host(message["key"])
            self._open = True
        else:
            self._open = False
            getattr(self._sink, {"end_host": "end_host", "drop_host": "drop_host"}[event])()

    def finish(self) -> None:
        """A host that was cut off in the middle is forgotten. Raises the error of our own side, if there was one."""
        if self._open:
            self._sink.drop_host()
        if self.error is not None:
            raise self.error
