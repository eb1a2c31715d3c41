"""A bulk-synchronous job: a millisecond of work and an allreduce, repeated.

allreduce.py SECONDS; rank 0 prints JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from mpi4py import MPI

comm = MPI.COMM_WORLD
os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[comm.rank % len(os.sched_getaffinity(0))]})
one, total = np.ones(128), np.zeros(128)
work = np.ones(400_000)


def delay_ns() -> int:
    return sum(int(f.read_text().split()[1]) for f in Path("/proc/self/task").glob("*/schedstat"))


for _ in range(50):
    work.sum()
    comm.Allreduce(one, total)
before, took, last = delay_ns(), [], time.perf_counter()
end = comm.bcast(time.time() + float(sys.argv[1]))
while comm.bcast(time.time() < end):
    for _ in range(50):
        for _ in range(4):
            work.sum()
        comm.Allreduce(one, total)
        now = time.perf_counter()
        took.append(now - last)
        last = now
waited = comm.allreduce(delay_ns() - before)
if comm.rank == 0:
    us = np.array(took) * 1e6
    found = {f"p{str(p).replace('.', '')}": np.percentile(us, p) for p in (50, 99, 99.9)}
    print(
        json.dumps(
            {
                **found,
                "mean": us.mean(),
                "max": us.max(),
                "delay_us_per_s": waited / 1e3 / us.sum() * 1e6,
            }
        )
    )
