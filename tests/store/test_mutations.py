"""Recordings that were tampered with are read or refused: declared errors, bounded memory and time, nothing that a
terminal would interpret."""

from __future__ import annotations

import json
import os
import random
import resource
from multiprocessing import get_context
from pathlib import Path

import mutations
import pytest
from selection import all_tests

import mpi_collector
from mpi_collector.errors import RecordingError
from mpi_collector.formats.run_forms import RUN
from mpi_collector.node.documents import META

SEED = "ci"
CASES = 10_000 if all_tests() else 240  #: scripts/fuzz recording runs any number of others
PARTS = 20 if all_tests() else 2


def _run(first: int, directory: str) -> list[str]:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return [
        f"{f.case}\n  {f.what}"
        for f in mutations.campaign(SEED, first, CASES // PARTS, Path(directory))
    ]


@pytest.mark.parametrize("part", range(PARTS))
def test_mutated_recordings(tmp_path: Path, part: int) -> None:
    """In a process of its own: its memory is that of the reading alone."""
    with get_context("spawn").Pool(1) as pool:
        failed = pool.apply(_run, (part * CASES // PARTS, os.fspath(tmp_path)))
    assert not failed, "\n".join(failed)


def test_only_what_every_recording_has(tmp_path: Path) -> None:
    """Without any key that a document may lack, every verb reads a recording."""
    goods = mutations.bases(tmp_path)
    for good in goods:
        parts = mutations.parts_of(good)
        for name, body in parts.items():
            form = {"run.npy": RUN, "meta.npy": META}.get(name.rpartition("/")[2])
            if form is not None:
                document = json.loads(mutations.split(body)[1].decode("utf-32-le"))
                least = {key: document[key] for key in form.needed if key in document}
                parts[name] = mutations.packed_document(least)
        path = tmp_path / mutations.NAME
        mutations.write(path, parts)
        for words in mutations.VERBS:
            mutations.run_verb(path, good, random.Random(), words=words)


def test_the_mutations_change_something(tmp_path: Path) -> None:
    """Most cases are refused, many are read, and some of the refused name each kind of member."""
    base = mutations.parts_of(mutations.bases(tmp_path)[1])
    path, refused = tmp_path / "x_timeseries.npz", []
    for n in range(150):
        mutations.make(path, base, random.Random(f"{SEED}:{n}"))
        try:
            with mpi_collector.load(path) as run:
                for host in run.values():
                    _ = host.values, host.meta, host.timestamp_ns
        except RecordingError as e:
            refused.append(str(e))
    assert 30 < len(refused) < 140
    for member in ("'run'", "/meta'", "/values'", "/tick'", "cut off"):
        assert any(member in text for text in refused), member
