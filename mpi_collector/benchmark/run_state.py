"""What is known of a run while it is recorded; announcement and run document are made of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mpi_collector.benchmark.command import Command
from mpi_collector.benchmark.console import RunConsole
from mpi_collector.benchmark.keeper.client import Keeper
from mpi_collector.benchmark.plan import CollectPlan
from mpi_collector.formats.run_document import Mark, RunDocument
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.host.helpers import Helpers, launch_side
from mpi_collector.node.spool.directory import RunDirectory
from mpi_collector.output.files import RunFiles
from mpi_collector.transport.base import Transport
from mpi_collector.transport.door import Door


@dataclass
class CommandRun:
    """COMMAND of a run. Times: monotonic, ns.

    ``process`` is None when it could not be started, or is no process of its own.
    """

    argv: list[str]
    process: Command | None = None
    began_ns: int = 0
    ended_ns: int | None = None  #: None: it had not ended when the recording did
    code: int | None = None  #: exit code of what is no process

    def exit_code(self) -> int | None:
        """Return its exit code; None when it has none or that is not known."""
        return self.code if self.process is None else self.process.exit_code()


class RunState:
    """The plan of a run, its names, and what has happened so far."""

    def __init__(
        self, plan: CollectPlan, console: RunConsole, keeper: Keeper, files: RunFiles, run: str
    ) -> None:
        self.plan = plan
        self.console = console
        self.keeper = keeper  #: of the directory of ``files``
        self.files = files
        self.run = run
        self.door = Door()  #: where users ring who have left a request or a mark
        self.unusable: dict[str, str] = {}  #: hosts that were asked for and left out, and why
        self.aliases: dict[str, str] = {}  #: further name of a host: the name it is recorded by
        self.command: CommandRun | None = None  #: None: there is none, or it was never tried
        self.started_ns = 0  #: tick 0, monotonic; 0: not yet
        self.ended_ns = 0  #: when the stop began, monotonic; 0: not yet
        #: at the end no rank is missing: MPI_Finalize will not hang; None: they were not told
        self.all_present: bool | None = None
        self.result: RunDocument | None = None  #: None until the files are written
        self.written: list[Path] = []  #: the files, once they are written
        self.outside_marks: list[Mark] = []  #: of hosts that are not recorded, and of COMMAND
        self.outside_marks_lost = 0
        self._launch_side = Helpers()
        self.launch_side_cpu_ns: int | None = None  #: where no host is recorded here
        self._transport: Transport | None = None

    @property
    def transport(self) -> Transport:
        """The transport of this recording; RuntimeError before ``attach``."""
        if self._transport is None:
            raise RuntimeError("the recording has not begun")
        return self._transport

    @property
    def attached(self) -> bool:
        """True once a transport was given: hosts may have been reached."""
        return self._transport is not None

    @property
    def run_directory(self) -> RunDirectory:
        """The run's directory of spools on this host, whether or not it exists."""
        return RunDirectory(self.plan.sampling.spool_dir, self.run)

    def kept(self) -> str:
        """Return what becomes of the samples when no file is written, and how to get at them."""
        hosts = [] if self._transport is None else self._transport.hosts
        sampled = [h for h in hosts if h.sampling]
        if not sampled:
            return "nothing was sampled"
        in_memory = [h.key for h in sampled if not h.ready.get("spool")]
        rescue_dir = self.plan.sampling.rescue_dir
        if in_memory and rescue_dir:
            return (
                f"the samples are kept, those of {', '.join(in_memory)} if there is room for them "
                f"in {rescue_dir}: mpi_collector recover --rescue-dir {rescue_dir} {self.run}"
            )
        if len(in_memory) == len(sampled):
            return "the samples were in plain memory and are lost"
        lost = f", apart from those of {', '.join(in_memory)}, which are lost" if in_memory else ""
        return f"the samples are kept{lost}: mpi_collector recover {self.run}"

    def note_start(self) -> None:
        """Note that every host samples. COMMAND must not run yet: it is none of our children."""
        self.started_ns = self.transport.local_t0_ns
        if not self.transport.records_here:
            self._launch_side.begin(lambda: launch_side(os.getpid()))

    def note_end(self) -> None:
        """Note that the hosts are about to be stopped."""
        self.ended_ns = mono_ns()
        self.launch_side_cpu_ns = self._launch_side.spent_ns()

    def attach(self, transport: Transport) -> None:
        """Use ``transport`` from here on."""
        self._transport = transport
