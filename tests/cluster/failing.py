"""mpi_collector with a recorder that fails on one host: ``failing.py HOSTNAME WHAT [ARGUMENTS]``.

Not part of the product.

WHAT is a method of the recorder, or ``tick5``: the sampling thread dies at that tick.
"""

import socket
import sys
from typing import Any

from mpi_collector.benchmark.suite_recorder import SuiteRecorder
from mpi_collector.cli.main import main
from mpi_collector.node.sample import sampler
from mpi_collector.node.sample.timer import make_timer


def fail(*_args: object, **_options: object) -> None:
    raise RuntimeError("made to fail")


def timer_until_5() -> Any:
    """Return a timer that fails at the sixth tick."""
    timer: Any = make_timer()
    block, ticks = timer.block, iter(range(5))
    timer.block = lambda: fail() if next(ticks, None) is None else block()
    return timer


if socket.gethostname() == sys.argv[1]:
    if sys.argv[2] == "tick5":
        sampler.make_timer = timer_until_5
    else:
        setattr(SuiteRecorder, sys.argv[2], fail)
sys.exit(main(sys.argv[3:]))
