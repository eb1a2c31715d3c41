"""The life cycle of a benchmark run on the launch node: the job with collectors beside it."""

from __future__ import annotations

from mpi_collector.benchmark.collection import Collection
from mpi_collector.benchmark.console import RunConsole
from mpi_collector.benchmark.exit_codes import MISTAKE
from mpi_collector.benchmark.plan import LifecyclePlan
from mpi_collector.benchmark.recorded_job import RecordedJob
from mpi_collector.benchmark.transport_choice import Choice
from mpi_collector.benchmark.transports import Transports
from mpi_collector.benchmark.unrecorded import run_unrecorded
from mpi_collector.errors import TransportError


class Lifecycle:
    """One ``run`` of a benchmark verb.

    Whatever fails before COMMAND starts makes it run over another transport or unrecorded, unless
    --strict forbids that.
    """

    def __init__(self, plan: LifecyclePlan, console: RunConsole) -> None:
        self.plan = plan
        self.console = console
        self.collection: Collection | None = None  #: of the last attempt
        self._transports = Transports(plan, console)

    def run(self, choice: Choice) -> int:
        """Return the exit code: COMMAND's, or MISTAKE when --strict kept it from starting.

        ResultsError when the results directory cannot be written, and any other exception that
        keeps a recording from starting; COMMAND has not started then.
        """
        while True:
            self.console.info(f"transport: {choice.transport} ({choice.reason})")
            try:
                return self._record(choice)
            except TransportError as e:
                self.console.warn(f"warning: {e}")
                following = self._transports.next_choice(choice, e)
                if following is None:
                    break
                choice = following
        if self.plan.strict:
            self.console.warn("the job was not started (--strict)")
            return MISTAKE
        self.console.warn("the job runs unrecorded")
        return run_unrecorded(self.plan.command, self.console.warn)

    def _record(self, choice: Choice) -> int:
        """Record over the chosen transport; TransportError when nothing could be started."""
        collection = self.collection = Collection.reserve(self.plan, self.console)
        try:
            return RecordedJob(collection).run(lambda: self._transports.open(choice, collection))
        except TransportError:
            collection.close()
            raise
        finally:
            self._transports.close()
