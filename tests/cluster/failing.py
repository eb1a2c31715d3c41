"""mpi_collector with a recorder that fails on one host: ``failing.py HOSTNAME WHAT [ARGUMENTS]``. Not part of the product.

WHAT is a method of the recorder, or ``tick5``: the sampling thread dies at that tick.
"""

import socket
import sys
from typing import Any

from mpi_collector.benchmark.recorder import SuiteRecorder
from mpi_collector.cli.main import main
from mpi_collector.node.sampler import Sampler


def fail(*_args: object, **_options: object) -> None:
    raise RuntimeError("made to fail")


def take_until_5(sampler: Sampler, tick: int, *args: Any) -> None:
    if tick == 5:
        fail()
    take(sampler, tick, *args)


take = Sampler._take
if socket.gethostname() == sys.argv[1]:
    if sys.argv[2] == "tick5":
        Sampler._take = take_until_5
    else:
        setattr(SuiteRecorder, sys.argv[2], fail)
sys.exit(main(sys.argv[3:]))
