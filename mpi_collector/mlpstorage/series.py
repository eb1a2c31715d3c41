"""The suite's time-series collectors: our sampling thread and our agents underneath."""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mpi_collector.formats.suite_samples import RecordedRows, encode_samples, utc_text
from mpi_collector.mlpstorage.models import TimeSeriesCollectorInterface
from mpi_collector.node.agent.recorder import Recorder
from mpi_collector.node.compat import mono_ns, wall_ns
from mpi_collector.node.host.identity import identity
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.table.table import SampleTable

_FIRST_S = 30.0
_LEAD_NS = 2_000_000


class _Series(TimeSeriesCollectorInterface):
    """What both have: the life of a collector, once through."""

    def __init__(self, interval_seconds: float, max_samples: int, logger: Any) -> None:
        self.interval_seconds, self.max_samples, self.logger = interval_seconds, max_samples, logger
        self.start_time: str | None = None
        self.end_time: str | None = None
        self._run = f"series-{os.getpid()}-{secrets.token_hex(3)}"

    def _options(self) -> SamplingOptions:
        # one row is the stop's; so few that thinning out makes no sense keep the newest
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
    """Samples this host. At most ``max_samples``; when there are more, every other one goes, never the end of the run."""

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
        """Returns when the first sample has been taken."""
        self._begin()
        hostname = socket.gethostname()
        self._recorder = Recorder(
            self._options(), self._run, hostname, {"benchmark": "series", "identity": identity()}
        )
        self._recorder.prepare()
        self._recorder.own_clock()
        t0 = mono_ns() + _LEAD_NS
        self._recorder.start(t0, wall_ns() + t0 - mono_ns(), self._recorder.options.max_samples)
        self._recorder.wait_first(_FIRST_S)

    def stop(self) -> list[dict[str, Any]]:
        """The samples, one of the stop included."""
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
        return list(json.loads(b"".join(encode_samples(table, socket.gethostname()))))[
            -self.max_samples :
        ]

    @property
    def samples(self) -> list[dict[str, Any]]:
        """Those so far; rows that are just being written are not among them."""
        return self._decoded() if self._recorder is not None else self._samples


class _Keep:
    """A sink that puts what agents send into a recording in a temporary file."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w")
        self._name, self._data = "", bytearray()
        self._members: list[tuple[str, bytes]] = []
        self.hosts: list[str] = []

    def begin_host(self, key: str) -> None:
        self._key, self._members = key, []

    def begin(self, head: dict[str, Any]) -> None:
        self._flush()
        self._name = str(head["name"])

    def write(self, data: bytes | memoryview) -> None:
        self._data += data

    def end_host(self) -> None:
        self._flush()
        for name, data in self._members:
            self._zip.writestr(f"{name}.npy", data)
        self.hosts.append(self._key)

    def drop_host(self) -> None:
        self._name, self._data, self._members = "", bytearray(), []

    def _flush(self) -> None:
        if self._name:
            self._members.append((self._name, zlib.decompress(self._data, -15)))
        self._name, self._data = "", bytearray()

    def close(self) -> None:
        import numpy as np

        run = {"hosts": self.hosts, "hosts_requested": self.hosts, "hosts_partial": {}, "start_ns": 0, "end_ns": 0,
               "interval_ns": 1, "facts": {h: {} for h in self.hosts}, "verdict": {}}  # fmt: skip
        with self._zip.open("run.npy", "w") as f:
            np.lib.format.write_array(f, np.array(json.dumps(run)))
        self._zip.close()


class MultiHostTimeSeriesCollector(_Series):
    """Samples all ``hosts`` at the same moments: an agent on each over ssh, this host directly."""

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
        self.ssh_username, self.ssh_timeout, self.max_workers = (
            ssh_username,
            ssh_timeout,
            max_workers,
        )
        self._by_host: dict[str, list[dict[str, Any]]] = {h: [] for h in self.hosts}
        self._root: Any = None

    def start(self) -> None:
        """Returns when every host that can be reached samples."""
        self._begin()
        from mpi_collector.transport.hosts import HostSpec, mark_local
        from mpi_collector.transport.ssh import SshCoordinator

        hosts = mark_local(HostSpec(name) for name in self.hosts)
        self._root = SshCoordinator(
            self._options(),
            self._run,
            hosts,
            self.ssh_username,
            self.max_workers,
            float(self.ssh_timeout),
        )
        self._root.open({"benchmark": "series"})
        self._root.start()
        for host in self._root.hosts:
            if host.error and self.logger is not None:
                self.logger.warning(f"{host.key} is not sampled: {host.error}")

    def stop(self) -> dict[str, list[dict[str, Any]]]:
        """{host: its samples}; a host that gave none has one that says why under ``errors``."""
        self._end()
        self._root.stop()
        with tempfile.TemporaryDirectory(prefix="mpi_collector-") as directory:
            path = Path(directory) / "series.npz"
            sink = _Keep(path)
            self._root.gather(sink, lambda done, total: None, False)
            sink.close()
            self._read(path)
        now = utc_text(wall_ns())
        for host in self._root.hosts:
            if not self._by_host[host.key]:
                errors = {"ssh": host.error or "no samples"}
                self._by_host[host.key] = [
                    {"timestamp": now, "hostname": host.key, "errors": errors}
                ]
        self._root.close(True)
        return self._by_host

    def _read(self, path: Path) -> None:
        from mpi_collector.store.recording import Recording

        with Recording(path) as recording:
            for key, host in recording.items():
                name = str(host.meta.get("identity", {}).get("hostname", key))
                rows = json.loads(b"".join(encode_samples(RecordedRows(host), name)))
                self._by_host[key] = rows[-self.max_samples :]

    @property
    def samples_by_host(self) -> dict[str, list[dict[str, Any]]]:
        """Empty lists until the stop: nothing crosses the network before."""
        return self._by_host

    def get_hosts_with_data(self) -> list[str]:
        """Hosts with at least one real sample."""
        return [h for h, samples in self._by_host.items() if any("tick" in s for s in samples)]
