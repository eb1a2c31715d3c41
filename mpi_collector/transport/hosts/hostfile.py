"""Host files of Open MPI, MPICH, Intel MPI and PBS, and plain lists of names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from mpi_collector.errors import HostsError
from mpi_collector.terminal_text import quoted
from mpi_collector.transport.hosts.host_list import HostList
from mpi_collector.transport.hosts.names import HostSpec
from mpi_collector.transport.hosts.word import parse_slots

MAX_FILE_BYTES = 4 << 20

#: options of a line, in lower case and with _ in place of -
_SLOTS = {"slots", "slot", "count", "cpus", "cpu", "np"}
_USERS = {"user", "username"}
_IGNORED = {
    "binding",
    "boards",
    "cores",
    "cores_per_socket",
    "count_max",
    "cpu_max",
    "cpus_max",
    "ifname",
    "max_count",
    "max_cpus",
    "max_slots",
    "slots_max",
    "sockets",
    "sockets_per_board",
}


class _Line(NamedTuple):
    """The hosts of a line, separated by blanks, and the slots of each, None if not given."""

    hosts: str
    slots: int | None


def parse_hostfile(path: Path | str, source: str | None = None) -> list[HostSpec]:
    """Parse a host file. Raise HostsError, which lists every problem with its line.

    source: how messages name the file; None: by its path.
    """
    name = source or str(path)
    hosts = HostList(name)
    for number, line in enumerate(_read(Path(path), name).split("\n"), 1):
        text = line.partition("#")[0].strip(" \t\r")
        if not text:
            continue
        try:
            parsed = _parse_line(text)
        except HostsError as e:
            hosts.add_problem(str(e), number)
        else:
            hosts.add(parsed.hosts, parsed.slots, number)
    return hosts.result()


def _read(path: Path, source: str) -> str:
    try:
        with path.open("rb") as f:
            data = f.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as e:
        raise HostsError(f"{source}: cannot be read: {getattr(e, 'strerror', None) or e}") from e
    if len(data) > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES >> 20
        raise HostsError(f"{source}: not a host file, it is larger than {limit} MiB")
    return data.decode("utf-8-sig", "replace")


def _parse_line(text: str) -> _Line:
    """Parse hosts, then ``slots=4`` or ``slots 4`` and options that are ignored."""
    words = re.sub(r" ?= ?", "=", re.sub(r"[ \t]+", " ", text)).split(" ")
    hosts: list[str] = []
    slots = None
    at = 0
    while at < len(words):
        word = words[at]
        key, equals, value = word.partition("=")
        key = key.lower().replace("-", "_")
        if hosts and not equals and key in _SLOTS | _IGNORED and at + 1 < len(words):
            at += 1
            equals = "="
            value = words[at]
        at += 1
        if not equals:
            hosts.append(word)
        elif not hosts:
            raise HostsError(f"{quoted(word)}: a line begins with a host")
        elif key in _SLOTS:
            slots = parse_slots(value, text)
        elif key not in _IGNORED:
            raise HostsError(_refusal(key, word))
    return _Line(" ".join(hosts), slots)


def _refusal(key: str, word: str) -> str:
    """Return why an option is refused, and what to do."""
    if key in _USERS:
        return f"{quoted(word)}: give a user name by --ssh-username or in ssh's own configuration"
    options = "slots=, max_slots=, binding=, ifname="
    return f"unknown option {quoted(word)}; host files have {options}"
