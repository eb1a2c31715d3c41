"""Lists of hosts, as the command line and other texts give them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mpi_collector.errors import HostsError
from mpi_collector.terminal_text import quoted
from mpi_collector.transport.hosts.names import HostSpec, same_name
from mpi_collector.transport.hosts.word import MAX_HOSTS, expand_word

_MAX_MENTIONS = 1_000_000  #: a small file of node sets must not keep the program busy for minutes

_WORD = re.compile(r"(?:\[[^\]]*\]|[^, \t\r\n])+")
_BALANCED = re.compile(r"[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*")


class _TooManyHostsError(HostsError):
    """The limit is exceeded: there is no point in reading on."""


class HostList:
    """Collects hosts in the order of their first mention, and all problems on the way.

    source: an option or a file, which begins the text of a problem.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._hosts: dict[str, HostSpec] = {}
        self._problems: list[str] = []
        self._mentions = 0

    def add_problem(self, text: str, line: int | None = None) -> None:
        """Note a problem; ``line``: its number in the source."""
        self._problems.append(f"{self._source}{'' if line is None else f':{line}'}: {text}")

    def add(self, text: str, slots: int | None = None, line: int | None = None) -> None:
        """Add hosts separated by commas and blanks; ``slots``: of each of them, if given."""
        if not _BALANCED.fullmatch(text):
            self.add_problem(f"{quoted(text)}: a bracket is not opened or not closed", line)
            return
        for word in _WORD.findall(text):
            try:
                self._add_hosts(expand_word(word), slots)
            except _TooManyHostsError:
                raise
            except HostsError as e:
                self.add_problem(str(e), line)

    def _add_hosts(self, hosts: Iterable[HostSpec], slots: int | None) -> None:
        for host in hosts:
            if slots is not None:
                if host.slots is not None:
                    raise HostsError(
                        f"{quoted(host.name)} has its slots twice, after a colon and as an option"
                    )
                host = replace(host, slots=slots)
            key = same_name(host.name)
            known = self._hosts.get(key)
            if known is not None:
                host = replace(known, slots=(known.slots or 1) + (host.slots or 1))
            self._hosts[key] = host
            self._mentions += 1
        if len(self._hosts) > MAX_HOSTS or self._mentions > _MAX_MENTIONS:
            limit = f"{self._source}: more than {MAX_HOSTS:,} hosts"
            raise _TooManyHostsError([*self._problems, limit])

    def result(self) -> list[HostSpec]:
        """Return the hosts. Raise HostsError if there is any problem, or no host."""
        if not self._problems and not self._hosts:
            self.add_problem("names no host")
        if self._problems:
            raise HostsError(self._problems)
        return list(self._hosts.values())


def parse_hosts(tokens: Sequence[str], source: str = "--hosts") -> list[HostSpec]:
    """Parse names, addresses, ``host:slots`` and node sets, separated by commas and blanks.

    Return every host once, in the order of first mention; slots of repetitions are added up, as in
    the host files of PBS. Raise HostsError, which lists all problems.
    """
    hosts = HostList(source)
    for token in tokens:
        hosts.add(token)
    return hosts.result()
