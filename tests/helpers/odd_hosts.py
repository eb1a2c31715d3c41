"""A program named ssh that runs the real agent on this machine, and stands between it and the launcher.

A host called ``odd-NAME`` behaves as BEHAVIOURS[NAME] says: the answers of its agent are changed on their way.
Any other host is honest, and what it delivers is noted in $ODD_HOSTS_NOTES/HOST. Every host has an identity
of its own.

A hundred agents that compile their modules take two cores minutes: those of odd hosts are forked by ``serve``,
which has them; an honest host's is started as over a real ssh.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpi_collector.node.frames import MAGIC, FrameDecoder, encode
from mpi_collector.node.table.npy import NpzMember, npy_header

Message = dict[str, Any]
NOTES = "ODD_HOSTS_NOTES"
OWN = 10**9  #: numbers of requests that the launcher did not make
GOOD = "answers"  #: expected of a behaviour that costs nothing


@dataclass
class Way:
    """The frames between a launcher and the agent of ``host``; ``asked``: {id: request}."""

    host: str
    agent: Any
    asked: dict[Any, Message] = field(default_factory=dict)
    table: list[bytes] = field(default_factory=list)  #: packed members in place of the agent's own
    lock: threading.Lock = field(default_factory=threading.Lock)
    frames: Iterator[tuple[Message, bytes]] = field(default_factory=lambda: iter(()))

    def say(self, data: bytes) -> None:
        """Send bytes to the launcher."""
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]

    def tell_agent(self, data: bytes) -> None:
        with self.lock:
            view = memoryview(data)
            while view:
                view = view[os.write(self.agent.stdin.fileno(), view) :]

    def fetch(self, member: int, size: int) -> bytes:
        """Get a packed member from the agent."""
        out = b""
        while len(out) < size:
            number = OWN + member
            self.tell_agent(
                encode({"do": "fetch", "id": number, "member": member, "offset": len(out)})
            )
            for message, blob in self.frames:
                if message.get("id") == number:
                    out += blob
                    break
                self.say(encode(message, blob))
        return out

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


# ---- tables
@dataclass
class Plain:
    """A member of a table before it is packed. ``head``: what its head says instead of the truth."""

    kind: str
    name: str
    data: bytes
    head: dict[str, Any] = field(default_factory=dict)
    packed: bytes = b""

    def document(self, change: Callable[[Any], object]) -> None:
        """Change the JSON document of ``meta``."""
        doc = json.loads(
            self.data[10 + int.from_bytes(self.data[8:10], "little") :].decode("utf-32-le")
        )
        change(doc)
        self.text(json.dumps(doc))

    def text(self, said: str) -> None:
        header = npy_header(f"<U{len(said)}", ())
        self.data = header + said.encode("utf-32-le")

    def numbers(self, change: Callable[[Any], Any]) -> None:
        """Change the numbers of an integer member."""
        size = 10 + int.from_bytes(self.data[8:10], "little")
        numbers = array("q", self.data[size:])
        change(numbers)
        self.data = self.data[:size] + numbers.tobytes()


def forged(change: Callable[[dict[str, Plain], list[Plain]], object], **facts: Any) -> Change:
    """The table after ``change({name behind the key: member}, members)``; with other ``facts``."""

    def answer(way: Way, message: Message, blob: bytes) -> None:
        members = []
        for number, head in enumerate(message["heads"]):
            packed = way.fetch(number, head["packed"])
            members.append(Plain(head["kind"], head["name"], zlib.decompress(packed, -15)))
        change({m.name.partition("/")[2]: m for m in members}, members)
        message["facts"].update(facts)
        message["heads"] = []
        way.table = []
        for m in members:
            made = NpzMember(m.kind, m.name, [m.data])
            way.table.append(m.packed or b"".join(made.chunks))
            message["heads"].append({**made.head(), "packed": len(way.table[-1]), **m.head})
        way.say(raw(json.dumps(message).encode(), blob))

    return answer


def meta(change: Callable[[Any], object]) -> Change:
    """The table with another document."""
    return forged(lambda by, members: by["meta"].document(change))


def put(at: int, number: int) -> Callable[[Any], object]:
    """Change one number."""
    return lambda numbers: numbers.__setitem__(at, number)


def numbers(name: str, change: Callable[[Any], Any]) -> Change:
    return forged(lambda by, members: by[name].numbers(change))


def head(name: str, /, **fields: Any) -> Change:
    return forged(lambda by, members: by[name].head.update(fields))


def renamed(name: str, other: str) -> Change:
    def change(by: dict[str, Plain], members: list[Plain]) -> None:
        by[name].name = other

    return forged(change)


def set_plain(name: str, make: Callable[[bytes], bytes]) -> Change:
    def change(by: dict[str, Plain], members: list[Plain]) -> None:
        by[name].data = make(by[name].data)

    return forged(change)


def zeros(size: int) -> bytes:
    """Deflated zeros, made at once: one block again and again."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return block * (size >> 20) + deflate.flush()


def bomb(name: str, size: int, said: int | None = None) -> Change:
    """A member that inflates to ``size`` bytes; its head says ``said``, the truth by default."""

    def change(by: dict[str, Plain], members: list[Plain]) -> None:
        by[name].packed = zeros(size)
        by[name].head = {"size": size if said is None else said}

    return forged(change)


def hide_bomb(values: Plain) -> None:
    """Pack a gigabyte behind the right size."""
    values.head = {"size": len(values.data)}
    values.packed = zeros(1 << 21)


def snapshot(**fields: Any) -> Change:
    return meta(lambda doc: doc["snapshot"].update(fields))


def event(**fields: Any) -> Change:
    return meta(lambda doc: doc["events"].append(fields))


def of_grid(**fields: Any) -> Change:
    def change(doc: Any) -> None:
        next(e for e in doc["events"] if e["type"] == "grid").update(fields)

    return meta(change)


def shorter(way: Way, message: Message, blob: bytes) -> None:
    way.answer(message, blob[:1])


def longer(way: Way, message: Message, blob: bytes) -> None:
    way.answer(message, blob + b"x")


def trickles(way: Way, message: Message, blob: bytes) -> None:
    """Send the answer one byte a second."""
    for byte in encode(message, blob):
        way.say(bytes([byte]))
        time.sleep(1)


def hangs(way: Way, message: Message, blob: bytes) -> None:
    time.sleep(1000)


_late: list[Message] = []


def late(way: Way, message: Message) -> None:
    """Answer three beats at once."""
    _late.append(message)
    if len(_late) == 3:
        for m in _late:
            way.answer(m)
        _late.clear()


ODD = "is not in the protocol"
FRAME = "a frame"
MEMBERS = "its members are not those of its table"
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
    # ---- the table: its members
    "members-of-another": Behaviour(
        "pack",
        forged(
            lambda by, m: [
                setattr(x, "name", x.name.replace(x.name.split("/")[0], "good")) for x in m
            ]
        ),
        MEMBERS,
    ),
    "member-of-another": Behaviour("pack", renamed("values", "good/values"), MEMBERS),
    "member-twice": Behaviour("pack", forged(lambda by, m: m.append(m[-1])), MEMBERS),
    "member-path": Behaviour("pack", renamed("values", "../../x"), MEMBERS),
    "member-absolute": Behaviour("pack", renamed("tick", "/run/x"), MEMBERS),
    "member-unknown": Behaviour(
        "pack", forged(lambda by, m: m.append(Plain("npz", f"{m[0].name}2", b"x"))), MEMBERS
    ),
    "member-missing": Behaviour("pack", forged(lambda by, m: m.remove(by["values"])), MEMBERS),
    "member-run": Behaviour("pack", renamed("meta", "run"), MEMBERS),
    "member-order": Behaviour("pack", forged(lambda by, m: m.reverse()), MEMBERS),
    "members-none": Behaviour("pack", forged(lambda by, m: m.clear()), MEMBERS),
    "members-many": Behaviour("pack", forged(lambda by, m: m.extend(m * 20)), ODD),
    "member-json": Behaviour(
        "pack",
        forged(lambda by, m: m.append(Plain("json", m[0].name.split("/")[0], b"[]"))),
        MEMBERS,
    ),
    "member-kind": Behaviour("pack", head("values", kind="exe"), ODD),
    "member-name-number": Behaviour("pack", head("values", name=7), ODD),
    "member-packed-less": Behaviour("pack", head("values", packed=-1), ODD),
    "member-packed-large": Behaviour("pack", head("meta", packed=10**12), "packed in"),
    "member-checksum": Behaviour("pack", head("values", crc=1), "checksum"),
    "member-checksum-text": Behaviour("pack", head("columns", crc=1), "checksum"),
    "member-size-less": Behaviour("pack", head("values", size=200), "is said to be packed in"),
    "member-no-deflate": Behaviour(
        "pack", forged(lambda by, m: setattr(by["units"], "packed", b"\xff" * 100)), "is damaged"
    ),
    "member-cut": Behaviour(
        "pack",
        forged(lambda by, m: setattr(by["tick"], "packed", zlib.compress(by["tick"].data)[2:-14])),
        "less than",
    ),
    "member-longer": Behaviour(
        "pack", set_plain("tick", lambda data: data + bytes(8)), "bytes instead of"
    ),
    "member-header": Behaviour(
        "pack", set_plain("late_ns", lambda d: d.replace(b"<i8", b"<f8")), "other rows"
    ),
    "member-shape": Behaviour(
        "pack",
        set_plain("values", lambda d: d.replace(b"True, ", b"False,", 1)),
        "other rows",
    ),
    "member-object": Behaviour(
        "pack", set_plain("tick", lambda d: d.replace(b"'<i8'", b"'|O' ")), "other rows"
    ),
    # ---- the table: bombs
    "bomb-values": Behaviour("pack", bomb("values", 1 << 30), "too many"),
    "bomb-hidden": Behaviour(
        "pack", forged(lambda by, m: hide_bomb(by["values"])), "has more than"
    ),
    "bomb-meta": Behaviour("pack", bomb("meta", 1 << 29), "too many"),
    "bomb-meta-hidden": Behaviour("pack", bomb("meta", 1 << 29, 30 << 20), "has more than"),
    "bomb-columns": Behaviour("pack", bomb("columns", 1 << 28), "too many"),
    # ---- the table: what it says
    "facts-more-rows": Behaviour("pack", forged(lambda by, m: None, samples=10**9), "rows, where"),
    "facts-other-rows": Behaviour("pack", inside("facts", ticks=1), "not those that it counts"),
    "facts-late-tick": Behaviour(
        "pack", inside("facts", last_tick=10**6), "more ticks than were due"
    ),
    "facts-columns": Behaviour("pack", inside("facts", columns=1), "columns, where"),
    "facts-other": Behaviour("pack", inside("facts", complete=False), "other facts"),
    "meta-no-json": Behaviour("pack", forged(lambda by, m: by["meta"].text("{]")), "'meta'"),
    "meta-infinity": Behaviour("pack", meta(lambda doc: doc.update(x=float("inf"))), "no JSON"),
    "meta-list": Behaviour("pack", forged(lambda by, m: by["meta"].text("[]")), "'meta'"),
    "meta-host": Behaviour("pack", meta(lambda doc: doc.update(host="good")), "another host"),
    "meta-run": Behaviour("pack", meta(lambda doc: doc.update(run="other")), "another host or run"),
    "meta-no-layout": Behaviour("pack", meta(lambda doc: doc.pop("layout")), "'layout' is missing"),
    "meta-layout": Behaviour(
        "pack", meta(lambda doc: doc["layout"]["tables"].pop()), "columns, where"
    ),
    "meta-wide": Behaviour(
        "pack", meta(lambda doc: doc["layout"]["tables"][0].update(slots=1 << 20)), "columns, where"
    ),
    "meta-device": Behaviour(
        "pack", meta(lambda doc: doc["layout"]["tables"][0].update(devices=["odd"])), "layout"
    ),
    "meta-grid": Behaviour("pack", of_grid(capacity=10**12), "another tick grid"),
    "meta-no-grid": Behaviour("pack", meta(lambda doc: doc["events"].clear()), "another tick grid"),
    "meta-event": Behaviour("pack", event(type="device", source=1), ODD),
    "meta-clock": Behaviour("pack", event(type="clock", mono_ns="x", offset_ns=0, bound_ns=0), ODD),
    "meta-mark": Behaviour(
        "pack", event(type="mark", text="x" * 10**4, edge="point", mono_ns=1), ODD
    ),
    "snapshot-cores": Behaviour("pack", snapshot(cpu={"num_cores": "two"}), ODD),
    "snapshot-list": Behaviour("pack", snapshot(meminfo=["MemTotal"]), ODD),
    "snapshot-mounts": Behaviour("pack", snapshot(mounts=[{"fs_type": 7}]), ODD),
    "snapshot-drives": Behaviour("pack", snapshot(drives="sda"), ODD),
    "snapshot-text": Behaviour("pack", meta(lambda doc: doc.update(snapshot="none")), ODD),
    "ticks-order": Behaviour("pack", numbers("tick", put(1, 0)), "not in order"),
    "ticks-late": Behaviour("pack", numbers("tick", put(-2, 10**15)), "not possible"),
    "ticks-below": Behaviour("pack", numbers("tick", put(0, -7)), "not"),
    "ticks-stop": Behaviour("pack", numbers("tick", put(0, -1)), "not"),
    "times-future": Behaviour("pack", numbers("timestamp_ns", put(-1, 2**62)), "not possible"),
    "times-past": Behaviour("pack", numbers("timestamp_ns", put(0, 0)), "not possible"),
    "status-99": Behaviour("pack", numbers("source_status", put(3, 99)), "not possible"),
    "bound-below": Behaviour("pack", numbers("clock_bound_ns", put(0, -1)), "not possible"),
    # ---- the way of the table
    "fetch-one-byte": Behaviour("fetch", shorter, "bytes of its table"),
    "fetch-one-more": Behaviour("fetch", longer, "bytes of its table"),
    "fetch-nothing": Behaviour("fetch", lambda way, m, blob: way.answer(m), "bytes of its table"),
    "fetch-trickles": Behaviour("fetch", trickles, "sent only a part of its table"),
    "fetch-hangs": Behaviour("fetch", hangs, "sent only a part of its table"),
    "fetch-ends": Behaviour("fetch", ends, "gathering"),
    "pack-hangs": Behaviour("pack", hangs, "no answer to 'pack'"),
    "stop-hangs": Behaviour("stop", hangs, "no answer to 'stop'"),
    "fetch-damaged": Behaviour("fetch", damaged, "a wrong checksum"),
}


#: the program named ssh: hands an odd host's pipes to the server, and is the real thing for others
SHIM = """#!{python} -ESs
import array, os, socket, sys
if "-G" in sys.argv:
    sys.exit()
host = sys.argv[sys.argv.index("--") + 1]
if not host.startswith("odd-"):
    program = "import sys; sys.path[:0] = {path!r}; import odd_hosts; odd_hosts.ssh()"
    os.execv(sys.executable, [sys.executable, "-ES", "-c", program, *sys.argv[1:]])
server = socket.socket(socket.AF_UNIX)
server.connect({server!r})
server.sendmsg([host.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1]))])
null = os.open(os.devnull, os.O_RDWR)
os.dup2(null, 0)
os.dup2(null, 1)
sys.exit((server.recv(1) or bytes([255]))[0])
"""


def ssh() -> None:
    """Be the program: run the command behind ``-- HOST`` here."""
    host, command = sys.argv[sys.argv.index("--") + 1 :]
    agent = subprocess.Popen(
        ["sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    os._exit(_stand_between(host, agent))


def serve(path: str) -> None:
    """Fork the agent of an odd host, and what stands before it, for each connection to ``path``."""
    from mpi_collector.node import sources
    from mpi_collector.node.agent import start

    sources.select("all")  # imports them
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(256)
    while True:
        connection, _ = listener.accept()
        name, ancillary, _flags, _address = connection.recvmsg(256, 1024)
        fds = array("i", ancillary[0][2])
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            for number, fd in enumerate(fds):
                os.dup2(fd, number)
                os.close(fd)
            agent = Forked(start.main)
            threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
            code = _stand_between(name.decode(), agent)
            connection.send(bytes([code]))
            os._exit(0)
        for fd in fds:
            os.close(fd)
        connection.close()


def _end_with(connection: socket.socket) -> None:
    """End this process when the program named ssh has been killed."""
    connection.recv(1)
    os._exit(0)


class Forked:
    """A process that is to a launcher what the command of bootstrap.py is, without compiling modules."""

    def __init__(self, main: Callable[[str, str, float], None]) -> None:
        given, to_agent = os.pipe()
        from_agent, said = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            for fd, number in ((given, 0), (said, 1)):
                os.dup2(fd, number)
            os.closerange(3, 64)
            self._run(main)
        os.close(given)
        os.close(said)
        self.stdin = os.fdopen(to_agent, "wb", 0)
        self.stdout = os.fdopen(from_agent, "rb", 0)

    @staticmethod
    def _run(main: Callable[[str, str, float], None]) -> None:
        def exactly(count: int) -> bytes:
            out = b""
            while len(out) < count:
                out += os.read(0, count - len(out)) or os._exit(1)
            return out

        os.write(1, b"mpi_collector begins\n")
        exactly(int(exactly(8)))
        head = json.loads(exactly(int(exactly(8))))
        exactly(head["size"])
        try:
            main(head["run"], head["key"], head["orphan_s"])
        finally:
            os._exit(0)

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _stand_between(host: str, agent: Any) -> int:
    """Pass on what launcher and agent say, changed as the host behaves; return the agent's exit status."""
    way = Way(host, agent)
    threading.Thread(target=_up, args=(way,), daemon=True).start()
    behaviour = BEHAVIOURS.get(host.removeprefix("odd-")) if host.startswith("odd-") else None
    way.frames = _frames(agent.stdout)
    for message, blob in way.frames:
        _down(way, behaviour, message, blob)
    return int(agent.wait())


def _frames(stream: Any) -> Iterator[tuple[Message, bytes]]:
    decoder = FrameDecoder()
    while data := os.read(stream.fileno(), 1 << 16):
        yield from decoder.feed(data)


def _up(way: Way) -> None:
    """Pass on what the launcher sends, and note what it asks for."""
    decoder = FrameDecoder()
    while data := os.read(0, 1 << 16):
        for message, _blob in decoder.feed(data):
            way.asked[message.get("id")] = message
        way.tell_agent(data)
    way.agent.stdin.close()


def _down(way: Way, behaviour: Behaviour | None, message: Message, blob: bytes) -> None:
    if "hello" in message:
        do = "hello"
        message["identity"].update(hostname=way.host, machine_id=way.host)
    else:
        request = way.asked.get(message.get("id"), {"do": ""})
        do = request["do"]
        if do == "fetch" and way.table:
            offset = request["offset"]
            blob = way.table[request["member"]][offset : offset + request["size"]]
    if behaviour is not None and behaviour.on == do:
        behaviour.change(way, message, blob)
        return
    if behaviour is None and do == "pack":
        Path(os.environ[NOTES], way.host).write_text(json.dumps(message["heads"]))
    way.say(encode(message, blob))
