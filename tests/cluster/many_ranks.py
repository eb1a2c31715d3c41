"""mpi_collector with a host for every rank, to have many leaders on one machine. Not part of the product.

Every rank adds its number to its hostname. Tables are stored uncompressed, so that many of them are much to gather.
Rank 0 writes the greatest size it had until the gathering, and until its end (VmHWM, kB), to $MANY_RANKS_PEAK.
"""

import os
import re
import sys
from pathlib import Path

import mpi_collector.node.pack
import mpi_collector.transport.member
import mpi_collector.transport.root
from mpi_collector.cli.main import main
from mpi_collector.node.identity import identity
from mpi_collector.transport.launcher import detect
from mpi_collector.transport.root import Root

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


mpi_collector.transport.member.identity = own_identity
mpi_collector.transport.root.identity = own_identity
mpi_collector.node.pack.LEVEL = 0
gather, Root.gather = Root.gather, gather_and_note
sys.exit(main())
