"""Hosts as they are written: words of the command line, host files of every dialect, schedulers' variables."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mpi_collector.errors import HostsError
from mpi_collector.terminal_text import quoted
from mpi_collector.transport.hosts.names import HostSpec, checked, is_ipv6, same_name

MAX_HOSTS = 65536
MAX_FILE_BYTES = 4 << 20
_MAX_MENTIONS = 1_000_000  #: node sets of a small file must not keep us for minutes
_MAX_SLOTS = 10_000_000

_RANGE = r"[0-9]{1,9}(?:-[0-9]{1,9}(?:/[1-9][0-9]{0,4})?)?"
_NODE_SET = re.compile(rf"(?:[A-Za-z0-9._-]|\[{_RANGE}(?:,{_RANGE})*\])+")
_WORD = re.compile(r"(?:\[[^\]]*\]|[^, \t\r\n])+")
_BALANCED = re.compile(r"[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*")

#: options of a host file's line; compared in lower case with - as _
_SLOTS = {"slots", "slot", "count", "cpus", "cpu", "np"}
_USERS = {"user", "username"}
_IGNORED = {
    "max_slots", "slots_max", "max_cpus", "cpus_max", "cpu_max", "max_count", "count_max", "binding", "ifname",
    "boards", "sockets", "sockets_per_board", "cores", "cores_per_socket",
}  # fmt: skip


# ---- one word: host, host:4, [2001:db8::1]:4, node[01-16]
def _expand(word: str) -> list[HostSpec]:
    name, slots = _split(word)
    if "[" in name or "]" in name:
        return [HostSpec(checked(node), slots) for node in _node_set(name)]
    return [HostSpec(checked(name), slots)]


def _split(word: str) -> tuple[str, int | None]:
    """(name or node set, slots)."""
    bracketed = re.fullmatch(r"\[([^\]]*:[^\]]*)\](?::(.*))?", word, re.DOTALL)
    if bracketed:
        if not is_ipv6(bracketed[1]):
            raise HostsError(f"{quoted(word)}: no IPv6 address in the brackets")
        return bracketed[1], None if bracketed[2] is None else _slots(bracketed[2], word)
    if word.count(":") == 1:
        name, _, slots = word.partition(":")
        return name, _slots(slots, word)
    return word, None


def _slots(text: str, word: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 0 < int(text) <= _MAX_SLOTS:
        raise HostsError(
            f"{quoted(word)}: slots are a number from 1 to {_MAX_SLOTS:,}, not {quoted(text)}"
        )
    return int(text)


def _node_set(text: str) -> list[str]:
    if not _NODE_SET.fullmatch(text):
        raise HostsError(
            f"{quoted(text)} is no node set; they are written node[01-16] or node[1,4-9]"
        )
    count = _count(text)
    if count > MAX_HOSTS:  # before anything that large is made in memory
        raise HostsError(f"{quoted(text)} names {count:,} hosts; {MAX_HOSTS:,} is the limit")
    try:
        from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException
    except ImportError as e:
        raise HostsError(
            f"{quoted(text)} is a node set, which needs ClusterShell (pip install ClusterShell)"
        ) from e
    try:
        return [str(node) for node in NodeSet(text, resolver=RESOLVER_NOGROUP)]
    except NodeSetException as e:
        raise HostsError(f"{quoted(text)}: {quoted(str(e))[1:-1]}") from e


def _count(text: str) -> int:
    """How many hosts a node set names; an upper bound where its ranges overlap."""
    product = 1
    for ranges in re.findall(r"\[([^\]]*)\]", text):
        total = 0
        for one in ranges.split(","):
            first, last, step = re.fullmatch(r"([0-9]+)-?([0-9]*)/?([0-9]*)", one).groups()  # type: ignore[union-attr]
            total += (int(last or first) - int(first)) // int(step or 1) + 1
        product *= max(total, 1)
    return product


# ---- many words
class _TooMany(HostsError):
    """More hosts than anybody has."""


class _Gathering:
    """Hosts in the order of first mention, and everything that is wrong on the way."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._hosts: dict[str, HostSpec] = {}
        self._problems: list[str] = []
        self._mentions = 0

    def problem(self, text: str, line: int | None = None) -> None:
        self._problems.append(f"{self._source}{'' if line is None else f':{line}'}: {text}")

    def take(self, text: str, slots: int | None = None, line: int | None = None) -> None:
        """Hosts separated by commas and blanks; ``slots`` of each of them if given."""
        if not _BALANCED.fullmatch(text):
            self.problem(f"{quoted(text)}: a bracket is not opened or not closed", line)
            return
        for word in _WORD.findall(text):
            try:
                self._add(_expand(word), slots)
            except _TooMany:
                raise
            except HostsError as e:
                self.problem(str(e), line)

    def _add(self, hosts: Iterable[HostSpec], slots: int | None) -> None:
        for host in hosts:
            if slots is not None:
                if host.slots is not None:
                    raise HostsError(
                        f"{quoted(host.name)} has its slots twice, behind a colon and as an option"
                    )
                host = replace(host, slots=slots)
            key = same_name(host.name)
            known = self._hosts.get(key)
            self._hosts[key] = (
                host
                if known is None
                else replace(known, slots=(known.slots or 1) + (host.slots or 1))
            )
            self._mentions += 1
        if len(self._hosts) > MAX_HOSTS or self._mentions > _MAX_MENTIONS:
            raise _TooMany([*self._problems, f"{self._source}: more than {MAX_HOSTS:,} hosts"])

    def result(self) -> list[HostSpec]:
        """The hosts. HostsError when there is any problem, or no host."""
        if not self._problems and not self._hosts:
            self.problem("names no host")
        if self._problems:
            raise HostsError(self._problems)
        return list(self._hosts.values())


def parse_hosts(tokens: Sequence[str], source: str = "--hosts") -> list[HostSpec]:
    """Names, addresses, ``host:slots`` and node sets, separated by commas and blanks. HostsError
    names all mistakes.

    Every host once, in the order of first mention; the slots of repetitions are added up, as PBS
    means them.
    """
    gathering = _Gathering(source)
    for token in tokens:
        gathering.take(token)
    return gathering.result()


# ---- host files
def parse_hostfile(path: Path | str, source: str | None = None) -> list[HostSpec]:
    """A host file of Open MPI, MPICH, Intel MPI, PBS, or plain names.

    HostsError names every mistake with its line.
    """
    gathering = _Gathering(source or str(path))
    for number, line in enumerate(_read(Path(path), source or str(path)).split("\n"), 1):
        text = line.partition("#")[0].strip(" \t\r")
        if not text:
            continue
        try:
            hosts, slots = _line(text)
        except HostsError as e:
            gathering.problem(str(e), number)
        else:
            gathering.take(hosts, slots, number)
    return gathering.result()


def _read(path: Path, source: str) -> str:
    try:
        with path.open("rb") as f:
            data = f.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as e:
        raise HostsError(f"{source}: cannot be read: {getattr(e, 'strerror', None) or e}") from e
    if len(data) > MAX_FILE_BYTES:
        raise HostsError(f"{source}: no host file, it is larger than {MAX_FILE_BYTES >> 20} MiB")
    return data.decode("utf-8-sig", "replace")


def _line(text: str) -> tuple[str, int | None]:
    """(hosts, slots given by an option) of a line: hosts, then ``slots=4``, ``slots 4``, and options of no interest."""
    words = re.sub(r" ?= ?", "=", re.sub(r"[ \t]+", " ", text)).split(" ")
    hosts: list[str] = []
    slots = None
    at = 0
    while at < len(words):
        word = words[at]
        key, equals, value = word.partition("=")
        key = key.lower().replace("-", "_")
        if hosts and not equals and key in _SLOTS | _IGNORED and at + 1 < len(words):
            at, equals, value = at + 1, "=", words[at + 1]
        at += 1
        if not equals:
            hosts.append(word)
        elif not hosts:
            raise HostsError(f"{quoted(word)}: a line begins with a host")
        elif key in _SLOTS:
            slots = _slots(value, text)
        elif key in _USERS:
            raise HostsError(
                f"{quoted(word)}: a user name goes into --ssh-username or ssh's own configuration"
            )
        elif key not in _IGNORED:
            raise HostsError(
                f"unknown option {quoted(word)}; host files have slots=, max_slots=, binding=, ifname="
            )
    return " ".join(hosts), slots


# ---- schedulers
def _pairs(text: str, variable: str) -> list[HostSpec]:
    """LSF: ``host count host count``."""
    words = text.split()
    if len(words) % 2:
        raise HostsError(f"{variable}: hosts and counts do not pair up in {quoted(text)}")
    return parse_hosts(
        [f"{host}:{count}" for host, count in zip(words[::2], words[1::2])], variable
    )


def _list(text: str, variable: str) -> list[HostSpec]:
    return parse_hosts([text], variable)


def _file(text: str, variable: str) -> list[HostSpec]:
    return parse_hostfile(text, f"{variable}={text}")


_SCHEDULERS: tuple[tuple[str, Callable[[str, str], list[HostSpec]]], ...] = (
    ("SLURM_JOB_NODELIST", _list),
    ("SLURM_NODELIST", _list),
    ("PBS_NODEFILE", _file),
    ("LSB_MCPU_HOSTS", _pairs),
    ("LSB_HOSTS", _list),
    ("COBALT_NODEFILE", _file),
    ("OAR_NODEFILE", _file),
)


def from_scheduler(environ: Mapping[str, str] = os.environ) -> tuple[list[HostSpec], str] | None:
    """The hosts of the allocation we are in and the variable that named them; None outside of one.

    HostsError.
    """
    for variable, parse in _SCHEDULERS:
        if environ.get(variable):
            return parse(environ[variable], variable), variable
    return None
