"""The packed table of a host on its way from the agent into the sink."""

from __future__ import annotations

from typing import Any, cast

from mpi_collector.errors import AgentDiedError, MessageError, SessionLostError
from mpi_collector.node.table.facts import HostFacts
from mpi_collector.transport.base import Sink
from mpi_collector.transport.ssh.remote import RemoteHost, SessionLimits

_TRIES = 4  #: to fetch a table


async def fetch_table(remote: RemoteHost, sink: Sink, limits: SessionLimits) -> None:
    """Put the packed table of a host into ``sink``.

    While a broken session is restored, other hosts use the sink.
    """
    packed, _ = await remote.request_persistently("pack", json=False)
    remote.state.facts = cast(HostFacts, packed["facts"])
    for _ in range(_TRIES):
        try:
            async with limits.gather:
                await _fetch_members(remote, packed["heads"], sink)
            return
        except (AgentDiedError, MessageError):
            raise
        except SessionLostError as e:
            why = e
        await remote.session.disconnect()
        await remote.request_persistently("status")
    raise why


async def _fetch_members(remote: RemoteHost, heads: list[dict[str, Any]], sink: Sink) -> None:
    limit_s = remote.settings.options.gather_timeout_s
    sink.begin_host(remote.state.key)
    try:
        for number, head in enumerate(heads):
            sink.begin(head)
            offset = 0
            while offset < head["packed"]:
                _, blob = await remote.session.request(
                    "fetch", limit_s, member=number, offset=offset
                )
                if not blob:
                    raise SessionLostError("its table ended too early")
                sink.write(blob)
                offset += len(blob)
    except BaseException:
        sink.drop_host()
        raise
    sink.end_host()
    remote.state.collected = True
