"""A program named ssh that runs the real agent on this machine, and stands between it and the launcher.

A host called ``odd-NAME`` behaves as BEHAVIOURS[NAME] says: the answers of its agent are changed on their way.
Any other host is honest, and what it delivers is noted in $ODD_HOSTS_NOTES/HOST. Every host has an identity
of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpi_collector.node.frames import MAGIC, FrameDecoder, encode

Message = dict[str, Any]
NOTES = "ODD_HOSTS_NOTES"
GOOD = "answers"  #: expected of a behaviour that costs nothing


@dataclass
class Way:
    """The frames between a launcher and the agent of ``host``; ``asked``: {id: name of the request}."""

    host: str
    agent: Any
    asked: dict[Any, str] = field(default_factory=dict)
    own: dict[int, list[tuple[Message, bytes]]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    members: list[bytes] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, data: bytes) -> None:
        """Send bytes to the launcher."""
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]

    def answer(self, message: Message, blob: bytes = b"") -> None:
        self.say(raw(json.dumps(message).encode(), blob))


def raw(body: bytes, blob: bytes = b"", crc: int | None = None) -> bytes:
    """A frame with any body, without the bounds of ``encode``."""
    import struct

    found = zlib.crc32(blob, zlib.crc32(body)) if crc is None else crc
    return struct.pack("<4sIII", MAGIC, len(body), len(blob), found) + body + blob


#: changes one answer: (way, message, blob); it sends what the launcher gets
Change = Callable[[Way, Message, bytes], None]


@dataclass(frozen=True)
class Behaviour:
    """``on``: the request whose answers are changed, ``hello`` for the first message; ``said``: in the host's error."""

    on: str
    change: Change
    said: str


def also(**fields: Any) -> Change:
    """The answer with further or other fields."""
    return lambda way, message, blob: way.answer({**message, **fields}, blob)


def lacks(*names: str) -> Change:
    """The answer without some fields."""
    return lambda way, message, blob: way.answer(
        {k: v for k, v in message.items() if k not in names}, blob
    )


def inside(part: str, **fields: Any) -> Change:
    """The answer with other fields in one of its documents."""
    return lambda way, message, blob: way.answer(
        {**message, part: {**message[part], **fields}}, blob
    )


def inside_lacks(part: str, *names: str) -> Change:
    def change(way: Way, message: Message, blob: bytes) -> None:
        kept = {k: v for k, v in message[part].items() if k not in names}
        way.answer({**message, part: kept}, blob)

    return change


def text(write: Callable[[Message], str]) -> Change:
    """The answer as another text."""
    return lambda way, message, blob: way.say(raw(write(message).encode(), blob))


def ends(way: Way, message: Message, blob: bytes) -> None:
    os._exit(0)


def twice(way: Way, message: Message, blob: bytes) -> None:
    way.answer(message, blob)
    way.answer(message, blob)
    way.answer(message, blob)


def damaged(way: Way, message: Message, blob: bytes) -> None:
    way.say(raw(json.dumps(message).encode(), blob, crc=1))


def silent(way: Way, message: Message, blob: bytes) -> None:
    """Nothing is answered."""


def floods(way: Way, message: Message, blob: bytes) -> None:
    way.answer(message, blob)
    while True:
        way.answer({"id": 10**6, "nobody": "asked"}, bytes(1 << 16))


def babbles(way: Way, message: Message, blob: bytes) -> None:
    while True:
        way.say(b"Welcome to this machine! " * 1000)


def without_frame(way: Way, message: Message, blob: bytes) -> None:
    way.say(b"Killed\n" * 10)


ODD = "is not in the protocol"
FRAME = "a frame"
BEHAVIOURS: dict[str, Behaviour] = {
    # ---- the first message
    "hello-version": Behaviour("hello", also(hello=99), "uses protocol 99"),
    "hello-true": Behaviour("hello", also(hello=True), "uses protocol True"),
    "hello-no-identity": Behaviour("hello", lacks("identity"), ODD),
    "hello-no-boot-id": Behaviour("hello", inside_lacks("identity", "boot_id"), ODD),
    "hello-host-number": Behaviour("hello", inside("identity", hostname=7), ODD),
    "hello-host-empty": Behaviour("hello", inside("identity", hostname=""), ODD),
    "hello-addresses": Behaviour("hello", inside("identity", addresses="10.0.0.1"), ODD),
    "hello-pid": Behaviour("hello", also(pid=-1), ODD),
    "hello-prepared": Behaviour("hello", also(prepared="no"), ODD),
    "hello-more": Behaviour("hello", also(welcome="to this machine"), ODD),
    "hello-twice": Behaviour("hello", twice, "nobody asked for"),
    "hello-babbles": Behaviour("hello", babbles, "other output instead of an answer"),
    "hello-ends": Behaviour("hello", ends, "the connection closed"),
    # ---- preparing
    "ready-empty": Behaviour(
        "prepare", lacks("rows", "spool", "absent", "columns", "warnings"), ODD
    ),
    "ready-no-rows": Behaviour("prepare", lacks("rows"), ODD),
    "ready-rows-text": Behaviour("prepare", also(rows="3600"), ODD),
    "ready-rows-one": Behaviour("prepare", also(rows=1), "a table of 1 rows"),
    "ready-rows-many": Behaviour("prepare", also(rows=10**9), "a table of 1000000000 rows"),
    "ready-rows-less": Behaviour("prepare", also(rows=-5), ODD),
    "ready-rows-true": Behaviour("prepare", also(rows=True), ODD),
    "ready-columns": Behaviour("prepare", also(columns=10**12), ODD),
    "ready-absent": Behaviour("prepare", also(absent=["stat"]), ODD),
    "ready-status": Behaviour("prepare", also(absent={"stat": 99}), ODD),
    "ready-warnings": Behaviour("prepare", also(warnings="none"), ODD),
    "ready-many-warnings": Behaviour("prepare", also(warnings=["!"] * 10**5), ODD),
    "ready-list": Behaviour("prepare", text(lambda m: "[]"), "not a JSON object"),
    "ready-deep": Behaviour(
        "prepare", text(lambda m: '{"id": %d, "x": %s1' % (m["id"], '{"a": ' * 10**5)), FRAME
    ),
    "ready-values": Behaviour(
        "prepare", text(lambda m: '{"id": %d, "x": [%s1]}' % (m["id"], "[]," * 2_000_000)), FRAME
    ),
    "ready-key-twice": Behaviour(
        "prepare", text(lambda m: json.dumps(m)[:-1] + ', "rows": 3600}'), "twice"
    ),
    "ready-blob": Behaviour(
        "prepare", lambda way, m, blob: way.answer(m, b"x" * 1000), "it comes with 1000 bytes"
    ),
    "ready-damaged": Behaviour("prepare", damaged, "a wrong checksum"),
    "ready-no-frame": Behaviour("prepare", without_frame, "no frame where one should begin"),
    # ---- the clock, the start
    "time-none": Behaviour("time", lacks("mono_ns"), ODD),
    "time-text": Behaviour("time", also(mono_ns="0"), ODD),
    "time-large": Behaviour("time", also(mono_ns=10**30), FRAME),
    "time-nan": Behaviour("time", also(mono_ns=float("nan")), "NaN is no JSON"),
    "clock-answers": Behaviour("clock", also(offset_ns=1), ODD),
    "first-text": Behaviour("first", also(sampling="yes"), ODD),
    "first-failure": Behaviour("first", also(failure=0), ODD),
    "first-never": Behaviour("first", also(sampling=False), "no first sample within"),
    # ---- during the run
    "status-text": Behaviour("status", also(taken="many"), ODD),
    "status-flood": Behaviour("status", floods, "nobody asked for"),
    "beat-event": Behaviour("status", also(event="begin_host", key="good"), "does not exist"),
    "beat-late": Behaviour("beat", lambda way, m, blob: late(way, m), GOOD),
    # ---- the end
    "stop-no-samples": Behaviour("stop", lacks("samples"), ODD),
    "stop-samples": Behaviour("stop", also(samples=10**18), ODD),
    "stop-failure": Behaviour("stop", also(failure={"why": 1}), ODD),
    "stop-tick": Behaviour("stop", also(last_tick=-5), ODD),
    "pack-no-facts": Behaviour("pack", lacks("facts"), ODD),
    "pack-no-heads": Behaviour("pack", lacks("heads"), ODD),
    "pack-heads-text": Behaviour("pack", also(heads="all"), ODD),
    "facts-ticks": Behaviour("pack", inside("facts", ticks=10**30), FRAME),
    "facts-infinity": Behaviour("pack", inside("facts", cpu_share=float("inf")), "no JSON"),
    "facts-1e999": Behaviour(
        "pack",
        text(lambda m: json.dumps(m).replace('"cpu_share": ', '"cpu_share": 1e999, "x": ', 1)),
        "not finite",
    ),
    "facts-marks": Behaviour("pack", inside("facts", marks=[{"text": "x"}]), ODD),
    "facts-status": Behaviour("pack", inside("facts", statuses={"stat": {"odd": 1}}), ODD),
}

_late: list[Message] = []


def late(way: Way, message: Message) -> None:
    """Answer three beats at once."""
    _late.append(message)
    if len(_late) == 3:
        for m in _late:
            way.answer(m)
        _late.clear()


def ssh() -> None:
    """Be the program: run the command behind ``-- HOST`` here."""
    if "-G" in sys.argv:
        return
    host, command = sys.argv[sys.argv.index("--") + 1 :]
    agent = subprocess.Popen(
        ["sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    way = Way(host, agent)
    threading.Thread(target=_up, args=(way,), daemon=True).start()
    behaviour = BEHAVIOURS.get(host.removeprefix("odd-")) if host.startswith("odd-") else None
    for message, blob in _frames(agent.stdout):
        _down(way, behaviour, message, blob)
    os._exit(agent.wait())


def _frames(stream: Any) -> Iterator[tuple[Message, bytes]]:
    decoder = FrameDecoder()
    while data := os.read(stream.fileno(), 1 << 16):
        yield from decoder.feed(data)


def _up(way: Way) -> None:
    """Pass on what the launcher sends, and note what it asks for."""
    decoder = FrameDecoder()
    while data := os.read(0, 1 << 16):
        for message, _blob in decoder.feed(data):
            way.asked[message.get("id")] = message["do"]
        with way.lock:
            view = memoryview(data)
            while view:
                view = view[os.write(way.agent.stdin.fileno(), view) :]
    way.agent.stdin.close()


def _down(way: Way, behaviour: Behaviour | None, message: Message, blob: bytes) -> None:
    if "hello" in message:
        do = "hello"
        message["identity"].update(hostname=way.host, machine_id=way.host)
    else:
        do = way.asked.get(message.get("id"), "")
    way.counts[do] = way.counts.get(do, 0) + 1
    if behaviour is not None and behaviour.on == do:
        behaviour.change(way, message, blob)
        return
    if behaviour is None and do == "pack":
        Path(os.environ[NOTES], way.host).write_text(json.dumps(message["heads"]))
    way.say(encode(message, blob))
