"""Agents over OpenSSH: one persistent session per host for the whole run, and none of them can delay another."""

from mpi_collector.transport.ssh.root import SshRoot
from mpi_collector.transport.ssh.visits import Visits

__all__ = ["SshRoot", "Visits"]
