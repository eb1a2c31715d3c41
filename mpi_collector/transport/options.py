"""What all nodes of a run are told."""

from mpi_collector.node.options import SamplingOptions

__all__ = ["SamplingOptions"]
