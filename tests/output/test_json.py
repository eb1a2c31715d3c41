"""The writer of the suite's time series."""

from __future__ import annotations

import io
import json
import zlib

from mpi_collector.formats.suite_samples import TimeSeriesHead
from mpi_collector.output.json import JsonWriter

HEAD: TimeSeriesHead = {
    "collection_interval_seconds": 1.0,
    "start_time": "2026-01-05T12:00:00Z",
    "end_time": "2026-01-05T12:00:09Z",
    "num_samples": 2,
    "collection_method": "mpi",
    "hosts_requested": ["a", "b", "c"],
    "hosts_collected": ["a", "c"],
}


def deflated(text: bytes) -> bytes:
    deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
    return deflate.compress(text) + deflate.flush()


def test_hosts_as_they_arrive() -> None:
    """Deflated, plain, dropped half-way, and one that gave nothing."""
    file = io.BytesIO()
    writer = JsonWriter(file)
    writer.begin("c")
    packed = deflated(b'[{"tick": 0}]')
    writer.write(packed[:5])
    writer.write(memoryview(packed)[5:])
    mark = writer.mark()
    writer.begin("b")
    writer.write(deflated(b'[{"tick": 7}')[:3])
    writer.rollback(mark)
    assert writer.hosts == {"c"}
    writer.add("a", [b"[", b'{"tick": 1}]'])
    writer.finish(HEAD, HEAD["hosts_requested"])
    assert json.loads(file.getvalue()) == {
        "samples_by_host": {"c": [{"tick": 0}], "a": [{"tick": 1}], "b": []},
        **HEAD,
    }


def test_no_hosts() -> None:
    file = io.BytesIO()
    JsonWriter(file).finish({**HEAD, "hosts_requested": []}, [])
    assert json.loads(file.getvalue())["samples_by_host"] == {}
