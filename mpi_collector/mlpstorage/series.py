"""The suite's time-series collectors, on top of our sampling thread and our agents."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mpi_collector.formats.suite_samples import utc_text
from mpi_collector.mlpstorage.hosts import unique_hosts
from mpi_collector.mlpstorage.interfaces import TimeSeriesCollectorInterface
from mpi_collector.mlpstorage.samples import (
    GatheredSamples,
    Sample,
    error_sample,
    is_real,
    samples_of,
)
from mpi_collector.node.agent.recorder import Recorder
from mpi_collector.node.compat import mono_ns, wall_ns
from mpi_collector.node.host.identity import identity
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.spool.reader import SpoolReader
from mpi_collector.node.table.table import SampleTable

if TYPE_CHECKING:
    from mpi_collector.transport.ssh import SshCoordinator

_FIRST_SAMPLE_S = 30.0  #: wait for it at most so long
_LEAD_NS = 2_000_000  #: from the start to tick 0
_SPARE_S = 10.0  #: ``stop`` takes at most the interval and this
_CLOSE_S = 2.0  #: of that, to end the agents
#: rows of the array for each sample that is returned in the end: what is dropped is chosen then, so
#: that the rest is spread evenly; of a small array more, since that costs nothing
_ROWS_PER_SAMPLE = 2
_ROWS_PER_SAMPLE_MOST = 16
_SMALL_ROWS = 1024


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
        most = max(1, self.max_samples)
        small = min(_ROWS_PER_SAMPLE_MOST * most, _SMALL_ROWS)
        return SamplingOptions(
            interval_s=self.interval_seconds,
            max_samples=max(_ROWS_PER_SAMPLE * most, small),
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
        self.end_time = utc_text(wall_ns())


class TimeSeriesCollector(_Series):
    """Samples this host. Of more than ``max_samples`` so many are returned, evenly spread."""

    def __init__(
        self,
        interval_seconds: float = SamplingOptions.interval_s,
        max_samples: int = SamplingOptions.max_samples,
        logger: Any = None,
    ) -> None:
        super().__init__(interval_seconds, max_samples, logger)
        self._recorder: Recorder | None = None
        self._samples: list[Sample] = []

    def start(self) -> None:
        """Start sampling. Returns when the first sample has been taken."""
        self._begin()
        self._recorder = Recorder(
            self._options(),
            self._run,
            socket.gethostname(),
            {"benchmark": "series", "identity": identity()},
        )
        self._recorder.prepare()
        self._recorder.own_clock()
        t0 = mono_ns() + _LEAD_NS
        self._recorder.start(t0, wall_ns() + t0 - mono_ns(), self._recorder.options.max_samples)
        self._recorder.wait_first(_FIRST_SAMPLE_S)

    def stop(self) -> list[Sample]:
        """Stop sampling. Returns the samples, the last one taken at the stop; again, the same."""
        if self.end_time is not None:
            return self._samples
        self._end()
        assert self._recorder is not None
        self._recorder.stop()
        self._samples = samples_of(self._recorder.table(), self.max_samples)
        self._recorder.discard()
        self._recorder = None
        return self._samples

    @property
    def samples(self) -> list[Sample]:
        """The samples so far."""
        if self._recorder is None:
            return self._samples
        spool = self._recorder.spool
        # a copy: a row that is written at this moment has a wrong checksum in it, and stays out
        reader = SpoolReader(bytes(spool.view), str(spool.path))
        return samples_of(SampleTable(reader), self.max_samples)


class MultiHostTimeSeriesCollector(_Series):
    """Samples all ``hosts`` at the same moments: with an agent over ssh, this host directly.

    New rows are copied to this host at every interval: what a host had sampled before it failed is
    not lost with it.
    """

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
        self.hosts = unique_hosts(hosts)
        self.ssh_username = ssh_username
        self.ssh_timeout = ssh_timeout
        self.max_workers = max_workers
        self._by_host: dict[str, list[Sample]] = {h: [] for h in self.hosts}
        self._coordinator: SshCoordinator | None = None

    def _options(self) -> SamplingOptions:
        options = super()._options()
        options.replicate_s = self.interval_seconds
        options.gather_timeout_s = self.interval_seconds + _SPARE_S
        return options

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
            if host.error:
                self._warn(f"{host.key} is not sampled: {host.error}")

    def stop(self) -> dict[str, list[Sample]]:
        """Stop sampling. Returns {host: samples}; again, the same.

        Hosts are waited for the interval and 10 s at most: of one that does not answer by then the
        samples are those of the last copy, and a last one says why under ``errors``. A host without
        samples has such a one only.
        """
        if self.end_time is not None:
            return self._by_host
        self._end()
        coordinator = self._coordinator
        assert coordinator is not None
        limit_s = self.interval_seconds + _SPARE_S
        deadline_ns = mono_ns() + int((limit_s - _CLOSE_S) * 1e9)
        coordinator.stop(limit_s / 2)
        with GatheredSamples() as gathered:
            left_s = max(1.0, (deadline_ns - mono_ns()) * 1e-9)
            coordinator.gather(gathered.sink, lambda done, total: None, False, left_s)
            facts = {host.key: host.facts for host in coordinator.hosts}
            found = gathered.samples(self.max_samples, facts)
        for host in coordinator.hosts:
            self._by_host[host.key] = found.get(host.key, [])
            if host.error or not self._by_host[host.key]:
                self._add_error(host.key, host.error or "no samples")
        for alias, key in coordinator.aliases.items():
            self._by_host[alias] = list(self._by_host[key])
        coordinator.close(True, _CLOSE_S)
        return self._by_host

    def _add_error(self, key: str, why: str) -> None:
        self._warn(f"{key} is not, or not wholly, sampled: {why}")
        kept = self._by_host[key][: max(0, self.max_samples - 1)]
        self._by_host[key] = [*kept, error_sample(key, why)]

    def _warn(self, text: str) -> None:
        if self.logger is not None:
            self.logger.warning(text)

    @property
    def samples_by_host(self) -> dict[str, list[Sample]]:
        """{host: samples so far}: of this host all, of others those that were copied here."""
        if self.is_running and self._coordinator is not None:
            for host in self._coordinator.hosts:
                table = self._coordinator.table_so_far(host.key)
                if table is not None:
                    self._by_host[host.key] = samples_of(table, self.max_samples)
        return self._by_host

    def get_hosts_with_data(self) -> list[str]:
        """Return the hosts with at least one real sample."""
        return [h for h, samples in self.samples_by_host.items() if any(map(is_real, samples))]
