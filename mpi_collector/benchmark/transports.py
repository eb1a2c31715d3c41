"""The transport of a run on the launch node, made as it was chosen."""

from __future__ import annotations

import contextlib
import shlex
from typing import TYPE_CHECKING

from mpi_collector.benchmark.collection import Collection
from mpi_collector.benchmark.console import RunConsole, listed
from mpi_collector.benchmark.plan import LifecyclePlan
from mpi_collector.benchmark.ranks_launch import find_unusable, ranks_launch
from mpi_collector.benchmark.transport_choice import Choice
from mpi_collector.errors import TransportError, UnusableHostsError
from mpi_collector.node.host.identity import identity
from mpi_collector.scratch import ScratchDirectory
from mpi_collector.transport.base import Transport
from mpi_collector.transport.hosts import known_names
from mpi_collector.transport.one_thread import import_numpy

if TYPE_CHECKING:
    from mpi_collector.batch.recorder import BatchRecorder


class Transports:
    """Makes the transports of a run: of the first attempt, and of the next where that failed.

    recorder: samples this host when no other one is named; None: a thread of this process.
    """

    def __init__(
        self,
        plan: LifecyclePlan,
        console: RunConsole,
        recorder: type[BatchRecorder] | None = None,
    ) -> None:
        self._plan = plan
        self._console = console
        self._recorder = recorder
        self._launch_directory: ScratchDirectory | None = None

    def open(self, choice: Choice, collection: Collection) -> Transport:
        """Return the transport; TransportError when there is none."""
        if choice.transport == "local":
            return self._local(collection)
        if choice.transport == "ssh":
            return self._over_ssh(collection)
        return self._over_mpi(choice, collection)

    def close(self) -> None:
        """Remove the files of a launch, which has ended. Raises nothing: COMMAND has ended, too."""
        if self._launch_directory is not None:
            with contextlib.suppress(Exception):
                self._launch_directory.cleanup()

    def next_choice(self, choice: Choice, error: TransportError) -> Choice | None:
        """Return what to try after ``choice`` has failed with ``error``; None: nothing."""
        refused = isinstance(error, UnusableHostsError)
        if refused or choice.transport != "mpi" or self._plan.transport != "auto":
            return None
        return Choice("ssh", "the launch over MPI failed")

    def _local(self, collection: Collection) -> Transport:
        import_numpy()
        from mpi_collector.benchmark.recorder_choice import recorder_of_this_host  # imports numpy
        from mpi_collector.transport.ranks.coordinator import Coordinator

        names = {identity()["hostname"]: self._plan.hosts[0].name} if self._plan.hosts else {}
        recorder = self._recorder or recorder_of_this_host()
        return Coordinator(self._plan.sampling, collection.run, None, names, recorder)

    def _over_ssh(self, collection: Collection) -> Transport:
        from mpi_collector.transport.ssh import SshCoordinator

        return SshCoordinator(
            self._plan.sampling,
            collection.run,
            self._plan.hosts,
            self._plan.ssh_username,
            self._plan.ssh_fanout,
            self._plan.ssh_timeout_s,
            self._console.progress,
        )

    def _over_mpi(self, choice: Choice, collection: Collection) -> Transport:
        """Launch ranks on the hosts that can take part; TransportError when there are none."""
        from mpi_collector.transport.launch.control_client import ControlClient

        plan = self._plan
        found = find_unusable(plan, choice, self._console.progress)
        collection.unusable = found.broken
        collection.aliases = found.aliases
        hosts = found.usable(plan.hosts)
        if not hosts:
            raise TransportError(f"no host can be recorded: {listed(found.broken)}")
        self._launch_directory = ScratchDirectory()
        launch = ranks_launch(plan, choice, hosts, self._launch_directory.name)
        self._console.debug(f"collectors: {shlex.join(launch.argv)}")
        if settings := launch.settings.describe():
            self._console.debug(f"settings of the launcher, {settings}")
        return ControlClient(
            plan.sampling, collection.run, launch, known_names(hosts), self._console.warn
        )
