"""This process as one of the ranks of a launch: open the world, do a verb's part, leave."""

from __future__ import annotations

import os
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from time import sleep
from typing import TYPE_CHECKING

from mpi_collector.benchmark.console import print_message
from mpi_collector.benchmark.exit_codes import FAILED, MISTAKE, OK
from mpi_collector.errors import BrokenMPIError, MissingMPIError, WrongMPIError
from mpi_collector.transport.launch.detect import Launch

if TYPE_CHECKING:
    from mpi_collector.batch.recorder import BatchRecorder
    from mpi_collector.transport.ranks.world import World

#: most launchers end the other ranks within this time after rank 0 has said it for all
_AFTER_RANK_0_S = 2.0


@dataclass(frozen=True)
class RankResult:
    """How a rank's part of a verb ended."""

    exit_code: int
    all_present: bool  #: False: a rank is missing, and MPI_Finalize would wait for it
    end_launcher: bool = False  #: the launcher may wait for a missing rank for ever: end it


def run_rank(
    launch: Launch,
    part: Callable[[World], RankResult],
    without_mpi: Callable[[Exception], int] | None = None,
) -> int:
    """Run this rank's part of a verb and return the exit code.

    MISTAKE when mpi4py cannot be loaded, does not belong to the launcher, or connects no ranks. An
    exception aborts all ranks: one that fails must not leave the others waiting. Where a rank is
    missing this process ends here.

    without_mpi: runs COMMAND where no rank has MPI (``_nobody_has_mpi``), returns its exit code.
    With it a failure of another rank than rank 0 ends nothing.
    """
    try:
        from mpi_collector.transport.ranks.world import World

        world = World(launch)
    except Exception as e:
        if without_mpi is not None and _nobody_has_mpi(launch, e):
            return without_mpi(e) if launch.rank == 0 else OK
        if not isinstance(e, WrongMPIError):
            raise
        _report_wrong_mpi(launch, e)
        if isinstance(e, BrokenMPIError):
            World.abort(MISTAKE)
        return MISTAKE
    try:
        result = part(world)
    except Exception as e:  # noqa: BLE001 - whatever it is
        if without_mpi is None or launch.rank == 0:
            traceback.print_exc()
            world.abort(FAILED)
            return FAILED
        result = _stand_by(world, e)
    if result.all_present and _finished(world):
        return result.exit_code
    _leave(result)
    return result.exit_code


def _nobody_has_mpi(launch: Launch, error: Exception) -> bool:
    """Return whether what kept this rank from MPI keeps every rank of the launch from it.

    On several hosts others may have it, and would wait for this rank in MPI_Init for ever.
    """
    if launch.size == 1:
        return True
    alike = isinstance(error, WrongMPIError) and not isinstance(error, BrokenMPIError)
    return launch.one_host and alike


def _stand_by(world: World, error: Exception) -> RankResult:
    """Wait for the end as a rank that has failed."""
    from mpi_collector.transport.ranks.bystander import stand_by

    return RankResult(OK, stand_by(world, error))


def _finished(world: World) -> bool:
    """Leave MPI; return False, and say why, where that fails: the exit code is known already."""
    try:
        world.finish(True)
    except Exception as e:  # noqa: BLE001 - whatever it is
        print_message(f"warning: MPI_Finalize: {type(e).__name__}: {e}")
        return False
    return True


def _report_wrong_mpi(launch: Launch, error: WrongMPIError) -> None:
    """Report on rank 0 what is wrong for all ranks, on any what may be so on its host alone."""
    if launch.rank == 0:
        print_message(str(error))
    elif isinstance(error, (MissingMPIError, BrokenMPIError)):
        sleep(_AFTER_RANK_0_S)
        print_message(f"rank {launch.rank} on {socket.gethostname()}: {error}")


def run_worker(world: World, recorder_class: type[BatchRecorder] | None = None) -> RankResult:
    """Serve rank 0 until it lets this rank go, or is gone."""
    from mpi_collector.transport.ranks.worker import Worker

    worker = Worker(world) if recorder_class is None else Worker(world, recorder_class)
    return RankResult(OK, all_present=worker.run())


def _leave(result: RankResult) -> None:
    """End this process without MPI_Finalize."""
    from mpi_collector.benchmark.launcher_shutdown import exit_and_end_launcher

    sys.stdout.flush()
    sys.stderr.flush()
    if result.end_launcher:
        exit_and_end_launcher(result.exit_code, print_message)
    os._exit(result.exit_code)
