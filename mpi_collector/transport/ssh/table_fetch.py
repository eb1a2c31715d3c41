"""The packed table of a host on its way from the agent into the sink.

It is fetched into a file without a name, checked there, and only then put into the sink: a host
that is slow, or sends something else, holds nobody up and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import deque
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from itertools import islice
from typing import IO, Any, NamedTuple, cast

from mpi_collector.errors import AgentDiedError, MessageError, SessionLostError
from mpi_collector.node.table.facts import HostFacts
from mpi_collector.transport.base import Sink
from mpi_collector.transport.deadline import Deadline
from mpi_collector.transport.session import Reply
from mpi_collector.transport.ssh.remote import RemoteHost
from mpi_collector.transport.ssh.turns import SessionLimits, in_turn
from mpi_collector.transport.table_check import TableBounds, TableCheck

_PIECE_BYTES = 1 << 20  #: of one request
_TRIES = 4  #: sessions in a row that bring nothing
_ASKED = 4  #: requests that are under way at the same time: a host may be seconds away
_HOLD_SHARE = 0.1  #: of the gather time-out, for which a slow host may keep the next one waiting


async def fetch_table(
    remote: RemoteHost, sink: Sink, limits: SessionLimits, bounds: TableBounds
) -> None:
    """Put the packed table of a host into ``sink``.

    SessionLostError when it does not arrive in time, TableError when it is not within ``bounds``.
    """
    hold_s = _HOLD_SHARE * remote.settings.options.gather_timeout_s
    with tempfile.TemporaryFile() as file:
        heads = await in_turn(limits.tables, lambda: _fetch(remote, file, bounds), hold_s)
        async with limits.sink:
            await _to_the_end(asyncio.to_thread(_put, sink, remote.state.key, heads, file))
    remote.state.collected = True


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await ``work``, also when this is cancelled: a thread that writes cannot be stopped."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


async def _fetch(remote: RemoteHost, file: IO[bytes], bounds: TableBounds) -> Sequence[Any]:
    """Fetch and check the table; return the heads of its members."""
    with remote.ending.step() as deadline:
        packed, _ = await remote.request_persistently("pack", deadline, json=False)
        heads, facts = packed["heads"], packed["facts"]
        check = TableCheck(bounds, facts, heads)
        await _Download(remote, heads, file).finish(deadline)
    await asyncio.to_thread(_check, check, heads, file)
    remote.state.facts = cast(HostFacts, facts)
    return cast("Sequence[Any]", heads)


class _Piece(NamedTuple):
    """Bytes of a packed member."""

    member: int
    offset: int
    size: int


def _pieces(heads: Sequence[Mapping[str, Any]]) -> Iterator[_Piece]:
    for member, head in enumerate(heads):
        for offset in range(0, head["packed"], _PIECE_BYTES):
            yield _Piece(member, offset, min(_PIECE_BYTES, head["packed"] - offset))


class _Download:
    """Appends the members that ``heads`` describe to ``file``, one behind the other."""

    def __init__(
        self, remote: RemoteHost, heads: Sequence[Mapping[str, Any]], file: IO[bytes]
    ) -> None:
        self._remote = remote
        self._file = file
        self._left = deque(_pieces(heads))

    async def finish(self, deadline: Deadline) -> None:
        """Fetch all pieces; after a session that broke, those that are missing."""
        in_vain = 0
        while self._left:
            before = len(self._left)
            try:
                await self._fetch(deadline)
            except (AgentDiedError, MessageError):
                raise
            except SessionLostError:
                in_vain = in_vain + 1 if before == len(self._left) else 0
                if deadline.passed or in_vain == _TRIES:
                    raise SessionLostError("sent only a part of its table") from None
                await self._remote.session.disconnect()
                await self._remote.request_persistently("status", deadline)

    async def _fetch(self, deadline: Deadline) -> None:
        under_way: deque[asyncio.Task[Reply]] = deque()
        try:
            while self._left:
                for piece in list(islice(self._left, len(under_way), _ASKED)):
                    under_way.append(asyncio.create_task(self._ask(piece, deadline)))
                _, blob = await under_way.popleft()
                if len(blob) != self._left[0].size:
                    raise MessageError(
                        f"sends {len(blob)} bytes of its table, asked for {self._left[0].size}"
                    )
                await asyncio.to_thread(self._file.write, blob)
                self._left.popleft()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    def _ask(self, piece: _Piece, deadline: Deadline) -> Any:
        return self._remote.session.request("fetch", deadline.left_s, **piece._asdict())


def _check(check: TableCheck, heads: Sequence[Mapping[str, Any]], file: IO[bytes]) -> None:
    file.seek(0)
    for head in heads:
        check.begin()
        for data in _chunks(file, head["packed"]):
            check.feed(data)
        check.end_member()
    check.end()


def _put(sink: Sink, key: str, heads: Sequence[dict[str, Any]], file: IO[bytes]) -> None:
    file.seek(0)
    sink.begin_host(key)
    try:
        for head in heads:
            sink.begin(head)
            for data in _chunks(file, head["packed"]):
                sink.write(data)
    except BaseException:
        sink.drop_host()
        raise
    sink.end_host()


def _chunks(file: IO[bytes], size: int) -> Iterator[bytes]:
    while size > 0:
        data = file.read(min(size, _PIECE_BYTES))
        yield data
        size -= len(data)
