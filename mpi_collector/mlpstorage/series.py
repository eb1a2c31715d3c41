"""The suite's time-series collectors, on top of our sampling thread and our agents."""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from mpi_collector.formats.suite_samples import encode_recorded, encode_samples, utc_text
from mpi_collector.mlpstorage.interfaces import TimeSeriesCollectorInterface
from mpi_collector.node.agent.recorder import Recorder
from mpi_collector.node.compat import mono_ns, wall_ns
from mpi_collector.node.host.identity import identity
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.table.table import SampleTable
from mpi_collector.output.npz import NpzWriter

_FIRST_SAMPLE_S = 30.0  #: wait for it at most so long
_LEAD_NS = 2_000_000  #: from the start to tick 0


class _Series(TimeSeriesCollectorInterface):
    """The life of a collector, which is started and stopped once."""

    def __init__(self, interval_seconds: float, max_samples: int, logger: Any) -> None:
        self.interval_seconds = interval_seconds
        self.max_samples = max_samples
        self.logger = logger
        self.start_time: str | None = None
        self.end_time: str | None = None
        self._run = f"series-{os.getpid()}-{secrets.token_hex(3)}"

    def _options(self) -> SamplingOptions:
        # one row is the stop's; a very small table keeps the newest rows, not every other one
        policy = "decimate" if self.max_samples >= 8 else "ring"
        rows = max(2, self.max_samples - 1)
        return SamplingOptions(
            interval_s=self.interval_seconds,
            max_samples=rows,
            when_full=policy,
            sources="basic,stat",
        )

    @property
    def is_running(self) -> bool:
        return self.start_time is not None and self.end_time is None

    def _begin(self) -> None:
        if self.end_time is not None:
            raise RuntimeError("already stopped: a collector is used once")
        if self.start_time is not None:
            raise RuntimeError("already started")
        self.start_time = utc_text(wall_ns())

    def _end(self) -> None:
        if self.start_time is None:
            raise RuntimeError("not started")
        if self.end_time is not None:
            raise RuntimeError("already stopped")
        self.end_time = utc_text(wall_ns())


class TimeSeriesCollector(_Series):
    """Samples this host.

    Of more than ``max_samples`` every other one is dropped, never the end of the run.
    """

    def __init__(
        self,
        interval_seconds: float = SamplingOptions.interval_s,
        max_samples: int = SamplingOptions.max_samples,
        logger: Any = None,
    ) -> None:
        super().__init__(interval_seconds, max_samples, logger)
        self._recorder: Recorder | None = None
        self._samples: list[dict[str, Any]] = []

    def start(self) -> None:
        """Start sampling. Returns when the first sample has been taken."""
        self._begin()
        hostname = socket.gethostname()
        self._recorder = Recorder(
            self._options(), self._run, hostname, {"benchmark": "series", "identity": identity()}
        )
        self._recorder.prepare()
        self._recorder.own_clock()
        t0 = mono_ns() + _LEAD_NS
        self._recorder.start(t0, wall_ns() + t0 - mono_ns(), self._recorder.options.max_samples)
        self._recorder.wait_first(_FIRST_SAMPLE_S)

    def stop(self) -> list[dict[str, Any]]:
        """Stop sampling. Returns the samples, the last one taken at the stop."""
        self._end()
        assert self._recorder is not None
        self._recorder.stop()
        self._samples = self._decoded()
        self._recorder.discard()
        self._recorder = None
        return self._samples

    def _decoded(self) -> list[dict[str, Any]]:
        assert self._recorder is not None
        table = SampleTable(self._recorder.spool.reader())
        if not table.grid or not len(table):
            return []
        samples = json.loads(b"".join(encode_samples(table, socket.gethostname())))
        return list(samples[-self.max_samples :])

    @property
    def samples(self) -> list[dict[str, Any]]:
        """The samples so far, without rows that are being written."""
        return self._decoded() if self._recorder is not None else self._samples


class _TemporaryRecording:
    """A sink that writes what agents send to a recording, in a file of its own."""

    def __init__(self, file: BinaryIO) -> None:
        self._npz = NpzWriter(file)
        self._key = ""
        self._mark = self._npz.mark()
        self.hosts: list[str] = []

    def begin_host(self, key: str) -> None:
        self._key = key
        self._mark = self._npz.mark()

    def begin(self, head: dict[str, Any]) -> None:
        self._npz.begin(head)

    def write(self, data: bytes | memoryview) -> None:
        self._npz.write(data)

    def end_host(self) -> None:
        self.hosts.append(self._key)

    def drop_host(self) -> None:
        self._npz.rollback(self._mark)

    def finish(self) -> None:
        """Write the rest. Of the run document nobody needs more than the hosts."""
        run = {
            "hosts": self.hosts,
            "hosts_requested": self.hosts,
            "hosts_partial": {},
            "start_ns": 0,
            "end_ns": 0,
            "interval_ns": 1,
            "facts": {key: {} for key in self.hosts},
            "verdict": {},
        }
        self._npz.finish(run)


class MultiHostTimeSeriesCollector(_Series):
    """Samples all ``hosts`` at the same moments: with an agent over ssh, this host directly."""

    def __init__(
        self,
        hosts: Sequence[str],
        interval_seconds: float = SamplingOptions.interval_s,
        max_samples: int = SamplingOptions.max_samples,
        ssh_username: str | None = None,
        ssh_timeout: int = 30,
        max_workers: int = 10,
        logger: Any = None,
    ) -> None:
        super().__init__(interval_seconds, max_samples, logger)
        from mpi_collector.mlpstorage.collectors import unique_hosts

        self.hosts = unique_hosts(hosts)
        self.ssh_username = ssh_username
        self.ssh_timeout = ssh_timeout
        self.max_workers = max_workers
        self._by_host: dict[str, list[dict[str, Any]]] = {h: [] for h in self.hosts}
        self._coordinator: Any = None

    def start(self) -> None:
        """Start sampling. Returns when every host that can be reached samples."""
        self._begin()
        from mpi_collector.transport.hosts import HostSpec, mark_local
        from mpi_collector.transport.ssh import SshCoordinator

        hosts = mark_local(HostSpec(name) for name in self.hosts)
        self._coordinator = SshCoordinator(
            self._options(),
            self._run,
            hosts,
            self.ssh_username,
            self.max_workers,
            float(self.ssh_timeout),
        )
        self._coordinator.open({"benchmark": "series"})
        self._coordinator.start()
        for host in self._coordinator.hosts:
            if host.error and self.logger is not None:
                self.logger.warning(f"{host.key} is not sampled: {host.error}")

    def stop(self) -> dict[str, list[dict[str, Any]]]:
        """Stop sampling. Returns {host: samples}.

        A host without samples has one that says why under ``errors``.
        """
        self._end()
        self._coordinator.stop()
        with tempfile.TemporaryDirectory(prefix="mpi_collector-") as directory:
            path = Path(directory) / "series.npz"
            with open(path, "xb") as f:
                sink = _TemporaryRecording(f)
                self._coordinator.gather(sink, lambda done, total: None, False)
                sink.finish()
            self._read(path)
        now = utc_text(wall_ns())
        for host in self._coordinator.hosts:
            if not self._by_host[host.key]:
                errors = {"ssh": host.error or "no samples"}
                self._by_host[host.key] = [
                    {"timestamp": now, "hostname": host.key, "errors": errors}
                ]
        self._coordinator.close(True)
        return self._by_host

    def _read(self, path: Path) -> None:
        from mpi_collector.store.recording import Recording

        with Recording(path) as recording:
            for key, host in recording.items():
                samples = json.loads(b"".join(encode_recorded(host)))
                self._by_host[key] = samples[-self.max_samples :]

    @property
    def samples_by_host(self) -> dict[str, list[dict[str, Any]]]:
        """{host: samples}; empty lists until the stop, since nothing is sent before."""
        return self._by_host

    def get_hosts_with_data(self) -> list[str]:
        """Return the hosts with at least one real sample."""
        return [h for h, samples in self._by_host.items() if any("tick" in s for s in samples)]
