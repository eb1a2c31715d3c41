"""The hosts of a run: from the command line, a host file or the scheduler."""

from mpi_collector.errors import HostsError
from mpi_collector.transport.hosts.host_list import parse_hosts
from mpi_collector.transport.hosts.hostfile import MAX_FILE_BYTES, parse_hostfile
from mpi_collector.transport.hosts.keys import find_aliases, requested_name, unique_keys
from mpi_collector.transport.hosts.names import HostSpec, checked, same_name, valid_host, valid_user
from mpi_collector.transport.hosts.resolve import (
    is_address,
    known_names,
    local_names,
    mark_local,
    resolve_all,
)
from mpi_collector.transport.hosts.scheduler import Allocation, from_scheduler
from mpi_collector.transport.hosts.word import MAX_HOSTS

__all__ = [
    "MAX_FILE_BYTES",
    "MAX_HOSTS",
    "Allocation",
    "HostSpec",
    "HostsError",
    "checked",
    "find_aliases",
    "is_address",
    "from_scheduler",
    "known_names",
    "local_names",
    "mark_local",
    "parse_hostfile",
    "parse_hosts",
    "requested_name",
    "resolve_all",
    "same_name",
    "unique_keys",
    "valid_host",
    "valid_user",
]
