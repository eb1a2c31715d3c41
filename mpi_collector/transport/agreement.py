"""What a host and the coordinator agree on before anything is sampled, and its bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

from mpi_collector.errors import MessageError
from mpi_collector.node.agent.messages import ReadyReport
from mpi_collector.node.compat import mono_ns, wall_ns
from mpi_collector.node.options import MAX_SAMPLES, MIN_INTERVAL_S, SamplingOptions
from mpi_collector.node.spool.writer import least_rows
from mpi_collector.transport.base import HostState
from mpi_collector.transport.table_check import TableBounds

_TICKS_SPARE = 100  #: a host's clock may be ahead, and its samples are at least 10 ms apart
_ROWS_SPARE = 257  #: the stop row, and samples that were not decoded (read.probe.STAGE_SLOTS)
_DAY_NS = 86_400_000_000_000
_TIME_SPARE_NS = 60_000_000_000  #: by which a clock may be off where it was not measured


def check_ready(ready: Mapping[str, Any], options: SamplingOptions) -> ReadyReport:
    """Return ``ready``, an answer to ``prepare``. MessageError when no host can give it.

    All hosts get the capacity of the smallest table: one row would ruin the recording of all.
    """
    least = least_rows(options.max_samples)
    rows = ready["rows"]
    if not least <= rows <= options.max_samples:
        raise MessageError(
            f"offers a table of {rows} rows, where {least} to {options.max_samples} are possible"
        )
    return cast(ReadyReport, ready)


class Agreed(Protocol):
    """What the coordinator of a run has told every host of it."""

    run: str
    options: SamplingOptions
    capacity: int
    t0_ns: int
    epoch_ns: int


def table_bounds(agreed: Agreed, host: HostState, json: bool = False) -> TableBounds:
    """Return what the table of a host of a run can be now.

    ``json``: the suite's samples may come with it.
    """
    interval_ns = agreed.options.interval_ns
    elapsed_ns = max(mono_ns() - agreed.t0_ns, 0)
    last_tick = elapsed_ns // interval_ns + _TICKS_SPARE
    return TableBounds(
        key=host.key,
        run=agreed.run,
        rows=min(agreed.capacity, last_tick + 1) + _ROWS_SPARE,
        columns=host.ready["columns"],
        begin_ns=agreed.epoch_ns - _TIME_SPARE_NS,
        end_ns=agreed.epoch_ns + elapsed_ns + _TIME_SPARE_NS,
        last_tick=last_tick,
        grid={
            "t0_ns": agreed.t0_ns,
            "epoch_ns": agreed.epoch_ns,
            "interval_ns": interval_ns,
            "policy": agreed.options.when_full,
            "capacity": agreed.capacity,
        },
        json=json,
    )


def recovered_bounds(key: str, run: str, about: Mapping[str, Any]) -> TableBounds:
    """Return what the table of a dead run's host can be; ``about``: what is said of its spool."""
    grid = about["grid"]
    now_ns = wall_ns() + _DAY_NS  # this host's clock need not be that of the run
    elapsed_ns = max(now_ns - grid["epoch_ns"], 0)
    last_tick = elapsed_ns // max(grid["interval_ns"], int(MIN_INTERVAL_S * 1e9))
    return TableBounds(
        key=key,
        run=run,
        rows=min(grid["capacity"], MAX_SAMPLES, last_tick + 1) + _ROWS_SPARE,
        columns=about["facts"]["columns"],
        begin_ns=grid["epoch_ns"] - _TIME_SPARE_NS,
        end_ns=now_ns,
        last_tick=last_tick,
        grid=grid,
    )
