"""Mutations of a recording: its documents, its members, the zip around them; and what must hold for each.

A case is a number: case ``n`` of a seed is the same on every machine. ``scripts/fuzz recording`` runs many,
``tests/store/test_mutations.py`` some hundred.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import random
import resource
import signal
import struct
import time
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpi_collector
from mpi_collector.errors import RecordingError
from mpi_collector.node.table.npy import npy_header

MEMORY_BYTES = 256 << 20
CPU_S = 2.0
PAGES = 0.01  #: of the cases: a page takes seconds
_HANGS_S = 30
_ZEROS = 64 << 20
NAME = "host_20260105_120000_timeseries.npz"
ESCAPES = "\x1b]0;owned\x07\x1b[2J\r\x9b31m"
STRANGE: list[Any] = [
    None, True, False, 0, -1, 1, 63, 64, 2**31, 10**12, 2**62, 2**63 - 1, 2**63, 2**64, -(2**63), 10**40, 0.5, -0.5, 1e308,
    float("nan"), float("inf"), "", "x", "0", "complete", ESCAPES, "\ud800", "\x00", "../../x", "/", "é" * 300, "a" * 100_000,
    [], [[]], [None], [0], ["x"], {}, {"x": None}, {"": {}}, [{}] * 2000, {"a": [{"b": [{"c": {}}]}]},
]  # fmt: skip


@dataclass
class Failure:
    """What a case did that no case may do."""

    case: str
    what: str


# ---- documents
def paths(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of a document, containers and values."""
    yield at
    if isinstance(node, dict | list):
        for key in node if isinstance(node, dict) else range(len(node)):
            yield from paths(node[key], (*at, key))


def deep(rng: random.Random) -> Any:
    out: Any = 0
    for _ in range(rng.choice([10, 900, 3000])):
        out = [out] if rng.random() < 0.5 else {"a": out}
    return out


def mutate_document(doc: Any, rng: random.Random) -> tuple[Any, str]:
    """The document with one to three places changed, and which."""
    doc = copy.deepcopy(doc)
    said = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        *parents, last = rng.choice([p for p in paths(doc) if p] or [(None,)])
        node = doc
        for key in parents:
            node = node[key]
        if last is None:
            return rng.choice(STRANGE), "all of it"
        how = rng.choice(["replace"] * 6 + ["delete", "rename", "repeat", "type", "copy"])
        said.append(f"{how} {'/'.join(map(str, (*parents, last)))}"[:120])
        old = node[last]
        if how == "replace":
            if rng.random() < 0.03:
                node[last] = deep(rng)
                break
            node[last] = copy.deepcopy(rng.choice(STRANGE))
        elif how == "delete":
            del node[last]
        elif how == "rename" and isinstance(node, dict):
            node[str(rng.choice(["x", ESCAPES, "stop", "\ud800", "", 7]))] = node.pop(last)
        elif how == "repeat" and isinstance(old, list) and old:
            node[last] = old * rng.choice([2, 3000])
        elif how == "type":
            node[last] = (
                {"a": old}
                if rng.random() < 0.5
                else [old]
                if rng.random() < 0.5
                else str(old)[:1000]
            )
        elif how == "copy":
            node[last] = copy.deepcopy(
                rng.choice(list(node.values() if isinstance(node, dict) else node))
            )
    return doc, "; ".join(said)


def packed_document(doc: Any) -> bytes:
    text = json.dumps(doc)
    return npy_header(f"<U{max(len(text), 1)}", ()) + text.encode("utf-32-le")


# ---- members
HEADERS = [
    ("<U0", (10**9,)), ("<U1", (10**9,)), ("<i8", (10**9,)), ("<i8", (0,)), ("<i8", ()), ("<i8", (1,)), ("<i8", (3, 4)), ("<i4", (12,)),
    (">i8", (13,)), ("<f8", (13,)), ("|O", (13,)), ("<U4000000", (13,)), ("|V8", (13,)), ("|b1", (13,)), ("<U3", (13,)), ("<i8", (2**62, 4)),
    ("<U0", ()), ("<M8[ns]", (13,)), ("|S5", (13,)), ("<i8", (10**4, 10**4)), ("<i8", (1,) * 40), ("<c16", (13,)),
]  # fmt: skip
TEXTS = [
    "{'descr': '<i8', 'fortran_order': False, 'shape': (13,), 'shape': (13,), }", "{" * 5000, "[" * 9000, "{'descr': [('a', '<i8')], "
    "'fortran_order': False, 'shape': (13,), }", "{'descr': '<i8', 'fortran_order': 1e999, 'shape': (-1,), }", "\\q" * 50, "{[]: 1}",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (13L,), }", "0" * 5000, "'\\N{DIGIT ONE}'", "__import__('os')",
]  # fmt: skip


def header_of(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def split(body: bytes) -> tuple[bytes, bytes]:
    """Header and data of a member."""
    at = 10 + struct.unpack_from("<H", body, 8)[0]
    return body[:at], body[at:]


def mutate_member(body: bytes, rng: random.Random) -> tuple[bytes, str]:
    head, data = split(body)
    how = rng.choice(
        [
            "header",
            "header",
            "text",
            "flip",
            "flip head",
            "cut",
            "long",
            "zeros",
            "noise",
            "words",
            "words",
            "same",
        ]
    )
    if how == "header":
        kind, shape = rng.choice(HEADERS)
        return npy_header(kind, shape, rng.random() < 0.5) + data, f"header {kind} {shape}"
    if how == "text":
        return header_of(rng.choice(TEXTS)) + data, how
    if how in ("flip", "flip head"):
        out = bytearray(body)
        for _ in range(rng.randint(1, 4)):
            out[rng.randrange(len(head) if how == "flip head" else len(out))] = rng.randrange(256)
        return bytes(out), how
    if how == "cut":
        return body[: rng.randrange(len(body))], how
    if how == "long":
        return body + bytes(rng.choice([1, 8, 4096])), how
    if how == "zeros":
        return head + bytes(len(data)), how
    if how == "noise":
        return head + rng.randbytes(len(data)), how
    if how == "words":  # values of a right shape that cannot be
        words = [-(2**63), 2**63 - 1, -1, 0, 1, 2**62, -2]
        out = bytearray(data)
        for _ in range(rng.randint(1, 8)):
            if len(out) >= 8:
                struct.pack_into("<q", out, 8 * rng.randrange(len(out) // 8), rng.choice(words))
        return head + bytes(out), how
    return head + data[:8] * (len(data) // 8), how


# ---- the zip
def parts_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as z:
        return {n: z.read(n) for n in z.namelist()}


def write(path: Path, parts: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", method, compresslevel=1) as z:
        warnings.simplefilter("ignore")
        for name, body in parts.items():
            z.writestr(name, body)


def bomb(path: Path, parts: dict[str, bytes], victim: str, rng: random.Random) -> str:
    """A member of gigabytes of zeros behind a header that says so, from megabytes of file."""
    times = rng.choice([4, 16, 48])
    size = times * _ZEROS
    kind, item = rng.choice(
        [
            ("<i8", 8),
            ("<U1", 4),
            (f"<U{size // 4}", size),
            (f"<U{size // 52}", size // 13),
            ("<U4000", 16000),
        ]
    )
    shape = () if item == size else (size // item,)
    head = npy_header(kind, shape)
    data = size // item * item
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    # the deflated zeros repeat: a flush lets the same bytes be written again and again
    first = deflate.compress(head) + deflate.flush(zlib.Z_FULL_FLUSH)
    block = deflate.compress(bytes(_ZEROS)) + deflate.flush(zlib.Z_FULL_FLUSH)
    write(path, {**parts, victim: b"\0" * 64})
    body = path.read_bytes()
    packed = first + block * times
    with zipfile.ZipFile(path) as z:
        info = z.getinfo(victim)
    at = info.header_offset + 30 + len(victim)
    old = info.compress_size
    out = bytearray(body[:at] + packed + body[at + old :])
    grown = len(packed) - old
    _patch(out, body, info, len(packed), len(head) + data, grown)
    path.write_bytes(out)
    return f"bomb of {size >> 20} MB as {kind[:12]} {shape} in {victim}"


def _patch(
    out: bytearray, body: bytes, info: zipfile.ZipInfo, packed: int, size: int, grown: int
) -> None:
    """Sizes and offsets of the zip after a member grew."""
    struct.pack_into("<II", out, info.header_offset + 18, packed, min(size, 2**32 - 1))
    end = body.rindex(b"PK\x05\x06")
    at = struct.unpack_from("<I", body, end + 16)[0]
    struct.pack_into("<I", out, end + grown + 16, at + grown)
    at += grown
    while out[at : at + 4] == b"PK\x01\x02":
        offset = struct.unpack_from("<I", out, at + 42)[0]
        if offset == info.header_offset:
            struct.pack_into("<II", out, at + 20, packed, min(size, 2**32 - 1))
        elif offset > info.header_offset:
            struct.pack_into("<I", out, at + 42, offset + grown)
        at += 46 + sum(struct.unpack_from("<HHH", out, at + 28))


def mutate_zip(path: Path, parts: dict[str, bytes], rng: random.Random) -> str:
    how = rng.choice(
        [
            "flip",
            "flip",
            "directory",
            "directory",
            "cut",
            "end",
            "drop",
            "swap",
            "twice",
            "method",
            "head",
            "names",
        ]
    )
    names = list(parts)
    if how == "drop":
        del parts[rng.choice(names)]
    elif how == "swap":
        a, b = rng.choice(names), rng.choice(names)
        parts[a], parts[b] = parts[b], parts[a]
    elif how == "names":
        parts = {n if rng.random() < 0.9 else n.upper(): b for n, b in parts.items()}
    write(
        path,
        parts,
        rng.choice([zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_STORED])
        if how == "method"
        else zipfile.ZIP_DEFLATED,
    )
    body = bytearray(path.read_bytes())
    directory = struct.unpack_from("<I", body, len(body) - 6)[0]
    if how == "flip":
        for _ in range(rng.randint(1, 8)):
            body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
    elif how == "directory":
        for _ in range(rng.randint(1, 6)):
            body[rng.randrange(directory, len(body))] = rng.choice(
                [0, 1, 0x7F, 0xFF, rng.randrange(256)]
            )
    elif how == "end":
        struct.pack_into(
            "<I",
            body,
            len(body) - rng.choice([6, 10, 14, 22]),
            rng.choice([0, 1, 0xFFFF, 0xFFFFFFFF, rng.randrange(2**32)]),
        )
    elif how == "cut":
        del body[rng.randrange(len(body)) :]
    elif how == "head":
        body[0 : rng.randint(1, 40)] = b""
    elif how == "twice":
        body += body[directory:]
    path.write_bytes(body)
    return how


# ---- a case
def make(path: Path, base: dict[str, bytes], rng: random.Random) -> str:
    """Write a mutated recording; what was changed."""
    parts = dict(base)
    kind = rng.choices(["run", "meta", "member", "zip", "bomb"], [40, 25, 20, 13, 2])[0]
    if kind in ("run", "meta"):
        name = rng.choice([n for n in parts if n.rpartition("/")[2] == f"{kind}.npy"])
        text = split(parts[name])[1].decode("utf-32-le")
        doc, said = mutate_document(json.loads(text), rng)
        try:
            parts[name] = packed_document(doc)
        except (RecursionError, UnicodeEncodeError, ValueError):
            parts[name] = packed_document(None)
        write(path, parts)
        return f"{name}: {said}"
    if kind == "member":
        said = []
        for name in rng.sample(sorted(parts), rng.choice([1, 1, 2, 4])):
            parts[name], how = mutate_member(parts[name], rng)
            said.append(f"{name}: {how}")
        write(path, parts)
        return "; ".join(said)
    if kind == "zip":
        return f"zip: {mutate_zip(path, parts, rng)}"
    return bomb(path, parts, rng.choice(sorted(parts)), rng)


def use(path: Path, good: Path, rng: random.Random) -> str:
    """Read a recording as the verbs do, each way every few cases; what they would print."""
    from mpi_collector.output.export import export
    from mpi_collector.report.compare import compare
    from mpi_collector.report.compare_text import text_lines
    from mpi_collector.report.summary import document, print_summary
    from mpi_collector.terminal_text import safe_text

    out = io.StringIO()
    with mpi_collector.load(path) as run:
        print_summary(run, out, most_hosts=None)
        for host in run.values():
            for name in rng.sample(host.columns, min(3, len(host.columns))):
                host.unit(name)
                host.rate(name) if host.kind(name) == "counter" else host.value(name)
            with contextlib.suppress(KeyError):
                host.at(run.run["end_ns"])
        way = rng.choice(["json", "phase", "compare", "export csv", "export json", ""])
        if way == "json":
            json.dumps(document(run), allow_nan=False)
        elif way == "phase":
            for phase in sorted({p.name for p in run.marks})[:1]:
                document(run.during(phase))
        elif way == "compare":
            with mpi_collector.load(good) as other:
                out.write(safe_text("\n".join(text_lines(compare([other], [run]))), keep="\n"))
        elif way:
            to = way.split()[1]
            target = path.with_name(f"exported.{to}")
            target.unlink(missing_ok=True)
            export(run, to, target, list(run), tidy=rng.random() < 0.5)
    return out.getvalue()


#: words of a verb that reads a recording; A: the mutated one, GOOD: another, FILE: a new file
VERBS = [
    "summary A", "summary A --json", "summary A --devices", "why A", "why A --json", "compare GOOD A", "compare A GOOD --json",
    "export A --to csv -o FILE", "export A --to csv --tidy -o FILE", "export A --to json -o FILE",
    *(f"export A --figures --to {kind} -o FILE" for kind in ("csv", "json", "openmetrics", "perfetto")),
]  # fmt: skip


def run_verb(
    path: Path, good: Path, rng: random.Random, page: bool = False, words: str = ""
) -> str:
    """Have the command line read a recording, or make its page; what it prints on both streams.

    ValueError for an exit code that the verb does not have, or output that is no JSON.
    """
    from mpi_collector.cli.main import all_verbs

    target = path.with_name("written")
    target.unlink(missing_ok=True)
    chosen = words or ("report A -o FILE" if page else rng.choice(VERBS))
    names = {"A": str(path), "GOOD": str(good), "FILE": str(target)}
    given = [names.get(word, word) for word in chosen.split()]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = all_verbs()[given[0]](given[1:])
    said = err.getvalue()
    if code not in (0, 2) or (code and path.name not in said):
        raise ValueError(f"{chosen}: exit code {code}: {said[:300]!r}")
    if not code and "--json" in given:
        json.loads(out.getvalue(), parse_constant=lambda text: 1 / 0)
    return out.getvalue() + said


def make_page(path: Path) -> None:
    """Make the page, which takes seconds, of any recording."""
    from mpi_collector.report.page import page

    with mpi_collector.load(path) as run:
        page(run)


def peak_bytes() -> int:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _hang(*_: object) -> None:
    raise TimeoutError(f"not done within {_HANGS_S} s")


def run_case(
    case: str,
    base: dict[str, bytes],
    good: Path,
    directory: Path,
    before_bytes: int,
    page_s: float,
) -> Failure | None:
    """Make and read a case.

    ``before_bytes``: memory of this process before the first one; ``page_s``: CPU time of a page.
    """
    rng = random.Random(case)
    path = directory / NAME
    path.unlink(missing_ok=True)
    said = f"{case}: {make(path, base, rng)}"
    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, _hang)
    signal.setitimer(signal.ITIMER_PROF, _HANGS_S)
    signal.alarm(20 * _HANGS_S)  # of other programs' time, too
    began = time.process_time()
    took_s, limit_s = 0.0, CPU_S
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # it would be printed
            page = rng.random() < PAGES
            limit_s += page * page_s
            if page or rng.random() < 0.5:
                shown = run_verb(path, good, rng, page)
            else:
                shown = use(path, good, rng)
            took_s = time.process_time() - began
        if strange := {c for c in shown if not c.isprintable() and c != "\n"}:
            return Failure(said, f"prints {strange!r}")
    except RecordingError as e:
        took_s = time.process_time() - began
        if NAME not in str(e):
            return Failure(said, f"an error without the file: {e}")
    except Exception as e:  # noqa: BLE001 - what is looked for
        return Failure(said, f"{type(e).__name__}: {e}")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
    if took_s > limit_s:
        return Failure(said, f"{took_s:.1f} s")
    if peak_bytes() > before_bytes + MEMORY_BYTES:
        return Failure(said, f"{(peak_bytes() - before_bytes) >> 20} MB")
    return None


def bases(directory: Path) -> list[Path]:
    """A recording of this machine, made by the program, and one of two hosts with phases."""
    import synthetic as sy
    from command_line import cli

    done = cli("collect", "--duration", "1.2", "--timeseries-interval", "0.1", "--sources",
               "basic,stat,pressure,nfs", "--results-dir", directory / "real", "--json", "never", "--quiet")  # fmt: skip
    assert done.returncode == 0, done.stderr
    (made,) = (directory / "real").glob("*.npz")
    hosts = [(f"node{n}", sy.workload(n, 20)) for n in range(2)]
    for _, host in hosts:
        host.meta["events"] = [
            {"type": "slowed", "source": "nfs", "every": 2, "tick": 3, "cost_us": 9}
        ]
    (directory / "synthetic").mkdir()
    return [made, sy.write(directory / "synthetic" / NAME, hosts, marks=sy.phases(20))]


def campaign(seed: str, first: int, count: int, directory: Path) -> Iterator[Failure]:
    """Run cases ``first`` .. ``first + count - 1`` of ``seed`` in this process; yield what failed."""
    goods = bases(directory)
    parts = [parts_of(path) for path in goods]
    for good in goods:  # what is loaded once is loaded now
        with contextlib.suppress(RecordingError):  # no layout, no JSON
            use(good, good, random.Random(seed))
        make_page(good)
        run_verb(good, good, random.Random(seed))
    began = time.process_time()
    make_page(goods[-1])
    page_s = time.process_time() - began
    before_bytes = peak_bytes()
    for n in range(first, first + count):
        which = n % len(goods)
        failure = run_case(
            f"{seed}:{n}", parts[which], goods[which], directory, before_bytes, page_s
        )
        if failure is not None:
            yield failure
            if peak_bytes() > before_bytes + MEMORY_BYTES:
                before_bytes = peak_bytes()  # the next one is counted from here
