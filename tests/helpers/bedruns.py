"""Recordings on the fake hosts: start one, wait until nothing of it is left, recover it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from bed import Bed, Job, Mpi


def recover(bed: Bed, mpi: Mpi, run: str, hosts: Sequence[int] = (1, 2, 3)) -> dict[int, Path]:
    """Run ``recover`` on each host; {host: directory of its files}. Every one must succeed and remove its spool."""
    out = {}
    for host in hosts:
        out[host] = bed.directory(f"recovered{host}-")
        words = ["-m", "mpi_collector", "recover", run, "--results-dir", str(out[host])]
        job = bed.run(host, [mpi.python, *words])
        assert job.process.returncode == 0, job.err
        assert bed.spools(host) == []
    return out


def all_gone(bed: Bed) -> bool:
    return not bed.all_ranks()


def start(
    bed: Bed, mpi: Mpi, launch_host: int, *words: str, hosts: Sequence[int] = (1, 2, 3)
) -> tuple[Job, str]:
    """A recording that has been running for a second, and the name of its run."""
    job = bed.start(launch_host, mpi.collect(len(hosts), bed.hostfile(mpi, hosts), *words))
    run = job.recording()
    time.sleep(1)
    return job, run
