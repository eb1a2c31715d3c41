"""Lists of hosts, as the command line and other texts give them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mpi_collector.errors import HostsError
from mpi_collector.terminal_text import quoted
from mpi_collector.transport.hosts.names import HostSpec, same_name
from mpi_collector.transport.hosts.word import MAX_HOSTS, expand_word

_MAX_PROBLEMS = 1000
_MAX_MENTIONS = 1_000_000  #: a small file of node sets must not keep the program busy for minutes
#: slot counts that are more likely a port: that of ssh, and more than a host has processors
_SSH_PORT = 22
_FIRST_FREE_PORT = 1024

_WORD = re.compile(r"(?:\[[^\]]*\]|[^, \t\r\n])+")
_BALANCED = re.compile(r"[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*")

Remark = Callable[[str], None]  #: receives a sentence about hosts that may be meant differently


class _NoHostListError(HostsError):
    """Too many hosts or problems: there is no point in reading on."""


@dataclass(frozen=True)
class LineOptions:
    """What a line of a host file says of each of its hosts; None: nothing."""

    slots: int | None = None
    user: str | None = None
    port: int | None = None


NONE_GIVEN = LineOptions()


class HostList:
    """Collects hosts in the order of their first mention, and all problems on the way.

    source: an option or a file, which begins the text of a problem or a remark.
    """

    def __init__(self, source: str, remark: Remark = lambda text: None) -> None:
        self._source = source
        self._remark = remark
        self._hosts: dict[str, HostSpec] = {}
        self._counts: dict[str, list[int]] = {}  # slots behind a colon, as they were given
        self._problems: list[str] = []
        self._mentions = 0

    def add_problem(self, text: str, line: int | None = None) -> None:
        """Note a problem; ``line``: its number in the source. Raise HostsError if they are many."""
        self._problems.append(f"{self._source}{'' if line is None else f':{line}'}: {text}")
        if len(self._problems) >= _MAX_PROBLEMS:
            raise _NoHostListError(self._problems)

    def add(self, text: str, options: LineOptions = NONE_GIVEN, line: int | None = None) -> None:
        """Add hosts separated by commas and blanks; ``options``: of each of them."""
        if not _BALANCED.fullmatch(text):
            self.add_problem(f"{quoted(text)}: a bracket is not opened or not closed", line)
            return
        for word in _WORD.findall(text):
            try:
                for host in expand_word(word):
                    self._add_host(host, options)
            except _NoHostListError:
                raise
            except HostsError as e:
                self.add_problem(str(e), line)

    def _add_host(self, host: HostSpec, options: LineOptions) -> None:
        """Add a mention of a host. Raise HostsError if it contradicts its line or another one."""
        key = same_name(host.name)
        if host.slots is not None:
            self._counts.setdefault(key, []).append(host.slots)
        if options is not NONE_GIVEN:
            host = _with_options(host, options)
        known = self._hosts.get(key)
        self._hosts[key] = host if known is None else _merged(known, host)
        self._mentions += 1
        if len(self._hosts) > MAX_HOSTS or self._mentions > _MAX_MENTIONS:
            limit = f"{self._source}: more than {MAX_HOSTS:,} hosts"
            raise _NoHostListError([*self._problems, limit])

    def result(self) -> list[HostSpec]:
        """Return the hosts. Raise HostsError if there is any problem, or no host."""
        if not self._problems and not self._hosts:
            self.add_problem("names no host")
        if self._problems:
            raise HostsError(self._problems)
        if remark := self._port_remark():
            self._remark(f"{self._source}: {remark}")
        return list(self._hosts.values())

    def _port_remark(self) -> str:
        """Return a sentence if a number behind a colon may be meant as a port, "" if none is."""
        for key, counts in self._counts.items():
            host = self._hosts[key]
            differ = len(set(counts)) > 1
            if differ or counts[0] == _SSH_PORT or counts[0] >= _FIRST_FREE_PORT:
                shown = " and ".join(f"{host.name}:{count}" for count in dict.fromkeys(counts))
                return (
                    f"{shown} means {host.slots:,} slots; a port is given as port=N in a host file"
                    " or in ssh's own configuration"
                )
        return ""


def _with_options(host: HostSpec, options: LineOptions) -> HostSpec:
    """Return a host with the options of its line. Raise HostsError if one is given twice."""
    if options.slots is not None and host.slots is not None:
        raise HostsError(f"{quoted(host.name)} has its slots twice, after a colon and as an option")
    if options.user is not None and host.user is not None:
        raise HostsError(f"{quoted(host.name)} has its user twice, before an @ and as an option")
    return replace(
        host,
        slots=host.slots if options.slots is None else options.slots,
        user=host.user if options.user is None else options.user,
        port=options.port,
    )


def _merged(known: HostSpec, again: HostSpec) -> HostSpec:
    """Return a host that is mentioned again: its slots are added up.

    Raise HostsError if the mentions differ in user or port.
    """
    if known.user != again.user and known.user and again.user:
        both = f"{known.user} and {again.user}"
        raise HostsError(f"{quoted(known.name)} is named with the users {both}")
    if known.port != again.port and known.port and again.port:
        both = f"{known.port} and {again.port}"
        raise HostsError(f"{quoted(known.name)} is named with the ports {both}")
    slots = (known.slots or 1) + (again.slots or 1)
    user, port = known.user or again.user, known.port or again.port
    return HostSpec(known.name, slots, known.is_local, user, port)


def parse_hosts(
    tokens: Sequence[str], source: str = "--hosts", remark: Remark = lambda text: None
) -> list[HostSpec]:
    """Parse ``[user@]host[:slots]``, addresses and node sets, separated by commas and blanks.

    Return every host once, in the order of first mention; slots of repetitions are added up, as in
    the host files of PBS. Raise HostsError, which lists all problems. remark: told of slots that
    may be meant as ports.
    """
    hosts = HostList(source, remark)
    for token in tokens:
        hosts.add(token)
    return hosts.result()
