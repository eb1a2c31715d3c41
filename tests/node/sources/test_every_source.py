"""What holds for every source: strange, damaged, empty and huge texts; declarations; this machine."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nodekit import (
    FIXTURES,
    QUICK,
)
from source_texts import TEXTS
from sourcekit import decoded

import mpi_collector
from mpi_collector.node.read.probe import Probe
from mpi_collector.node.row.decode import RowDecoder, declare, make_layout, wrap
from mpi_collector.node.row.layout import MISSING
from mpi_collector.node.row.scan import IGNORE, LABEL, Cell
from mpi_collector.node.sources import (
    ALL,
    BY_NAME,
    select,
)
from mpi_collector.node.sources.base import Source
from mpi_collector.node.status import ABSENT, MALFORMED, OK, SKIPPED, SLOW

NAMES = [cls.name for cls in ALL]
#: read on this machine by a test of its own, or not to be had on most machines
NOT_LIVE = ("infiniband", "lustre", "power", "schedstat", "queue", "slingshot", "gpu")
STRANGE = {
    "empty": b"",
    "blank": b"\n\n",
    "spaces": b"   \n \t \n",
    "not UTF-8": b"\xff\xfe\x00 \x80\n\xff: \xff 1\n",
    "label without a name": b"@\n",
    "label alone": b"@x\n",
    "label of three words": b"@a:b:c d e\n1\n",
    "one huge word": b"x" * 100_000,
    "one huge number": b"9" * 5000 + b" kB\n",
    "huge numbers": b"a b " + b"9" * 5000 + b"\na " + b"9" * 5000 + b"\n",
    "many labels": b"@a 1 2 3\n9" * 1000,
    "many lines": b"a b 1\n" * 2000,
    "signs": b"a -1\na +1\na 1_0\na b -5\n",
}


def numbers_of(text: bytes) -> set[int]:
    """The tokens that int() takes, which is more than a kernel prints: 1_0, +1."""
    numbers = set()
    for token in text.split():
        try:
            numbers.add(int(token))
        except ValueError:
            pass
    return numbers


def test_there_is_a_text_of_every_source() -> None:
    """The tests below reach all sources: a new one needs a tree of its name in tests/fixtures."""
    assert len(NAMES) >= 21
    assert set(TEXTS) == set(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if TEXTS[name].values])
def test_values_are_those_of_the_text(name: str) -> None:
    example_text, wanted = TEXTS[name]
    found, status = decoded(name, example_text)
    assert {column: found.get(column) for column in wanted} == wanted
    assert status in (OK, MALFORMED)


@pytest.mark.parametrize("name", NAMES)
def test_every_column_is_declared(name: str) -> None:
    """A kind and a meaning, in plain ASCII; names are unique and have no blanks."""
    source = BY_NAME[name]()
    layout = make_layout([source], [TEXTS[name].text])
    fields = [f for table in layout.tables[:-1] for f in table.fields] + list(source.fields)
    assert fields
    for field in fields:
        assert field.kind in ("counter", "gauge")
        assert field.doc and field.doc.isascii(), field
        assert not set(field.name) & set(" \n"), field
    names = [c.name for c in layout.columns() if c.device is not None]
    assert len(set(names)) == len(names)
    assert source.doc
    assert source.location() not in ("", "/")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE.keys())
def test_strange_texts(name: str, strange: bytes) -> None:
    """At the start and later: a status, nothing invented, and a whole text is whole again after it."""
    source = BY_NAME[name]()
    prepared = source.prepare(strange)
    numbers = {wrap(n) for n in numbers_of(prepared)}
    at_start = decoded(name, strange)
    assert at_start.status in (OK, MALFORMED)
    assert set(at_start.cells.values()) <= numbers
    whole = TEXTS[name].text
    layout = make_layout([source], [whole])
    decoder = RowDecoder([source], layout, lambda event: None)
    before, (was,) = decoder.decode([whole], 0)
    row, (status,) = decoder.decode([strange], 1)
    assert len(row) == layout.width
    assert {wrap(v) for v in row} <= numbers | {MISSING}
    if not prepared.split():
        assert set(row) == {MISSING}
        assert status == (OK if source.may_be_empty else MALFORMED)
    again, (now,) = decoder.decode([whole], 2)
    assert [again, now] == [before, was]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damaged_texts(name: str, data: st.DataObject) -> None:
    """Cut anywhere, a byte changed anywhere: a row of the right width, every value from the text."""
    whole = TEXTS[name].text
    source = BY_NAME[name]()
    layout = make_layout([source], [whole])
    decoder = RowDecoder([source], layout, lambda event: None)
    first = decoder.decode([whole], 0)
    text = bytearray(whole)
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.integers(0, 255))
    for tick, damaged in enumerate((bytes(text), bytes(text[:at]), whole[at:]), 1):
        row, (status,) = decoder.decode([damaged], tick)
        assert len(row) == layout.width
        assert status in (OK, MALFORMED)
        assert set(row) <= numbers_of(source.prepare(damaged)) | {MISSING}
    if decoder.layout.width == len(first[0]):
        again = decoder.decode([whole], 9)
        assert again == first


@pytest.mark.parametrize("name", NAMES)
@QUICK
@given(raw=st.binary(max_size=300))
@example(raw=b"MemTotal: " + b"9" * 5000 + b" kB\n")
@example(raw=b"|")
@example(raw=b":")
@example(raw=b"\nintr ")
@example(raw=b"1.2 3. .4 5/6 7")
@example(raw=b"@x:y\n1\n@x:y\n2\n")
def test_scan_of_any_bytes(name: str, raw: bytes) -> None:
    """scan() gives a role to every token of every text, and every cell is a number."""
    source = BY_NAME[name]()
    text = source.prepare(raw)
    scan = source.scan(text)
    tokens = text.split()
    assert len(scan.roles) == len(tokens)
    assert [p for p in scan.problems if not isinstance(p, str)] == []
    for role, token in zip(scan.roles, tokens):
        assert role in (LABEL, IGNORE) or isinstance(role, Cell)
        if isinstance(role, Cell):
            assert re.fullmatch(rb"-?[0-9]+", token)
    for table in declare(source, raw):
        assert len(table.devices) <= table.slots


# ---- this machine
@pytest.mark.parametrize("name", [n for n in NAMES if n not in NOT_LIVE])
def test_live(name: str, tmp_path: Path) -> None:
    """Recorded on this machine: read whenever it was due, counters never fall."""
    probe = Probe(select(name))
    probe.close()
    if name in probe.absent:
        pytest.skip(f"{name}: not on this kernel, or not for this user")
    with mpi_collector.collect(
        interval=0.05,
        sources=name,
        results_dir=tmp_path,
        spool_dir=str(tmp_path),
        quiet=True,
        sampler="thread",
    ):
        time.sleep(1)
    with mpi_collector.load(tmp_path) as run:
        (host,) = run.values()
        status = host.array("source_status")[:, 0]
        assert set(status.tolist()) <= {OK, SKIPPED, SLOW}
        read = host.values[status == OK]
        assert len(read) >= 3
        kinds = [str(k) for k in host.array("kinds")]
        for i, column in enumerate(host.columns):
            values = read[:, i]
            values = values[values != MISSING]
            if kinds[i] == "counter" and len(values) > 1:
                # the kernel sums per-CPU counters without a lock
                assert (np.diff(values) >= -max(64, abs(int(values[0])) // 1000)).all(), column


def test_absent_is_a_status(tmp_path: Path) -> None:
    probe = Probe([s() for s in ALL], str(tmp_path))
    assert set(probe.absent) == {s.name for s in ALL}
    assert set(probe.absent.values()) == {ABSENT}


@pytest.mark.parametrize(
    "python",
    sorted(
        Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions").glob(
            "3.*/bin/python"
        )
    ),
)
def test_old_pythons(python: Path) -> None:
    """Every source opens, reads and decodes under every interpreter that an agent may meet."""

    program = """
import sys, types
m = types.ModuleType("mpi_collector"); m.__path__ = [sys.argv[1]]; sys.modules["mpi_collector"] = m
from mpi_collector.node.sources import select
from mpi_collector.node.read.probe import Probe
from mpi_collector.node.row.decode import RowDecoder
probe = Probe(select("all"))
raws = [memoryview(bytearray(f.capacity)) for f in probe.files]
texts = []
for f, view in zip(probe.files, raws):
    n = f.read_into(view, 0)
    texts.append(bytes(view[:n]) if n >= 0 else -n)
row, statuses = RowDecoder(probe.sources, probe.layout, print).decode(texts, 0)
probe.close()
print(sorted(set(statuses)), len(probe.sources))
"""
    package = Path(mpi_collector.__file__).parent
    done = subprocess.run(
        [str(python), "-c", program, str(package)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    statuses, count = done.stdout.strip().splitlines()[-1].rsplit("]", 1)
    fine = {str(status) for status in (OK, SLOW, SKIPPED)}  # a slow "job" is skipped
    assert set(statuses.strip("[").split(", ")) <= fine, done.stdout
    assert int(count) >= 12


def test_every_source_has_a_fixture() -> None:
    """From a real kernel, or from documentation where the hardware is not to be had; the list says which, and is true."""
    lines = [
        line.split("|")
        for line in (FIXTURES / "README.md").read_text().splitlines()
        if line.startswith("| `")
    ]
    listed = {row[1].strip(" `"): row for row in lines if row[1].strip(" `") in BY_NAME}
    assert set(listed) == set(BY_NAME)
    for name, row in listed.items():
        for place in row[2].split(","):
            assert (FIXTURES / place.strip(" `")).exists(), (name, place)
        assert issubclass(BY_NAME[name], Source)
        assert any(word in row[3] for word in ("capture", "composed", "live")), name
