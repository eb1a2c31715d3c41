"""Agents over OpenSSH: one persistent session per host for the whole run, and none of them can delay another."""

from mpi_collector.transport.ssh.coordinator import SshCoordinator
from mpi_collector.transport.ssh.queries import HostQueries

__all__ = ["SshCoordinator", "HostQueries"]
