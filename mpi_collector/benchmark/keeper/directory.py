"""The results directory of a run, as the keeper handles it.

Each request may hang: the process that makes it bounds its waits. Heavy imports come with the
requests that need them.
"""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpi_collector.benchmark.console import RunConsole
from mpi_collector.benchmark.keeper.in_child import in_child
from mpi_collector.benchmark.keeper.values import FoundMarks, RecordedCommand, Step
from mpi_collector.node.host.identity import boot_id
from mpi_collector.node.regular_file import is_own
from mpi_collector.node.spool import marks
from mpi_collector.output.files import (
    RunFiles,
    announce,
    marker_owner,
    release,
    reserve,
    take_over,
)
from mpi_collector.output.litter import remove_litter
from mpi_collector.transport.door import write_address

if TYPE_CHECKING:
    from mpi_collector.formats.run_document import Mark, RunDocument
    from mpi_collector.formats.suite_samples import TimeSeriesHead
    from mpi_collector.output.sink import FileSink


class ResultsDirectory:
    """The results directory of one run. The public methods are the requests of client.py."""

    def __init__(self) -> None:
        self.command_group = 0  #: process group of COMMAND, 0: none
        self.looks_every_s: float | None = None  #: while the job runs
        self.is_rung = False  #: somebody has left something
        self._reserved: RunFiles | None = None
        self._owner: int | None = None
        self._released = False
        self._sink: FileSink | None = None
        self._failure: Exception | None = None  #: of the sink; what comes after it is dropped
        self._damage = ""  #: of the host that arrives

    @property
    def files(self) -> RunFiles:
        """The files of the run. RuntimeError before ``reserve``."""
        if self._reserved is None:
            raise RuntimeError("nothing is reserved")
        return self._reserved

    @property
    def _owners(self) -> tuple[int, ...]:
        """The user as whom this process writes there: a server may take root for another one."""
        if self._owner is None:  # asked once: it may cost a request to a file server
            self._owner = marker_owner(self.files)
        return () if self._owner is None else (self._owner,)

    # ---- before and during the job
    def reserve(
        self, directory: Path, benchmark: str, run: str, pid: int, options: dict[str, Any]
    ) -> RunFiles:
        """Reserve the names of the run ``{stem}-{run}`` of process ``pid``.

        ResultsError when the directory cannot be made or written. options: of files.reserve, and
        ``in_program``, which those who would stop the run are told.
        """
        in_program = options.pop("in_program", False)
        about = {"pid": pid, "run": run, "boot_id": boot_id(), "in_program": in_program}
        files = self._reserved = reserve(directory, benchmark, about, **options)
        self._owner = None
        with suppress(OSError):  # no room for the longer text: the marker stays as it is
            announce(files, {**about, "run": f"{files.stem}-{run}"})
        remove_litter(directory)
        return files

    def take_over(self, files: RunFiles) -> None:
        """Go on with a run whose keeper has died. OSError."""
        self._reserved = files
        self._owner = None
        take_over(files)

    def look_for_stop(self, every_s: float) -> None:
        """From now on look for a request to stop every ``every_s`` seconds, until there is one."""
        self.looks_every_s = every_s

    def look(self) -> None:
        """Look for a request to stop once this is done."""
        self.is_rung = True

    def announce_door(self, address: str) -> None:
        """Leave the address of the run's door in a file of its own. OSError."""
        write_address(self.files.door, address)

    def stop_requested(self) -> bool:
        """Return whether the run was asked to stop, by its user or by root.

        What cannot be looked at is not there.
        """
        return is_own(self.files.stop_request, self._owners)

    def set_command_group(self, group: int) -> None:
        """COMMAND's process group, which ends when the recording process does; 0: it has ended."""
        self.command_group = group

    # ---- after it
    def marks(self, command: RecordedCommand, limit_s: float) -> FoundMarks:
        """Return the marks beside the results, and those of benchmark programs' files (UTC ns).

        The latter may lie on another file system: no longer than ``limit_s`` is spent on it.
        """
        from mpi_collector.benchmark.reported import find_all

        made, lost = marks.read_counted(str(self.files.marks), self._owners)
        found: list[Mark] = [
            {"text": m["text"], "edge": m["edge"], "utc_ns": m["wall_ns"], "host": None}
            for m in made
        ]
        results_dir = self.files.results_dir
        try:
            theirs = in_child(lambda: find_all(results_dir, command), limit_s)
            return FoundMarks(found + theirs.marks, theirs.problems, theirs.notes, lost)
        except OSError as e:
            return FoundMarks(found, [f"no marks of the benchmark's own files: {e}"], [], lost)

    def open_sink(
        self, json: bool, keep: bool, command: RecordedCommand, hosts_each: int = 0
    ) -> RunFiles:
        """Begin the files; return the names that they will get. See FileSink."""
        from mpi_collector.benchmark.suite_run import placed_files
        from mpi_collector.output.sink import FileSink

        self.looks_every_s = None
        self._failure = None
        self._reserved = placed_files(self.files, command)
        self._sink = FileSink(self._reserved, json, keep, hosts_each)
        return self._reserved

    def sink_steps(self, steps: list[Step]) -> None:
        """Do steps of the sink: begin_host, begin, write, drop_host."""
        for name, arguments in steps:
            if name in ("begin_host", "drop_host"):
                self._damage = ""
            self._write(name, *arguments)

    def end_host(self) -> None:
        """End the host. RuntimeError when its data are damaged: the host is dropped."""
        if damage := self._damage:
            self._damage = ""
            self._write("drop_host")
            raise RuntimeError(f"its table is damaged: {damage}")
        self._write("end_host")

    def _write(self, step: str, *arguments: Any) -> None:
        """Do a step of the sink; note its first failure. RuntimeError of ``end_host``."""
        if self._sink is None or self._failure is not None or self._damage:
            return
        try:
            getattr(self._sink, step)(*arguments)
        except OSError as e:
            self._failure = e
        except Exception as e:
            if step == "end_host" and isinstance(e, RuntimeError):
                raise  # the sink has dropped the host
            # the data of this host are damaged, the others are whole
            self._damage = f"{type(e).__name__}: {e}"

    def finish(self, document: RunDocument, head: TimeSeriesHead) -> list[Path]:
        """Complete the files; return those of the run. OSError when one could not be written."""
        sink = self._sink
        if sink is None:
            raise RuntimeError("no sink")
        try:
            if self._failure is not None:
                raise self._failure
            sink.finish(document, head)
        except BaseException:
            self.abandon_sink()
            raise
        self._sink = None
        return self.written()

    def abandon_sink(self) -> None:
        """Leave nothing behind of files that were begun."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.abandon()

    def written(self) -> list[Path]:
        """Return the files of the run that exist."""
        return sorted(self.files.directory.glob(f"{self.files.stem}_*"))

    def write_page(self, quiet: bool) -> list[str]:
        """Write the page; return messages about it."""
        from mpi_collector.benchmark.page import write_page

        messages = _Messages(quiet)
        write_page(self.files.path("timeseries.npz"), self.files.path("report.html"), messages)
        return messages.texts

    def figures(self, terminal: bool, width: int | None, encoding: str) -> str:
        """Return the figures of the recording as text. Those of very many hosts are left out."""
        from mpi_collector.report.summary import END_HOSTS, print_figures
        from mpi_collector.report.text import TextWriter
        from mpi_collector.store.load import load

        out = _TerminalText(terminal, encoding)
        with load(self.files.path("timeseries.npz")) as recording:
            if len(recording) <= END_HOSTS:
                print_figures(recording, TextWriter(out, width))
        return out.getvalue()

    def release(self) -> None:
        """Give the names back, once: see files.release."""
        self.abandon_sink()
        if self._reserved is not None and not self._released:
            self._released = True
            release(self._reserved)


class _Messages(RunConsole):
    """Messages for the other side."""

    def __init__(self, quiet: bool) -> None:
        super().__init__(quiet)
        self.texts: list[str] = []

    def write(self, text: str) -> None:
        self.texts.append(text)


class _TerminalText(io.StringIO):
    """Text as it would look on a terminal, or elsewhere."""

    def __init__(self, terminal: bool, encoding: str) -> None:
        super().__init__()
        self._terminal = terminal
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal
