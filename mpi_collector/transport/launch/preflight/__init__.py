"""A check of every host before the job, all at the same time: can ranks of ours be started there?

Launchers say little about the one host that keeps a launch of hundreds from starting, and say it
late. ``question`` is what a host is asked, ``over_ssh`` and ``by_launcher`` ask it, ``answers``
judges what comes back.
"""

from mpi_collector.transport.launch.preflight.answers import Findings, judge
from mpi_collector.transport.launch.preflight.by_launcher import check_by_launcher
from mpi_collector.transport.launch.preflight.over_ssh import check_ranks, check_reachable
from mpi_collector.transport.launch.preflight.question import check_command, check_program

__all__ = [
    "Findings",
    "check_by_launcher",
    "check_command",
    "check_program",
    "check_ranks",
    "check_reachable",
    "judge",
]
