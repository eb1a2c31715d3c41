"""``collect`` as a rank of a launch: ``odd_ranks.py NAMES WORDS``.

Rank k of 1, 2, ... behaves as BEHAVIOURS says of the k-th of NAMES (separated by commas), and calls its host
``odd-NAME``; the ranks after these are honest, each on a host of its own.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from odd_hosts import Plain, bomb, forged, head, meta, numbers, put, renamed, snapshot

from mpi_collector.node.table.npy import NpzMember

Message = dict[str, Any]
GOOD = "answers"
ODD = "not in the protocol"
MEMBERS = "its members are not those of its table"


class Rank:
    """The messages of one rank on their way to rank 0. ``raw``: bytes in place of a message."""

    def __init__(self, world: Any) -> None:
        self.world = world

    def raw(self, data: bytes) -> None:
        from mpi4py import MPI

        from mpi_collector.transport.ranks import world as module

        tag = module._CONTROL
        self.world._pending.append((self.world.comm.Isend([data, MPI.BYTE], 0, tag), data))


def changed(on: str, **fields: Any) -> Callable[[Rank, Message], Message | None]:
    """The message that answers ``on``, or the event of that name, with other fields."""
    return lambda rank, m: {**m, **fields} if on in (m.get("answer"), m.get("event")) else m


def without(on: str, *names: str) -> Callable[[Rank, Message], Message | None]:
    return lambda rank, m: (
        {k: v for k, v in m.items() if k not in names}
        if on in (m.get("answer"), m.get("event"))
        else m
    )


def replaced(on: str, data: bytes) -> Callable[[Rank, Message], Message | None]:
    """Other bytes in place of the message."""

    def change(rank: Rank, message: Message) -> Message | None:
        if on not in (message.get("answer"), message.get("event")):
            return message
        rank.raw(data)
        return None

    return change


def host_named(name: Any) -> Callable[[Rank, Message], Message | None]:
    def change(rank: Rank, message: Message) -> Message | None:
        if message.get("event") == "hello":
            message["identity"]["hostname"] = name
        return message

    return change


def floods(rank: Rank, message: Message) -> Message | None:
    if message.get("answer") == "start":
        for _ in range(3000):
            rank.world.comm  # noqa: B018
            rank.raw(b'{"event": "stop_request"}')
    return message


#: name -> (what becomes of a message, None of a table, expected in the error)
MESSAGES: dict[str, tuple[Callable[[Rank, Message], Message | None], str]] = {
    "hello-no-identity": (without("hello", "identity"), ODD),
    "hello-no-json": (replaced("hello", b"\xff\x00"), "no JSON"),
    "hello-large": (replaced("hello", b" " * (33 << 20)), "a message of 34603008 bytes"),
    "name-path": (host_named("/run/odd"), GOOD),
    "name-dots": (host_named("../../odd"), GOOD),
    "name-number": (host_named(7), ODD),
    "ready-no-rows": (without("prepare", "rows"), ODD),
    "ready-rows-one": (changed("prepare", rows=1), "a table of 1 rows"),
    "ready-columns": (changed("prepare", columns=10**12), ODD),
    "clock-text": (changed("measure_clock", bound_ns="0"), ODD),
    "start-more": (changed("start", rows=1), ODD),
    "start-flood": (floods, "without end"),
    "stop-samples": (changed("stop", samples="all"), ODD),
    "stop-nan": (replaced("stop", b'{"answer": "stop", "samples": NaN}'), "no JSON"),
    "stop-twice": (
        replaced("stop", b'{"answer": "stop", "samples": 1, "samples": 2}'),
        "twice",
    ),
    "event-unknown": (changed("stop", event="begin_host"), ODD),
    "pack-no-facts": (without("pack", "facts"), ODD),
    "pack-no-heads": (changed("pack", heads=None), ODD),
}
TABLES: dict[str, tuple[Any, str]] = {
    "members-of-another": (renamed("values", "good/values"), MEMBERS),
    "member-path": (renamed("values", "../../x"), MEMBERS),
    "member-twice": (forged(lambda by, m: m.append(m[-1])), MEMBERS),
    "member-checksum": (head("values", crc=1), "checksum"),
    "bomb-meta": (bomb("meta", 1 << 29, 30 << 20), "has more than"),
    "facts-ticks": (forged(lambda by, m: None, ticks=10**30), "no JSON"),
    "ticks-late": (numbers("tick", put(-2, 10**15)), "not possible"),
    "snapshot-cores": (snapshot(cpu={"num_cores": "two"}), ODD),
    "meta-host": (meta(lambda doc: doc.update(host="good")), "another host"),
    "json-none": (forged(lambda by, m: setattr(m[-1], "data", b"{]")), "no list of samples"),
    "json-cut": (forged(lambda by, m: setattr(m[-1], "data", m[-1].data[:-9] + b"]")), "'json'"),
    "json-nan": (
        forged(lambda by, m: setattr(m[-1], "data", m[-1].data.replace(b'"tick": 0', b'"tick": NaN'))),
        "no JSON",
    ),
    "json-other": (
        forged(lambda by, m: setattr(m[-1], "data", m[-1].data.replace(b'"tick": 0,', b'"tick": 7,'))),
        "not that of its row",
    ),
    "json-bomb": (forged(lambda by, m: blow_up(m[-1])), "'json'"),
}  # fmt: skip
BEHAVIOURS = {**MESSAGES, **TABLES}


def blow_up(member: Plain) -> None:
    """A list that goes on and on."""
    member.data = b"[" + b" " * (200 << 20)


class Forger:
    """Stands in for the way of an ssh host (odd_hosts.Way): has the packed members of this rank changed."""

    def __init__(self, members: list[NpzMember]) -> None:
        self._members = members
        self.table: list[bytes] = []
        self.said: Message = {}

    def fetch(self, member: int, size: int) -> bytes:
        return b"".join(self._members[member].chunks)[:size]

    def say(self, frame: bytes) -> None:
        self.said = json.loads(frame[16:])  # behind the head of the frame


def be_odd(name: str) -> None:
    from mpi_collector.transport.ranks import worker_service
    from mpi_collector.transport.ranks.world import World

    change, _ = BEHAVIOURS[name]
    if name in TABLES:
        pack = worker_service.WorkerService.pack

        def forge(self: Any, json: bool = False) -> Any:
            answer = pack(self, json)
            way = Forger(self._members)
            change(way, answer.fields, b"")
            answer.fields = way.said
            for member, data in zip(self._members, way.table):
                member.chunks = [data]
            return answer

        worker_service.WorkerService.pack = forge  # type: ignore[method-assign]
        return
    send = World.send

    def altered(self: World, dest: int, **message: Any) -> None:
        found = change(Rank(self), message) if not dest else message
        if found is not None:
            send(self, dest, **found)

    World.send = altered  # type: ignore[method-assign]


def main() -> None:
    names = sys.argv[1].split(",")
    rank = int(os.environ.get("OMPI_COMM_WORLD_RANK", os.environ.get("PMI_RANK", "0")))
    host = f"odd-{names[rank - 1]}" if 0 < rank <= len(names) else f"good-{rank}"

    from mpi_collector.transport.ranks import coordinator, worker

    identity = worker.identity

    def own() -> Any:
        return {**identity(), "hostname": host, "machine_id": host}

    worker.identity = own  # type: ignore[attr-defined]
    coordinator.identity = own  # type: ignore[attr-defined]
    if host.startswith("odd-"):
        be_odd(names[rank - 1])
    from mpi_collector.cli.main import main as program

    sys.exit(program(["collect", *sys.argv[2:]]))


if __name__ == "__main__":
    main()
