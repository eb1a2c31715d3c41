"""The recorder of a node that has numpy: it decodes in batches."""

from __future__ import annotations

from mpi_collector.batch.decoder import BatchDecoder
from mpi_collector.launchers import PROCESS_NAMES
from mpi_collector.node.agent.recorder import Recorder


class BatchRecorder(Recorder):
    """A Recorder with numpy."""

    decoder = BatchDecoder
    launchers = PROCESS_NAMES
