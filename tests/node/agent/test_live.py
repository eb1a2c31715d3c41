"""Live vectors: what is sent of the newest sample, and that it is what the spool holds."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mpi_collector.batch.recorder import BatchRecorder
from mpi_collector.node.agent.live import (
    LIVE_BYTES,
    LIVE_COLUMNS,
    LIVE_VECTOR,
    within_bytes,
)
from mpi_collector.node.agent.recorder import Recorder
from mpi_collector.node.compat import mono_ns, wall_ns
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.row.layout import MISSING
from mpi_collector.transport.base import nap

_INTERVAL_S = 0.2


@pytest.fixture(params=[Recorder, BatchRecorder])
def recorder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Recorder]:
    options = SamplingOptions(interval_s=_INTERVAL_S, max_samples=500, spool_dir=str(tmp_path))
    made: Recorder = request.param(options, "run", "host", {"identity": {}})
    made.prepare()
    made.own_clock()
    made.start(mono_ns(), wall_ns(), 500)
    assert made.wait_first(60)
    yield made
    made.close(remove=True)


def vectors(recorder: Recorder, count: int) -> list[dict[str, Any]]:
    """Return so many vectors with growth."""
    found = []
    while len(found) < count:
        vector = recorder.live()
        LIVE_VECTOR.check(vector)
        if vector["ns"]:
            found.append(vector)
        nap(_INTERVAL_S / 4)
    return found


def test_vectors_are_what_the_spool_holds(recorder: Recorder) -> None:
    first, *more = vectors(recorder, 12)
    recorder.stop()
    table = recorder.table()
    names = [c.name for c in table.layout.columns()]
    rows = {tick: table.row(n) for n, tick in enumerate(table.ticks)}
    before = first["tick"]
    compared = 0
    for vector in more:
        if vector["tick"] not in rows or before not in rows:
            continue
        for (source, device, field), grown in zip(LIVE_COLUMNS, vector["grown"]):
            if device == "*" or source == "pressure":
                continue
            at = names.index(".".join(p for p in (source, device, field) if p))
            new, old = rows[vector["tick"]][at], rows[before][at]
            assert MISSING not in (new, old)
            assert grown == (new if source == "meminfo" else new - old)
            compared += 1
        before = vector["tick"]
    assert compared > 20


def test_nothing_new(recorder: Recorder) -> None:
    """Between two samples there is one vector with growth, and the size of all has a bound."""
    for vector in vectors(recorder, 3):
        assert len(json.dumps(vector, separators=(",", ":"))) <= LIVE_BYTES
        again = recorder.live()
        assert again["tick"] != vector["tick"] or again["grown"] == []


def test_after_the_stop(recorder: Recorder) -> None:
    vectors(recorder, 1)
    recorder.stop()
    for _ in range(3):
        LIVE_VECTOR.check(recorder.live())


def test_the_bound() -> None:
    """However large the values are: those at the end become unknown, and the form is kept."""
    rng = random.Random(1)
    for _ in range(200):
        grown: list[int | None] = [
            rng.choice([None, -1, 1, 1 << rng.randrange(62)]) for _ in LIVE_COLUMNS
        ]
        vector = {
            "tick": rng.randrange(1 << 40),
            "missed": rng.randrange(1 << 40),
            "ns": 1 << rng.randrange(60),
            "grown": list(grown),
        }
        cut = within_bytes(vector)
        LIVE_VECTOR.check(cut)
        assert len(json.dumps(cut, separators=(",", ":"))) <= LIVE_BYTES
        assert cut["grown"] == grown[: len(cut["grown"])]
        assert len(cut["grown"]) >= 5
