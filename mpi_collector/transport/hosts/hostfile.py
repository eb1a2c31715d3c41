"""Host files of Open MPI, MPICH, Intel MPI, PBS, SGE and LSF, and plain lists of names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from mpi_collector.errors import HostsError
from mpi_collector.terminal_text import quoted
from mpi_collector.transport.hosts.host_list import NONE_GIVEN, HostList, LineOptions, Remark
from mpi_collector.transport.hosts.names import HostSpec
from mpi_collector.transport.hosts.word import parse_port, parse_slots, parse_user

MAX_FILE_BYTES = 4 << 20

#: options of a line, in lower case and with _ in place of -
_SLOTS = {"slots", "slot", "count", "cpus", "cpu", "np"}
_USERS = {"user", "username", "user_name"}
_PORTS = {"port"}
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
_KNOWN = _SLOTS | _USERS | _PORTS | _IGNORED
#: host, slots, queue@host, processors: a line of $PE_HOSTFILE (sge_pe(5)); the first two of them
#: are a line of LSF's host files and of older machine files
_COUNTED = re.compile(r"(\S+) ([0-9]+)(?: \S+@\S+(?: \S+)?)?")

_BEGIN = re.compile(r"#|//|/\*")
_END = re.compile(r"\*/")


class _Line(NamedTuple):
    """The hosts of a line, separated by blanks, and the options of each."""

    hosts: str
    options: LineOptions


def parse_hostfile(
    path: Path | str, source: str | None = None, remark: Remark = lambda text: None
) -> list[HostSpec]:
    """Parse a host file. Raise HostsError, which lists every problem with its line.

    source: how messages name the file; None: by its path. remark: told of slots that may be meant
    as ports.
    """
    name = source or str(path)
    hosts = HostList(name, remark)
    comments = _Comments()
    for number, line in enumerate(_read(Path(path), name).split("\n"), 1):
        text = comments.stripped(line).strip(" \t\r")
        if not text:
            continue
        try:
            parsed = _parse_line(text)
        except HostsError as e:
            hosts.add_problem(str(e), number)
        else:
            hosts.add(parsed.hosts, parsed.options, number)
    return hosts.result()


class _Comments:
    """Takes comments out of lines: ``#`` and ``//`` to the end, ``/*`` to ``*/`` over lines."""

    def __init__(self) -> None:
        self._inside = False

    def stripped(self, line: str) -> str:
        """Return the next line of a file without its comments."""
        kept = []
        at = 0
        while at < len(line):
            mark = (_END if self._inside else _BEGIN).search(line, at)
            if not self._inside:
                kept.append(line[at : mark.start() if mark else len(line)])
            if mark is None or mark[0] in ("#", "//"):
                break
            self._inside = mark[0] == "/*"
            at = mark.end()
        return " ".join(kept)


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
    """Parse hosts, then ``slots=4`` or ``slots 4`` and further options."""
    text = re.sub(r" ?= ?", "=", re.sub(r"[ \t]+", " ", text))
    if counted := _COUNTED.fullmatch(text):
        return _Line(counted[1], LineOptions(slots=parse_slots(counted[2], text)))
    words = text.split(" ")
    hosts: list[str] = []
    options: dict[str, str] = {}
    at = 0
    while at < len(words):
        word = words[at]
        key, equals, value = word.partition("=")
        key = key.lower().replace("-", "_")
        if hosts and not equals and key in _KNOWN and at + 1 < len(words):
            at += 1
            equals = "="
            value = words[at]
        at += 1
        if not equals:
            hosts.append(word)
        elif not hosts:
            raise HostsError(f"{quoted(word)}: a line begins with a host")
        elif key not in _KNOWN:
            shown = "slots=, max_slots=, user=, port=, binding=, ifname="
            raise HostsError(f"unknown option {quoted(word)}; host files have {shown}")
        else:
            options[key] = value.strip("\"'")
    return _Line(" ".join(hosts), _line_options(options, text))


def _line_options(given: dict[str, str], text: str) -> LineOptions:
    """Return the options that matter of a line, ``text``. Raise HostsError."""
    slots = user = port = None
    for key, value in given.items():
        if key in _SLOTS:
            slots = parse_slots(value, text)
        elif key in _USERS:
            user = parse_user(value, text)
        elif key in _PORTS:
            port = parse_port(value, text)
    return LineOptions(slots, user, port) if given else NONE_GIVEN
