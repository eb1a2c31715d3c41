"""The gathered hosts on their way into the files of the run."""

from __future__ import annotations

import contextlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mpi_collector.formats.run_document import RunDocument
from mpi_collector.formats.suite_samples import RecordedRows, TimeSeriesHead, encode_samples
from mpi_collector.output.documents import HostDocuments
from mpi_collector.output.files import RunFiles, create
from mpi_collector.output.hostlist import pieces
from mpi_collector.output.json import JsonWriter
from mpi_collector.output.npz import NpzWriter, json_of


class FileSink:
    """Writes the npz and, if ``json``, the suite's time series; then cluster_info and metadata from what is in them.

    Nothing appears before ``finish``; ``abandon`` drops it all. ``keep`` False: only the last two (``--skip-timeseries``).
    """

    def __init__(self, files: RunFiles, json: bool, keep: bool = True) -> None:
        self._files, self._keep = files, keep
        self._stack = ExitStack()
        self._npz_file = self._stack.enter_context(create(files.path("timeseries.npz")))
        self._npz = NpzWriter(self._npz_file)
        self._json: JsonWriter | None = None
        if json:
            self._json = JsonWriter(
                self._stack.enter_context(create(files.path("timeseries.json")))
            )
        self._into_json = False
        self.hosts: list[str] = []
        self._known = HostDocuments(files.directory)
        self._packed_meta: list[bytes] = []
        self._in_meta = False

    def begin_host(self, key: str) -> None:
        self._marks = (self._npz.mark(), self._json.mark() if self._json else None)
        self._key = key
        self._packed_meta = []

    def begin(self, head: dict[str, Any]) -> None:
        self._into_json = head["kind"] == "json"
        # read as it passes: to look for it in a file of thousands of hosts takes more time, and memory for its directory
        self._in_meta = head["name"] == f"{self._key}/meta"
        if not self._into_json:
            self._npz.begin(head)
        elif self._json:
            self._json.begin(self._key)

    def write(self, data: bytes | memoryview) -> None:
        if not self._into_json:
            self._npz.write(data)
            if self._in_meta:
                self._packed_meta.append(bytes(data))
        elif self._json:
            self._json.write(data)

    def end_host(self) -> None:
        """RuntimeError when what its table says of itself cannot be read: the host is dropped."""
        try:
            self._known.add(self._key, json_of(b"".join(self._packed_meta)))
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            self.drop_host()
            raise RuntimeError(f"its table is damaged: meta: {e}") from e
        self.hosts.append(self._key)

    def drop_host(self) -> None:
        npz, json = self._marks
        self._npz.rollback(npz)
        if self._json and json:
            self._json.rollback(json)

    def finish(self, run: RunDocument, head: TimeSeriesHead) -> None:
        """Write what belongs to the whole run; the files appear. OSError when they cannot be written."""
        self._npz.finish(run)
        if self._json:
            self._encode_the_rest(self._json)
            self._json.finish(head, head["hosts_requested"])
        series = None if not self._keep else "timeseries.json" if self._json else "timeseries.npz"
        documents = self._known.documents(self._files, run, series)
        if self._keep:
            self._stack.close()
        else:
            self.abandon()
        for suffix, document in documents.items():
            with create(self._files.path(suffix)) as f:
                f.writelines(pieces(document, self._known.lists))
        self._known.close()

    def _encode_the_rest(self, json: JsonWriter) -> None:
        """The samples of hosts that could not encode them themselves."""
        rest = [h for h in self.hosts if h not in json.hosts]
        if not rest:
            return
        from mpi_collector.store.recording import Recording

        self._npz_file.flush()
        with Recording(Path(self._npz_file.name)) as recording:
            for key in rest:
                host = recording[key]
                json.add(
                    key,
                    encode_samples(
                        RecordedRows(host), str(host.meta.get("identity", {}).get("hostname", key))
                    ),
                )
                host.release()

    def abandon(self) -> None:
        """Leave no file behind, and raise nothing: what is still in buffers may have no place on a full file system."""
        try:
            raise _Abandoned
        except _Abandoned as e:
            with contextlib.suppress(OSError):
                self._stack.__exit__(type(e), e, e.__traceback__)


class _Abandoned(Exception):
    pass
