"""Which hosts are meant: by the command line, a host file, the scheduler; and which of them is this one."""

from mpi_collector.errors import HostsError
from mpi_collector.transport.hosts.names import HostSpec, checked, same_name, valid_host, valid_user
from mpi_collector.transport.hosts.parse import (
    MAX_FILE_BYTES,
    MAX_HOSTS,
    from_scheduler,
    parse_hostfile,
    parse_hosts,
)
from mpi_collector.transport.hosts.resolve import is_local, local_names, resolve_all

__all__ = [
    "MAX_FILE_BYTES", "MAX_HOSTS", "HostSpec", "HostsError", "checked", "from_scheduler", "is_local", "local_names",
    "parse_hostfile", "parse_hosts", "resolve_all", "same_name", "valid_host", "valid_user",
]  # fmt: skip
