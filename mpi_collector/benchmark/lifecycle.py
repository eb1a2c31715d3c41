"""The life cycle of a benchmark run on the launch node: the job with collectors beside it."""

from __future__ import annotations

import shlex
import tempfile

from mpi_collector.benchmark.collection import Collection
from mpi_collector.benchmark.console import RunConsole, listed
from mpi_collector.benchmark.exit_codes import MISTAKE
from mpi_collector.benchmark.plan import LifecyclePlan
from mpi_collector.benchmark.ranks_launch import find_unusable, ranks_launch
from mpi_collector.benchmark.recorded_job import RecordedJob
from mpi_collector.benchmark.transport_choice import Choice
from mpi_collector.benchmark.unrecorded import run_unrecorded
from mpi_collector.errors import TransportError, UnusableHostsError
from mpi_collector.node.host.identity import identity
from mpi_collector.transport.base import Transport
from mpi_collector.transport.hosts import known_names


class Lifecycle:
    """One ``run`` of a benchmark verb.

    Whatever fails before COMMAND starts makes it run over another transport or unrecorded, unless
    --strict forbids that.
    """

    def __init__(self, plan: LifecyclePlan, console: RunConsole) -> None:
        self.plan = plan
        self.console = console
        self.collection: Collection | None = None  #: of the last attempt
        self._launch_directory: tempfile.TemporaryDirectory[str] | None = None

    def run(self, choice: Choice) -> int:
        """Return the exit code: COMMAND's, or MISTAKE when --strict kept it from starting.

        ResultsError when the results directory cannot be written; nothing has started then.
        """
        while True:
            self.console.info(f"transport: {choice.transport} ({choice.reason})")
            try:
                return self._record(choice)
            except TransportError as e:
                self.console.warn(f"warning: {e}")
                hosts_refused = isinstance(e, UnusableHostsError)
                if hosts_refused or choice.transport != "mpi" or self.plan.transport != "auto":
                    break
                choice = Choice("ssh", "the launch over MPI failed")
        if self.plan.strict:
            self.console.warn("the job was not started (--strict)")
            return MISTAKE
        self.console.warn("the job runs unrecorded")
        return run_unrecorded(self.plan.command, self.console.warn)

    def _record(self, choice: Choice) -> int:
        """Record over the chosen transport; TransportError when nothing could be started."""
        collection = self.collection = Collection.reserve(self.plan, self.console)
        try:
            return RecordedJob(collection).run(lambda: self._transport(choice, collection))
        except TransportError:
            collection.close()
            raise
        finally:
            if self._launch_directory is not None:
                self._launch_directory.cleanup()

    def _transport(self, choice: Choice, collection: Collection) -> Transport:
        if choice.transport == "local":
            return self._local(collection)
        if choice.transport == "ssh":
            return self._over_ssh(collection)
        return self._over_mpi(choice, collection)

    def _local(self, collection: Collection) -> Transport:
        from mpi_collector.benchmark.suite_recorder import SuiteRecorder  # imports numpy
        from mpi_collector.transport.ranks.coordinator import Coordinator

        names = {identity()["hostname"]: self.plan.hosts[0].name} if self.plan.hosts else {}
        return Coordinator(self.plan.sampling, collection.run, None, names, SuiteRecorder)

    def _over_ssh(self, collection: Collection) -> Transport:
        from mpi_collector.transport.ssh import SshCoordinator

        return SshCoordinator(
            self.plan.sampling,
            collection.run,
            self.plan.hosts,
            self.plan.ssh_username,
            self.plan.ssh_fanout,
            self.plan.ssh_timeout_s,
            self.console.progress,
        )

    def _over_mpi(self, choice: Choice, collection: Collection) -> Transport:
        """Launch ranks on the hosts that can take part; TransportError when there are none."""
        from mpi_collector.transport.launch.control_client import ControlClient

        found = find_unusable(self.plan, choice, self.console.progress)
        collection.unusable = found.broken
        collection.aliases = found.aliases
        hosts = found.usable(self.plan.hosts)
        if not hosts:
            raise TransportError(f"no host can be recorded: {listed(found.broken)}")
        self._launch_directory = tempfile.TemporaryDirectory(prefix="mpi_collector-")
        launch = ranks_launch(self.plan, choice, hosts, self._launch_directory.name)
        self.console.debug(f"collectors: {shlex.join(launch.argv)}")
        if settings := launch.settings.describe():
            self.console.debug(f"settings of the launcher, {settings}")
        return ControlClient(
            self.plan.sampling, collection.run, launch, known_names(hosts), self.console.warn
        )
