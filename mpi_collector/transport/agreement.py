"""What a host and the coordinator agree on before anything is sampled, and its bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpi_collector.errors import MessageError
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.spool.writer import least_rows


def check_ready(ready: Mapping[str, Any], options: SamplingOptions) -> None:
    """Raise MessageError for an answer to ``prepare`` that no host can give to ``options``.

    All hosts get the capacity of the smallest table: one row would ruin the recording of all.
    """
    least = least_rows(options.max_samples)
    rows = ready["rows"]
    if not least <= rows <= options.max_samples:
        raise MessageError(
            f"offers a table of {rows} rows, where {least} to {options.max_samples} are possible"
        )
