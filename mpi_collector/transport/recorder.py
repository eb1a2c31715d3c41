"""The recorder of a node that has numpy: it decodes in batches."""

from __future__ import annotations

from mpi_collector.node.recorder import Recorder
from mpi_collector.store.fastdecode import BatchDecoder


class NodeRecorder(Recorder):
    """A Recorder with numpy."""

    decoder = BatchDecoder
