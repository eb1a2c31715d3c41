"""The hosts of an allocation, from the variables of the scheduler."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from mpi_collector.errors import HostsError
from mpi_collector.terminal_text import quoted
from mpi_collector.transport.hosts.host_list import parse_hosts
from mpi_collector.transport.hosts.hostfile import parse_hostfile
from mpi_collector.transport.hosts.names import HostSpec


class Allocation(NamedTuple):
    """The hosts of an allocation, and the variable that names them."""

    hosts: list[HostSpec]
    variable: str


def _parse_list(text: str, variable: str) -> list[HostSpec]:
    return parse_hosts([text], variable)


def _parse_file(text: str, variable: str) -> list[HostSpec]:
    return parse_hostfile(text, f"{variable}={text}")


def _parse_pairs(text: str, variable: str) -> list[HostSpec]:
    """Parse ``host count host count`` of LSF."""
    words = text.split()
    if len(words) % 2:
        raise HostsError(f"{variable}: hosts and counts do not pair up in {quoted(text)}")
    pairs = zip(words[::2], words[1::2])
    return parse_hosts([f"{host}:{count}" for host, count in pairs], variable)


#: the first variable that is set counts
_VARIABLES: dict[str, Callable[[str, str], list[HostSpec]]] = {
    "SLURM_JOB_NODELIST": _parse_list,
    "SLURM_NODELIST": _parse_list,
    "PBS_NODEFILE": _parse_file,
    "PE_HOSTFILE": _parse_file,
    "LSB_DJOB_HOSTFILE": _parse_file,
    "LSB_MCPU_HOSTS": _parse_pairs,
    "LSB_HOSTS": _parse_list,
    "COBALT_NODEFILE": _parse_file,
    "OAR_NODEFILE": _parse_file,
}


def from_scheduler(environ: Mapping[str, str] = os.environ) -> Allocation | None:
    """Return the allocation of this process, None if it has none. Raise HostsError."""
    for variable, parse in _VARIABLES.items():
        if environ.get(variable):
            return Allocation(parse(environ[variable], variable), variable)
    return None
