"""Agents over OpenSSH: one session per host for the whole run, none of which delays another."""

from mpi_collector.transport.ssh.coordinator import SshCoordinator
from mpi_collector.transport.ssh.queries import HostQueries

__all__ = ["SshCoordinator", "HostQueries"]
