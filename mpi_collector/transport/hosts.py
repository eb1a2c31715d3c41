"""Which hosts are meant: the command line, host files of every dialect, the scheduler's word."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mpi_collector.node.identity import addresses

_MAX_HOSTS = 65536
_MAX_FILE_BYTES = 4 << 20
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9_.-]{1,32})?")
_RESOLVE_S = 2.0


class HostsError(Exception):
    """Hosts that cannot be meant; the text names all of them, with file and line."""


@dataclass(frozen=True)
class HostSpec:
    """A host as it was asked for. ``slots``: ranks it may take, None when nothing was said."""

    name: str
    slots: int | None = None


def checked(name: str) -> str:
    """``name`` if it is a host name or an address, and so neither an option nor shell text. HostsError otherwise."""
    if _NAME.fullmatch(name) or (name.count(":") >= 2 and _IPV6.fullmatch(name) and _is_ipv6(name)):
        return name
    raise HostsError(f"{name[:80]!r} is no host name or address")


def _is_ipv6(text: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET6, text.partition("%")[0])
    except OSError:
        return False
    return True


def _split(word: str) -> tuple[str, int | None]:
    """(name, slots) of one word: ``host``, ``host:4``, ``[2001:db8::1]:4``, ``2001:db8::1``."""
    if word.startswith("[") and "]" in word and ":" in word.partition("]")[0]:
        name, _, rest = word[1:].partition("]")
        suffix = rest[1:] if rest.startswith(":") else rest
    elif word.count(":") == 1:
        name, _, suffix = word.partition(":")
    else:
        return word, None
    if suffix and not suffix.isdigit():
        raise HostsError(f"{word[:80]!r}: the slots behind the colon are no number")
    if suffix and not 0 < int(suffix) < 1_000_000:
        raise HostsError(f"{word[:80]!r}: {suffix[:20]} slots")
    return name, int(suffix) if suffix else None


def _expand(word: str) -> list[HostSpec]:
    """The hosts of one word, which may be a node set."""
    name, slots = _split(word)
    if "[" not in name:
        return [HostSpec(checked(name), slots)]
    try:
        from ClusterShell.NodeSet import NodeSet, NodeSetException
    except ImportError as e:
        raise HostsError(f"{word[:80]!r} is a node set, which needs the package ClusterShell") from e
    try:
        nodes = NodeSet(name, resolver=None)
        if len(nodes) > _MAX_HOSTS:
            raise HostsError(f"{word[:80]!r} names {len(nodes)} hosts; {_MAX_HOSTS} is the limit")
        return [HostSpec(checked(str(n)), slots) for n in nodes]
    except NodeSetException as e:
        raise HostsError(f"{word[:80]!r}: {e}") from e


def _words(text: str) -> list[str]:
    """Split at commas and blanks, except inside brackets."""
    return [w for w in re.findall(r"(?:\[[^\]]*\]|[^\s,\[])+|\[", text) if w]


def merged(hosts: Iterable[HostSpec]) -> list[HostSpec]:
    """Every host once, in the order of first mention; the slots of repetitions are added up, as PBS means them."""
    out: dict[str, HostSpec] = {}
    for host in hosts:
        known = out.get(host.name)
        if known is None:
            out[host.name] = host
        else:
            out[host.name] = replace(known, slots=(known.slots or 1) + (host.slots or 1))
    return list(out.values())


def parse_hosts(tokens: Sequence[str]) -> list[HostSpec]:
    """``--hosts``: several tokens, each with names, node sets, addresses, ``host:slots``. HostsError names all mistakes."""
    hosts: list[HostSpec] = []
    problems: list[str] = []
    for word in (w for token in tokens for w in _words(token)):
        try:
            hosts += _expand(word)
        except HostsError as e:
            problems.append(str(e))
    if problems:
        raise HostsError("--hosts: " + "; ".join(problems[:10]))
    if not hosts:
        raise HostsError("--hosts names no host")
    return merged(hosts)


_OPTION = re.compile(r"(slots|max_slots|max-slots|cpu|count)\s*=?\s*(\d+)", re.IGNORECASE)
_KNOWN = re.compile(r"(binding|ifname|sockets|cpus|user|username|proc|procs)\s*=\s*\S+", re.IGNORECASE)


def _line(text: str) -> list[HostSpec]:
    """The hosts of one line of a host file, comment removed."""
    first, _, rest = text.strip().partition(" ")
    rest = rest.replace("\t", " ")
    if "\t" in first:
        first, _, more = first.partition("\t")
        rest = f"{more} {rest}"
    slots = None
    for match in _OPTION.finditer(rest):
        if match.group(1).lower() in ("slots", "cpu", "count"):
            slots = int(match.group(2))
    left = _KNOWN.sub("", _OPTION.sub("", rest)).strip()
    words = _words(f"{first} {left}") if left else _words(first)
    if left and any("=" in w for w in words):
        raise HostsError(f"{left[:60]!r} is not understood")
    hosts = [h for w in words for h in _expand(w)]
    return [replace(h, slots=slots) for h in hosts] if slots is not None else hosts


def parse_hostfile(path: Path) -> list[HostSpec]:
    """A host file of Open MPI, MPICH, Intel MPI, PBS, or plain names. HostsError names file and line of every mistake."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise HostsError(f"{path}: larger than any host file ({path.stat().st_size} bytes)")
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as e:
        raise HostsError(f"{path}: {e.strerror}") from e
    hosts: list[HostSpec] = []
    problems: list[str] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.partition("#")[0].strip()
        if not line:
            continue
        try:
            hosts += _line(line)
        except HostsError as e:
            problems.append(f"{path}:{number}: {e}")
    if problems:
        raise HostsError("\n".join(problems[:10]))
    if not hosts:
        raise HostsError(f"{path}: no host in it")
    return merged(hosts)


def from_scheduler(environ: Mapping[str, str] = os.environ) -> tuple[list[HostSpec], str] | None:
    """The hosts of the allocation we are in and the variable that named them; None outside of one."""
    for variable in ("SLURM_JOB_NODELIST", "SLURM_NODELIST"):
        if environ.get(variable):
            return parse_hosts([environ[variable]]), variable
    if environ.get("PBS_NODEFILE"):
        return parse_hostfile(Path(environ["PBS_NODEFILE"])), "PBS_NODEFILE"
    if environ.get("LSB_MCPU_HOSTS"):
        words = environ["LSB_MCPU_HOSTS"].split()
        return merged(HostSpec(checked(n), int(s)) for n, s in zip(words[::2], words[1::2]) if s.isdigit()), "LSB_MCPU_HOSTS"
    if environ.get("LSB_HOSTS"):
        return parse_hosts([environ["LSB_HOSTS"]]), "LSB_HOSTS"
    return None


def is_local(name: str) -> bool:
    """True when ``name`` is this host: its own names, its addresses, or a name that resolves only to those."""
    own = socket.gethostname()
    if name in ("localhost", "localhost.localdomain", "::1", own, own.split(".")[0]) or name.startswith("127."):
        return True
    mine = {*addresses(), "127.0.0.1", "127.0.1.1", "::1"}
    if name in mine:
        return True
    found = _resolve(name)
    return bool(found) and found <= mine


def _resolve(name: str) -> set[str]:
    """Addresses of a name; empty when it has none or the resolver hangs."""
    found: set[str] = set()

    def ask() -> None:
        try:
            found.update(str(info[4][0]) for info in socket.getaddrinfo(name, None))
        except OSError:  # only the launcher's nodes may know it
            return

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_RESOLVE_S)
    return set(found) if not thread.is_alive() else set()
