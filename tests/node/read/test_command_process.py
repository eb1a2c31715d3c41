"""COMMAND's first process is found by the variable that names its run, whatever its PID."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from mpi_collector.node.read import command_process


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_number_below_that_of_the_recorder(
    wrapped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PIDs begin anew behind the greatest one: those of 15 bits do on a busy machine in minutes."""
    run = f"run-of-{os.getpid()}-{wrapped}"
    environ = {**os.environ, "MPI_COLLECTOR_RUN": run}
    with subprocess.Popen(["sleep", "30"], env=environ) as job:
        monkeypatch.setattr(command_process, "_RESERVED", 1)
        monkeypatch.setattr(os, "getpid", lambda: job.pid + (10**6 if wrapped else -1))
        ends = time.monotonic() + 20
        while (found := command_process.first_process(run)) is None:
            assert time.monotonic() < ends
            time.sleep(0.02)
        assert found == job.pid
        job.kill()
    assert command_process.first_process(run) is None
