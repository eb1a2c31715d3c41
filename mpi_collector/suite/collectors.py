"""The suite's time-series collectors with its arguments and attributes, on top of a recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from mpi_collector.errors import HostsError
from mpi_collector.formats.suite_samples import utc_text
from mpi_collector.node.compat import wall_ns
from mpi_collector.suite.recording import Samples, at_interval, thinned
from mpi_collector.transport.hosts import parse_hosts


class Request(Protocol):
    """What a collector of the suite was asked for; ``hosts`` empty: this host."""

    hosts: list[str]
    interval_seconds: float
    max_samples: int
    ssh_username: str | None


class Recording(Protocol):
    """The recording that a collector starts and stops."""

    interval_s: float
    missing: dict[str, str]  #: host -> why it has no samples, after the stop

    def start(self, request: Request) -> None:
        """Begin to sample; any exception when that fails."""

    def stop(self) -> dict[str, Samples]:
        """End; return the samples of each host."""


class Session(Protocol):
    """Gives the collectors of a run their recording."""

    def recording(self) -> Recording | None:
        """Return the recording of the run that is on, None outside of a run."""

    def failed(self, error: Exception) -> None:
        """Report that the recording could not begin."""

    def lost(self, error: Exception) -> None:
        """Report that the recording failed after its begin."""


class _Collector:
    """The life of a collector: a recording, or the suite's own collector where that cannot begin.

    Set for a class: ``session``, and ``original``, the suite's class.
    """

    session: Session
    original: Callable[..., Any]

    def __init__(self, arguments: dict[str, Any]) -> None:
        self._arguments = arguments
        self.interval_seconds = float(arguments["interval_seconds"])
        self.max_samples = int(arguments["max_samples"])
        self.logger = arguments.get("logger")
        self.hosts: list[str] = []
        self.ssh_username: str | None = arguments.get("ssh_username")
        self.start_time: str | None = None
        self.end_time: str | None = None
        self._recording: Recording | None = None
        self._own: Any = None  #: the suite's collector
        self._samples: dict[str, Samples] = {}

    def start(self) -> None:
        """Begin to sample."""
        if self.start_time is not None:
            raise RuntimeError("already started")
        self.start_time = utc_text(wall_ns())
        recording = self.session.recording()
        if recording is not None:
            try:
                recording.start(self)
                self._recording = recording
                return
            except Exception as e:  # noqa: BLE001 - whatever it is, the suite records by itself
                self.session.failed(e)
        self._own = self.original(**self._arguments)
        self._own.start()

    def _stop(self) -> dict[str, Samples]:
        if self.start_time is None:
            raise RuntimeError("not started")
        if self.end_time is None:
            if self._recording is not None:
                try:
                    found = self._recording.stop()
                    self._samples = {key: self._chosen(samples) for key, samples in found.items()}
                except Exception as e:  # noqa: BLE001 - the job of the suite has ended well
                    self.session.lost(e)
            self.end_time = utc_text(wall_ns())
        return self._samples

    def _chosen(self, samples: Samples) -> Samples:
        """Return as many samples as the suite asked for, at its interval where ours is shorter."""
        interval_s = self._recording.interval_s if self._recording is not None else 0.0
        ticks = round(self.interval_seconds / interval_s) if interval_s else 1
        return thinned(at_interval(samples, max(ticks, 1)), self.max_samples)

    @property
    def is_running(self) -> bool:
        """Whether it has been started and not stopped."""
        return self.start_time is not None and self.end_time is None


class TimeSeriesCollector(_Collector):
    """Samples this host."""

    def __init__(
        self, interval_seconds: float = 10.0, max_samples: int = 3600, logger: Any = None
    ) -> None:
        super().__init__(
            {"interval_seconds": interval_seconds, "max_samples": max_samples, "logger": logger}
        )

    def stop(self) -> Samples:
        """End; return the samples."""
        if self._own is not None and self.end_time is None:
            self._samples = {"": list(self._own.stop())}
        return next(iter(self._stop().values()), [])

    @property
    def samples(self) -> Samples:
        """The samples; none before the stop."""
        return next(iter(self._samples.values()), [])


class MultiHostTimeSeriesCollector(_Collector):
    """Samples ``hosts`` at the same moments."""

    def __init__(
        self,
        hosts: Sequence[str],
        interval_seconds: float = 10.0,
        max_samples: int = 3600,
        ssh_username: str | None = None,
        ssh_timeout: int = 30,
        max_workers: int = 10,
        logger: Any = None,
    ) -> None:
        arguments = {
            "hosts": hosts,
            "interval_seconds": interval_seconds,
            "max_samples": max_samples,
            "ssh_username": ssh_username,
            "ssh_timeout": ssh_timeout,
            "max_workers": max_workers,
            "logger": logger,
        }
        super().__init__(arguments)
        self.hosts = _names(hosts)
        self.ssh_timeout = ssh_timeout
        self.max_workers = max_workers

    def stop(self) -> dict[str, Samples]:
        """End; return the samples of each host, of one without any a sample that says so."""
        if self._own is not None and self.end_time is None:
            self._samples = dict(self._own.stop())
        found = self._stop()
        missing = self._recording.missing if self._recording is not None else {}
        now = utc_text(wall_ns())
        for host in self.hosts:
            errors = {"ssh": missing.get(host, "not recorded")}
            found.setdefault(host, [{"timestamp": now, "hostname": host, "errors": errors}])
        return found

    def get_hosts_with_data(self) -> list[str]:
        """Return the hosts with at least one sample."""
        if self._own is not None:
            return list(self._own.get_hosts_with_data())
        return [h for h, samples in self._samples.items() if any("tick" in s for s in samples)]

    @property
    def samples_by_host(self) -> dict[str, Samples]:
        """The samples of each host; none before the stop."""
        return self._samples


def _names(hosts: Sequence[str]) -> list[str]:
    """Return the names of the suite's hosts, without slots and repetitions."""
    try:
        return [host.name for host in parse_hosts(hosts)]
    except HostsError:  # reported when the recording starts
        return list(dict.fromkeys(hosts))
