"""mpi_collector with a host for every rank, to have many leaders on one machine.

Not part of the product.

Every rank adds its number to its hostname. Tables are stored uncompressed, so that many of them are
much to gather. Rank 0 writes the greatest size it had until the gathering, and until its end
(VmHWM, kB), to $MANY_RANKS_PEAK.
"""

import os
import re
import sys
from pathlib import Path

import mpi_collector.node.table.npy
import mpi_collector.transport.ranks.coordinator
import mpi_collector.transport.ranks.worker
from mpi_collector.cli.main import main
from mpi_collector.node.host.identity import identity
from mpi_collector.transport.launch.detect import detect
from mpi_collector.transport.ranks.coordinator import Coordinator

launch = detect()
assert launch is not None


def own_identity() -> dict:
    who = identity()
    return dict(who, hostname=f"{who['hostname']}r{launch.rank}")


def note_peak() -> None:
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    with open(os.environ["MANY_RANKS_PEAK"], "a") as f:
        f.write(f"{peak[1]}\n")


def gather_and_note(*args: object) -> None:
    note_peak()
    gather(*args)
    note_peak()


mpi_collector.transport.ranks.worker.identity = own_identity
mpi_collector.transport.ranks.coordinator.identity = own_identity
mpi_collector.node.table.npy.LEVEL = 0
gather, Coordinator.gather = Coordinator.gather, gather_and_note
sys.exit(main())
