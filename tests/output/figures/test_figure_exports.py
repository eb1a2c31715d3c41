"""Figures over time, exported and read back by other programs."""

from __future__ import annotations

import csv
import json
import math
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic as sy

import mpi_collector
from mpi_collector.cli.export import main
from mpi_collector.node.row.layout import MISSING
from mpi_collector.store.recording import Recording

NAME = "host_20260105_120000_timeseries.npz"
ROWS = 40
#: a host name that every format has to quote in its own way
ODD_NAME = 'n"2\\'
READ = "read_bytes_per_s"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hosts, the second without disks and with rows 20 to 24 lost, five epochs, a moment."""
    whole, other = sy.workload(0, ROWS), sy.lose(sy.workload(1, ROWS), slice(20, 25))
    for name in other.columns:
        if name.startswith("meminfo."):
            other.columns[name][10:12] = MISSING
    other.columns = {k: v for k, v in other.columns.items() if not k.startswith("diskstats.")}
    moment = {"text": "warm", "edge": "point", "utc_ns": sy.START_NS + sy.S, "host": None}
    return sy.write(
        tmp_path_factory.mktemp("run") / NAME,
        [("n1", whole), (ODD_NAME, other)],
        marks=[*sy.phases(ROWS), moment],
        clock_bound_ns={"n1": 12_000, ODD_NAME: None},
    )


@pytest.fixture
def run(path: Path) -> Iterator[Recording]:
    with mpi_collector.load(path) as recording:
        yield recording


def exported(path: Path, tmp_path: Path, kind: str, *words: str) -> Path:
    target = tmp_path / f"out.{kind}"
    assert main([str(path), "--figures", "--to", kind, "-o", str(target), *words]) == 0
    return target


def known(run: Recording, name: str) -> dict[tuple[str, int], float]:
    """{(host, end of the interval): value}, of what is known."""
    out = {}
    for key, host in run.items():
        if name in host.derived.series:
            figure = host.figure(name)
            found = zip(figure.end_ns.tolist(), figure.values.tolist())
            out.update({(key, end): value for end, value in found if math.isfinite(value)})
    return out


def test_table(run: Recording) -> None:
    """``run.figures()`` has what ``host.figure()`` has, with the phases of each interval."""
    table = run.figures()
    assert table.units[READ] == "bytes/s"
    first, second = table
    assert (first.host, second.host) == ("n1", ODD_NAME)
    np.testing.assert_array_equal(first.values[READ], run["n1"].figure(READ).values)
    assert READ not in second.values
    # an epoch lasts 8 s: 6 s of reading, then a checkpoint from 6.24 s to 7.6 s
    assert first.phases[:8] == ["epoch 1"] * 6 + ["checkpoint 1"] * 2
    assert [r.host for r in run.figures([ODD_NAME])] == [ODD_NAME]
    part = run.during("epoch 2").figures()
    assert set(next(iter(part)).phases) == {"epoch 2"}


def test_phases_that_overlap_and_nest() -> None:
    from mpi_collector.store.phases import Phase, PhaseLabels

    labels = PhaseLabels(
        [
            Phase("out", 0, 100),
            Phase("in", 20, 40, "a"),
            Phase("in", 30, 60, "b"),
            Phase("next", 100, 120),
            Phase("moment", 50, 50),
        ]
    )
    found = labels.at(np.array([-1, 0, 19, 20, 39, 59, 60, 99, 100, 120]))
    assert found == ["", "out", "out", *["out; in"] * 3, "out", "out", "next", ""]


def test_to_pandas(run: Recording) -> None:
    pytest.importorskip("pandas")
    frame = run.figures().to_pandas()
    assert frame.attrs["units"][READ] == "bytes/s"
    got = frame[READ].dropna()
    assert {(h, t.value): v for (h, t), v in got.items()} == known(run, READ)
    assert frame.loc["n1"].phase.iloc[0] == "epoch 1"
    assert frame.phase.isna().any()


def test_csv(run: Recording, path: Path, tmp_path: Path) -> None:
    """Times that people read, rates, and nothing where a value is unknown; also by pandas."""
    target = exported(path, tmp_path, "csv")
    with target.open(newline="") as f:
        rows = list(csv.DictReader(f))
    assert rows[0]["begin"].startswith("2026-01-05T12:00:00.") and rows[0]["end"].endswith("Z")
    got = {(r["host"], int(r["end_ns"])): float(r[READ]) for r in rows if r[READ]}
    assert got == known(run, READ)
    memory = {(r["host"], int(r["end_ns"])) for r in rows if r["memory_used_bytes"]}
    assert memory == set(known(run, "memory_used_bytes"))
    tidy = exported(path, tmp_path / "..", "csv", "--tidy", "--hosts", "n1")
    with tidy.open(newline="") as f:
        lines = [r for r in csv.DictReader(f) if r["figure"] == READ]
    assert {(r["host"], int(r["end_ns"])): float(r["value"]) for r in lines} == known(run, READ)
    assert {r["unit"] for r in lines} == {"bytes/s"}
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(target, parse_dates=["begin", "end"])
    assert str(frame["end"].dt.tz) == "UTC"
    assert len(frame) == len(rows)


@pytest.mark.parametrize("kind", ["parquet", "feather"])
@pytest.mark.parametrize("shape", [(), ("--tidy",)])
def test_arrow(
    run: Recording, path: Path, tmp_path: Path, kind: str, shape: tuple[str, ...]
) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    feather = pytest.importorskip("pyarrow.feather")
    target = exported(path, tmp_path, kind, *shape)
    table = pq.read_table(target) if kind == "parquet" else feather.read_table(target)
    about = json.loads(table.schema.metadata[b"mpi_collector"])
    assert about["verdict"]["verdict"] == run.run["verdict"]["verdict"]
    assert {p["name"] for p in about["phases"]} >= {"epoch 1", "checkpoint 5", "warm"}
    assert about["clock_bound_ns"] == {"n1": 12_000, ODD_NAME: None}
    rows = table.to_pylist()
    if shape:
        got = {(r["host"], stamp(r["time"])): r["value"] for r in rows if r["figure"] == READ}
        assert about["figures"][READ]["unit"] == "bytes/s"
    else:
        assert table.schema.field(READ).metadata[b"unit"] == b"bytes/s"
        got = {(r["host"], stamp(r["time"])): r[READ] for r in rows if r[READ] is not None}
    assert {(h, t // 1000): v for (h, t), v in got.items()} == {
        (h, t // 1000): v for (h, t), v in known(run, READ).items()
    }
    assert rows[0]["phase"] == "epoch 1" and {r["phase"] for r in rows} >= {None}


def stamp(time: Any) -> int:
    """Return UTC ns; a datetime has microseconds only."""
    value = getattr(time, "value", None)
    return round(time.timestamp() * 1e6) * 1000 if value is None else value


def test_duckdb(run: Recording, path: Path, tmp_path: Path) -> None:
    """SQL over the parquet file: the mean of a phase is that of the window."""
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    target = exported(path, tmp_path, "parquet")
    sql = f"select avg({READ}), count(*) from '{target}' where phase = 'epoch 2'"
    mean, rows = duckdb.sql(sql).fetchall()[0]
    values = [
        v for r in run.figures(["n1"]) for v, p in zip(r.values[READ], r.phases) if p == "epoch 2"
    ]
    assert mean == pytest.approx(np.mean(values))
    assert rows == 2 * len(values)


def test_json(run: Recording, path: Path, tmp_path: Path) -> None:
    document = json.loads(exported(path, tmp_path, "json").read_text())
    assert document["figures"][READ]["unit"] == "bytes/s"
    got = {
        (key, end): value
        for key, host in document["values"].items()
        for end, value in zip(host["end_ns"], host["figures"].get(READ, []))
        if value is not None
    }
    assert got == known(run, READ)
    assert document["values"]["n1"]["phase"][0] == "epoch 1"


def test_openmetrics(run: Recording, path: Path, tmp_path: Path) -> None:
    """Read back by Prometheus' own parser for Python."""
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    text = exported(path, tmp_path, "openmetrics").read_text()
    families = {f.name: f for f in parser.text_string_to_metric_families(text)}
    family = families[f"mpi_collector_{READ}"]
    assert family.type == "gauge" and "bytes/s" in family.documentation
    got = {
        (s.labels["host"], s.timestamp.sec * 10**9 + s.timestamp.nsec): s.value
        for s in family.samples
    }
    assert got == known(run, READ)
    hosts = {s.labels["host"] for s in families["mpi_collector_memory_used_bytes"].samples}
    assert hosts == {"n1", ODD_NAME}
    epoch = [
        (s.value, s.timestamp.sec)
        for s in families["mpi_collector_phase"].samples
        if s.labels["phase"] == "epoch 1"
    ]
    assert epoch == [(1, sy.START_NS // sy.S), (0, sy.START_NS // sy.S + 6)]


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool (Debian: prometheus)")
def test_promtool(path: Path, tmp_path: Path) -> None:
    """Prometheus takes the file for its blocks."""
    target = exported(path, tmp_path, "openmetrics")
    words = ["promtool", "tsdb", "create-blocks-from", "openmetrics", target, tmp_path / "blocks"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert [b for b in (tmp_path / "blocks").iterdir() if (b / "index").is_file()]


def test_perfetto(run: Recording, path: Path, tmp_path: Path) -> None:
    """Read back by Perfetto's own protocol buffers: counters with gaps, slices with bounds."""
    schema = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    trace = schema.Trace.FromString(exported(path, tmp_path, "perfetto").read_bytes())
    tracks = {
        p.track_descriptor.uuid: p.track_descriptor
        for p in trace.packet
        if p.HasField("track_descriptor")
    }
    process = {u: t.process.process_name for u, t in tracks.items() if t.HasField("process")}
    counters: dict[tuple[str, str], list[tuple[int, float]]] = {}
    slices: list[tuple[str, int, dict[str, Any]]] = []
    depth = 0
    for packet in trace.packet:
        event = packet.track_event
        track = tracks.get(event.track_uuid)
        if event.type == event.TYPE_COUNTER:
            assert track is not None
            key = (process[track.parent_uuid], track.name)
            counters.setdefault(key, []).append((packet.timestamp, event.double_counter_value))
        elif event.type in (event.TYPE_SLICE_BEGIN, event.TYPE_INSTANT):
            told = {
                a.name: a.string_value or a.uint_value or a.int_value
                for a in event.debug_annotations
            }
            slices.append((event.name, packet.timestamp, told))
            depth += event.type == event.TYPE_SLICE_BEGIN
        elif event.type == event.TYPE_SLICE_END:
            depth -= 1
    assert depth == 0
    figure = run["n1"].figure(READ)
    values = dict(counters["n1", "read"])
    assert [values[t] for t in figure.begin_ns.tolist() if t in values] == [
        v for t, v in zip(figure.begin_ns.tolist(), figure.values.tolist()) if t in values
    ]
    assert math.isnan(values[int(figure.end_ns[-1])])
    used = counters[ODD_NAME, "memory used"]
    assert sum(math.isnan(v) for _, v in used) == 2  # while it is missing, and at the end
    units = {t.name: t.counter.unit_name for t in tracks.values() if t.HasField("counter")}
    assert units["read"] == "bytes/s"
    assert {n for n, _, _ in slices} >= {"epoch 1", "checkpoint 5", "warm"}
    assert all("clock_bound_ns" in told for _, _, told in slices)
    assert next(told for n, _, told in slices if n == "warm")["clock_bound_ns"] == "not known"


def test_refused(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([str(path), "--to", "perfetto", "--tidy"])
    assert stopped.value.code == 2
    assert "--tidy is a shape of csv, parquet, feather" in capsys.readouterr().err


# ---- recorded columns
@pytest.mark.parametrize("kind", ["parquet", "feather", "csv"])
@pytest.mark.parametrize("shape", [(), ("--tidy",)])
@pytest.mark.parametrize("negative", [False, True])
def test_integers_are_exact(
    tmp_path: Path, kind: str, shape: tuple[str, ...], negative: bool
) -> None:
    """Above 2^53 and 2^63, beside gauges below zero and missing values."""
    tick, times = sy.grid(3, stop_s=None)
    large = [2**63 + 1, 2**63 + 3, 2**64 - 1]
    columns = {
        "diskstats.sda.sectors_read": np.array(large, dtype=np.uint64).view(np.int64),
        "diskstats.sda.reads_completed": np.array([1, MISSING, 2**53 + 1]),
        "meminfo.Dirty": np.array([-5 if negative else 5, 6, 7]),
    }
    source = sy.write(tmp_path / NAME, [("n1", sy.SynthHost(tick, times, columns))])
    target = tmp_path / f"out.{kind}"
    assert main([str(source), "--to", kind, "-o", str(target), *shape]) == 0
    if kind == "csv":
        with target.open(newline="") as f:
            rows: list[dict[str, Any]] = list(csv.DictReader(f))
    else:
        pq, feather = (pytest.importorskip(f"pyarrow.{n}") for n in ("parquet", "feather"))
        table = pq.read_table(target) if kind == "parquet" else feather.read_table(target)
        rows = table.to_pylist()
        about = json.loads(table.schema.metadata[b"mpi_collector"])
        assert about["run"] == "host_20260105_120000-abc"
        if not shape:
            field = table.schema.field("meminfo.Dirty")
            assert field.metadata == {b"unit": b"kB", b"kind": b"gauge"}
    first = [-5 if negative else 5, 6, 7]
    wanted = dict(zip(columns, (large, [1, None, 2**53 + 1], first)))
    for name, values in wanted.items():
        if shape:
            got = [int(r["value"]) for r in rows if r["column"] == name]
            assert got == [v for v in values if v is not None]
        else:
            assert [int(r[name]) if r[name] not in ("", None) else None for r in rows] == values
