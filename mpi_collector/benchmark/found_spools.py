"""The spools of a dead run that ``recover`` found: on this host, or on another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from mpi_collector.benchmark.suite_recorder import packed
from mpi_collector.node.table.recovered import RecoveredSpool
from mpi_collector.transport.base import RecoveryTransport, Sink, write_members


class Whose(IntEnum):
    """What tells that a host is the one that a spool there is of. The lower, the better."""

    NAME = 0  #: it is reached by the name that the host has in the recording
    IDENTITY = 1  #: it has the identity that is in the spool
    COPY = 2  #: nothing: the spool is a copy


class RecoverySource(Protocol):
    """A spool, of this host or of another one.

    about: see ``RecoveredSpool.about``. host: where it is, "" for this host.
    """

    about: dict[str, Any]
    host: str
    whose: Whose

    def write_to(self, sink: Sink) -> None:
        """Write the host to ``sink``.

        RuntimeError when the spool is damaged or its host is lost; the sink has dropped the host
        then. OSError when the sink cannot write.
        """

    def discard(self) -> None:
        """Remove the spool."""


class FoundSpool(NamedTuple):
    """A spool that was found. ``open`` may raise SpoolError, ValueError, RuntimeError, OSError."""

    key: str
    open: Callable[[], RecoverySource]


class LocalSpool:
    """A spool of this host. SpoolError when it cannot be read or its writer lives."""

    host = ""
    whose = Whose.NAME

    def __init__(self, spool_dir: str, run: str, key: str) -> None:
        self._spool = RecoveredSpool(spool_dir, run, key)
        self.about: dict[str, Any] = self._spool.about()

    def write_to(self, sink: Sink) -> None:
        """Write the host to ``sink``."""
        sink.begin_host(self._spool.key)
        try:
            write_members(sink, packed(self._spool.table, self._spool.key, json=True))
        except OSError:  # the sink's
            sink.drop_host()
            raise
        except Exception as e:
            sink.drop_host()
            raise RuntimeError(f"{self._spool.path}: damaged: {type(e).__name__}: {e}") from e
        sink.end_host()

    def discard(self) -> None:
        """Remove the spool."""
        self._spool.discard()


class RemoteSpool:
    """A spool of another host. A host holds one spool at a time: each use adopts it again."""

    def __init__(
        self, access: RecoveryTransport, host: str, spool_dir: str, run: str, key: str
    ) -> None:
        self._access = access
        self.host = host
        self._spool = (spool_dir, run, key)
        self.about: dict[str, Any] = self._adopt()
        meta = self.about["meta"]
        self.whose = whose_spool(host, access.identity(host), key, meta["identity"])
        copied = meta["options"].get("replicate_s") or meta["options"].get("rescue_dir")
        if self.whose == Whose.COPY and not copied:
            raise RuntimeError(f"{host} offers a spool of {key}, which is another host")

    def _adopt(self) -> dict[str, Any]:
        return self._access.adopt(self.host, *self._spool)

    def write_to(self, sink: Sink) -> None:
        """Write the host to ``sink``."""
        self.about = self._adopt()
        self._access.take_adopted(self.host, sink)

    def discard(self) -> None:
        """Remove the spool. RuntimeError when it is not what was read any more."""
        if self._adopt() != self.about:
            raise RuntimeError(f"{self.host}: the spool of {self._spool[2]} has changed")
        self._access.drop_adopted(self.host)


def whose_spool(
    host: str, identity: Mapping[str, Any], key: str, recorded: Mapping[str, Any] | None
) -> Whose:
    """Tell whether ``host``, of that identity, is the one that was recorded as ``key``.

    recorded: the identity in the spool; what is not known there speaks for the host.
    """
    if host == key or (host[:1].isalpha() and host.split(".")[0] == key.split(".")[0]):
        return Whose.NAME
    if recorded is None:
        return Whose.IDENTITY
    same = recorded["hostname"] == identity["hostname"] and any(
        recorded[name] is not None and recorded[name] == identity[name]
        for name in ("boot_id", "machine_id")
    )
    return Whose.IDENTITY if same else Whose.COPY
