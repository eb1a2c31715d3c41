"""The sink of a run: the packed hosts on their way into the run's files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mpi_collector.formats.run_document import RunDocument
from mpi_collector.formats.suite_samples import TimeSeriesHead, encode_recorded
from mpi_collector.output.documents import HostDocuments
from mpi_collector.output.files import RunFiles
from mpi_collector.output.json import JsonMark, JsonWriter
from mpi_collector.output.new_file import NewFile, create
from mpi_collector.output.npz import NpzMark, json_of
from mpi_collector.output.series import Series, SeriesInParts


@dataclass
class _CurrentHost:
    """The host whose members arrive."""

    key: str
    npz_mark: NpzMark  #: where it begins
    json_mark: JsonMark | None
    for_json: bool = False  #: the current member is samples for the JSON
    is_meta: bool = False  #: the current member is the meta data
    packed_meta: list[bytes] = field(default_factory=list)


class FileSink:
    """Writes the hosts to the npz and, if ``json``, to the suite's time series.

    ``finish`` writes cluster_info and metadata from what the hosts said of themselves, and all
    files appear; before, none does. keep: False for the last two only (--skip-timeseries).
    hosts_each: of a part of the recording, 0: it is one file. OSError when the files cannot be
    made.
    """

    def __init__(self, files: RunFiles, json: bool, keep: bool = True, hosts_each: int = 0) -> None:
        self.hosts: list[str] = []
        self._files = files
        self._keep = keep
        self._series = SeriesInParts(files, hosts_each) if hosts_each else Series(files)
        self._json_file: NewFile | None = None
        self._json: JsonWriter | None = None
        try:
            if json:
                self._json_file = NewFile(files.path("timeseries.json"))
                self._json = JsonWriter(self._json_file.file)
            self._documents = HostDocuments(files.directory)
        except BaseException:
            self.abandon()
            raise
        self._host = self._next_host("")

    def _next_host(self, key: str) -> _CurrentHost:
        self._npz = self._series.writer()
        return _CurrentHost(key, self._npz.mark(), self._json.mark() if self._json else None)

    def begin_host(self, key: str) -> None:
        """Begin the host ``key``."""
        self._host = self._next_host(key)

    def begin(self, head: dict[str, Any]) -> None:
        """Begin a member of the host; its deflated bytes follow. head: ``NpzMember.head()``."""
        host = self._host
        host.for_json = head["kind"] == "json"
        # kept as it passes: to look for it in a file of thousands of hosts takes more time, and
        # memory for the directory of the zip
        host.is_meta = head["name"] == f"{host.key}/meta"
        if not host.for_json:
            self._npz.begin(head)
        elif self._json:
            self._json.begin(host.key)

    def write(self, data: bytes | memoryview) -> None:
        """Write deflated bytes of the member."""
        if not self._host.for_json:
            self._npz.write(data)
            if self._host.is_meta:
                self._host.packed_meta.append(bytes(data))
        elif self._json:
            self._json.write(data)

    def end_host(self) -> None:
        """End the host. RuntimeError when its meta data cannot be read: the host is dropped."""
        host = self._host
        try:
            self._documents.add(host.key, json_of(b"".join(host.packed_meta)))
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            self.drop_host()
            raise RuntimeError(f"its table is damaged: meta: {e}") from e
        self.hosts.append(host.key)
        self._series.took(host.key)

    def drop_host(self) -> None:
        """Remove what was written of the host."""
        self._npz.rollback(self._host.npz_mark)
        if self._json and self._host.json_mark:
            self._json.rollback(self._host.json_mark)

    def finish(self, run: RunDocument, head: TimeSeriesHead) -> None:
        """Write what belongs to the whole run; the files appear. OSError when that fails."""
        self._series.finish(run)
        if self._json:
            self._encode_missing(self._json)
            self._json.finish(head, head["hosts_requested"])
        series = None if not self._keep else "timeseries.json" if self._json else "timeseries.npz"
        documents = self._documents.documents(self._files, run, series)
        if self._keep:
            if self._json_file is not None:
                self._json_file.commit()
            self._series.commit()
        else:
            self.abandon()
        for suffix, text in documents.items():
            with create(self._files.path(suffix)) as f:
                f.writelines(text)
        self._documents.close()

    def _encode_missing(self, json: JsonWriter) -> None:
        """Encode the samples of the hosts that could not encode them themselves."""
        missing = [h for h in self.hosts if h not in json.hosts]
        if not missing:
            return
        from mpi_collector.store.recording import Recording

        for path in self._series.recordings():
            with Recording(path) as recording:
                for key in missing:
                    if key in recording:
                        host = recording[key]
                        json.add(key, encode_recorded(host))
                        host.release()

    def abandon(self) -> None:
        """Leave no time series behind but what appeared already. Raises nothing."""
        if self._json_file is not None:
            self._json_file.discard()
        self._series.discard()
