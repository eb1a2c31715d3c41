"""From Python and to other programs: windows, frames, exports, the suite's old files, comparisons."""

from __future__ import annotations

import contextlib
import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic as sy
from hypothesis import given, settings
from hypothesis import strategies as st

import mpi_collector
from mpi_collector.errors import RecordingError
from mpi_collector.node.row.layout import MISSING
from mpi_collector.output.csv import formula_safe
from mpi_collector.report.compare import failed_rules, parse_rule
from mpi_collector.store.suite_recording import load_suite

NAME = "host_20260105_120000_timeseries.npz"
S = sy.S


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return sy.cluster(tmp_path / NAME, 3, 100)


def cli(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mpi_collector", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# ---- windows
def test_at_and_between(path: Path) -> None:
    with mpi_collector.load(path) as run:
        host = run["node001"]
        first = int(host.timestamp_ns[0])
        name = next(c for c in host.columns if c.endswith("sectors_read"))
        assert host.at(first + 10 * S + 5)[name] == int(host.raw(name)[10])
        with pytest.raises(KeyError, match="before"):
            host.at(first - 1)
        part = host.between(first + 10 * S, first + 20 * S)
        assert len(part) == 11
        assert part.raw(name).tolist() == host.raw(name)[10:21].tolist()
        assert part.rate(name).tolist() == host.rate(name)[10:20].tolist()
        assert len(run.between(first - 100, first - 50)["node001"]) <= 1


def test_during_a_phase(path: Path) -> None:
    with mpi_collector.load(path) as run:
        epoch = next(p for p in run.marks if p.name == "epoch 2")
        part = run.during("epoch 2")
        times = part["node002"].timestamp_ns
        assert times[1] > epoch.begin_ns >= times[0]
        assert times[-1] <= epoch.end_ns
        with pytest.raises(KeyError, match="epoch 1"):
            run.during("nope")


# ---- frames
def test_frames(path: Path) -> None:
    pytest.importorskip("pandas")
    with mpi_collector.load(path) as run:
        wide = run.to_pandas()
        assert list(wide.index.names) == ["host", "time"]
        name = run["node001"].columns[0]
        raw = run["node001"].raw(name)
        assert wide.loc["node001"][name].tolist() == raw.tolist()
        tidy = run["node001"].to_pandas(tidy=True)
        assert list(tidy.columns) == ["time", "tick", "column", "value"]
        known = int((run["node001"].values != MISSING).sum())
        assert len(tidy) == known
        assert set(run.to_pandas(tidy=True)["host"]) == set(run)


# ---- export
def test_csv(path: Path) -> None:
    done = cli("export", path, "--to", "csv")
    assert done.returncode == 0, done.stderr
    target = path.with_name("host_20260105_120000_timeseries.csv")
    with target.open(newline="") as f:
        rows = list(csv.DictReader(f))
    with mpi_collector.load(path) as run:
        assert len(rows) == sum(len(h) for h in run.values())
        name = run["node002"].columns[3]
        mine = [r[name] for r in rows if r["host"] == "node002"]
        assert mine == ["" if v == MISSING else str(v) for v in run["node002"].raw(name).tolist()]
    again = cli("export", path, "--to", "csv")
    assert again.returncode == 2
    assert "exists already" in again.stderr
    tidy = cli(
        "export", path, "--to", "csv", "--tidy", "--hosts", "node003", "-o", path.with_name("t.csv")
    )
    assert tidy.returncode == 0, tidy.stderr
    with path.with_name("t.csv").open(newline="") as f:
        assert {r["host"] for r in csv.DictReader(f)} == {"node003"}
    (path.parent / "out").mkdir()
    assert cli("export", path, "--to", "csv", "-o", path.parent / "out").returncode == 0
    assert (path.parent / "out" / target.name).read_bytes() == target.read_bytes()


@pytest.mark.parametrize("shape", [[], ["--tidy"]])
def test_parquet(path: Path, shape: list[str]) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    target = path.with_name("x.parquet")
    done = cli("export", path, "--to", "parquet", *shape, "-o", target)
    assert done.returncode == 0, done.stderr
    table = pq.read_table(target)
    with mpi_collector.load(path) as run:
        known = sum(int((h.values != MISSING).sum()) for h in run.values())
        assert table.num_rows == (known if shape else sum(len(h) for h in run.values()))
        if not shape:
            name = run["node001"].columns[2]
            assert (
                table[name].to_pylist()[: len(run["node001"])] == run["node001"].raw(name).tolist()
            )


def test_json_again(tmp_path: Path) -> None:
    """What a run skipped and export makes is what the run would have written."""
    import time

    with mpi_collector.collect(
        interval=0.05, results_dir=tmp_path, spool_dir=str(tmp_path), quiet=True
    ):
        time.sleep(0.3)
    (original,) = tmp_path.glob("*_timeseries.json")
    done = cli(
        "export", next(tmp_path.glob("*.npz")), "--to", "json", "-o", tmp_path / "again.json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads(original.read_text())


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\tx"])
def test_no_formula_reaches_a_spreadsheet(tmp_path: Path, name: str) -> None:
    assert formula_safe(name) == "'" + name
    assert formula_safe("node1") == "node1"
    path = sy.cluster(tmp_path / NAME, 1, 5, names=[name])
    assert cli("export", path, "--to", "csv", "-o", tmp_path / "x.csv").returncode == 0
    with (tmp_path / "x.csv").open(newline="") as f:
        assert all(row[0].startswith("'") for row in list(csv.reader(f))[1:])


# ---- the suite's own files
def suite_document() -> dict[str, object]:
    def sample(n: int, host: str) -> dict[str, object]:
        return {"timestamp": f"2026-01-05T12:00:{10 * n:02}Z", "hostname": host,
                "diskstats": [{"device_name": "nvme0n1", "reads_completed": 100 * n, "sectors_read": 2000 * n, "time_reading_ms": 50 * n,
                               "reads_merged": 0, "writes_completed": 0, "writes_merged": 0, "sectors_written": 0, "time_writing_ms": 0,
                               "ios_in_progress": 0, "time_doing_ios_ms": 0, "weighted_time_doing_ios_ms": 0}],
                "vmstat": {"pgfault": n}, "meminfo": {"MemTotal": 1000, "MemFree": 500, "Buffers": 1, "Cached": 2},
                "loadavg": {"load_1min": 0.5, "load_5min": 0.25, "load_15min": 0.0, "running_processes": 1, "total_processes": 9},
                "netdev": [{"interface_name": "eth0", "rx_bytes": 10 * n, "tx_bytes": 2**64 - 5 + n}]}  # fmt: skip

    return {"collection_interval_seconds": 10.0, "start_time": "2026-01-05T12:00:00Z", "end_time": "2026-01-05T12:00:50Z", "num_samples": 12,
            "samples_by_host": {"a": [sample(n, "a") for n in range(6)], "b": [sample(n, "b") for n in range(6)],
                                "c": [{"timestamp": "2026-01-05T12:00:00Z", "hostname": "c", "errors": {"ssh": "no"}}]},
            "collection_method": "ssh", "hosts_requested": ["a", "b", "c"], "hosts_collected": ["a", "b"]}  # fmt: skip


def test_the_suites_own_file(tmp_path: Path) -> None:
    """Loaded, summarised, and unreachable hosts are not hosts."""
    path = tmp_path / "training_20260105_120000_timeseries.json"
    path.write_text(json.dumps(suite_document()))
    with mpi_collector.load(path) as run:
        assert list(run) == ["a", "b"]
        assert run["a"].rate("diskstats.nvme0n1.sectors_read").tolist() == [200.0] * 5
        assert run["a"].raw("loadavg.load_1min").tolist() == [50] * 6
        assert run["a"].value("netdev.eth0.tx_bytes")[0] == 2.0**64 - 5
        assert run.run["verdict"]["verdict"] == "partial"
    with mpi_collector.load(tmp_path) as run:
        assert len(run) == 2
    done = cli("compare", path, path, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["figures"]["read_bytes_per_s"]["a"] == pytest.approx(2 * 200 * 512)


def test_our_own_json_gives_the_same_values(tmp_path: Path) -> None:
    import time

    with mpi_collector.collect(
        interval=0.05, results_dir=tmp_path, spool_dir=str(tmp_path), quiet=True, sources="basic"
    ):
        time.sleep(0.4)
    with (
        mpi_collector.load(tmp_path) as native,
        load_suite(next(tmp_path.glob("*_timeseries.json"))) as other,
    ):
        (mine,), (theirs,) = native.values(), other.values()
        for column in theirs.columns:
            assert np.array_equal(mine.raw(column), theirs.raw(column)), column
            assert (mine.unit(column), mine.kind(column)) == (
                theirs.unit(column),
                theirs.kind(column),
            )
        assert mine.timestamp_ns.tolist() == theirs.timestamp_ns.tolist()
        assert mine.tick.tolist() == theirs.tick.tolist()
        assert (
            abs(native.run["start_ns"] - other.run["start_ns"]) < S
        )  # the time of tick 0, by the lateness of the first row


def test_our_own_json_has_cpu_and_ticks(tmp_path: Path) -> None:
    """CPU figures are the same (devices may be counted otherwise: the JSON has no topology); decimated ticks stay where they were."""
    import time

    with mpi_collector.collect(
        interval=0.05, results_dir=tmp_path, spool_dir=str(tmp_path), quiet=True, max_samples=8
    ):
        time.sleep(1)
    mine, theirs = (
        json.loads(cli("summary", next(tmp_path.glob(f"*_timeseries.{x}")), "--json").stdout)[
            "cluster"
        ]
        for x in ("npz", "json")
    )
    assert theirs["cpu_busy_percent"]["mean"] == pytest.approx(mine["cpu_busy_percent"]["mean"])
    with (
        mpi_collector.load(tmp_path) as native,
        load_suite(next(tmp_path.glob("*_timeseries.json"))) as other,
    ):
        (here,), (there,) = native.values(), other.values()
        assert max(here.tick.tolist()) > 8
        assert here.tick.tolist() == there.tick.tolist()


def test_rows_of_the_suite_line_up(tmp_path: Path) -> None:
    """A host that lacks a sample does not shift its later ones; a round that takes longer than the interval drifts."""
    document: dict[str, Any] = suite_document()
    del document["samples_by_host"]["b"][2]
    path = tmp_path / "training_20260105_120000_timeseries.json"
    path.write_text(json.dumps(document))
    with load_suite(path) as run:
        assert run["a"].tick.tolist() == [0, 1, 2, 3, 4, 5]
        assert run["b"].tick.tolist() == [0, 1, 3, 4, 5]
    document["collection_interval_seconds"] = 8.0
    path.write_text(json.dumps(document))
    with load_suite(path) as run:
        assert run["a"].tick.tolist() == [0, 1, 3, 4, 5, 6]
    document["collection_interval_seconds"] = 60.0
    path.write_text(json.dumps(document))
    with load_suite(path) as run:
        assert run["a"].tick.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("change", [{"collection_interval_seconds": "soon"}, {"collection_interval_seconds": 1e400},
                                    {"samples_by_host": {"\ud800": []}}, {"samples_by_host": []},
                                    {"samples_by_host": {"a": [{"timestamp_ns": 10**30, "vmstat": {"x": 1}}]}},
                                    {"samples_by_host": {"a": [{"timestamp_ns": 1, "loadavg": {"load_1min": 1e400}}]}},
                                    {"samples_by_host": {"a": [{"timestamp": "today", "vmstat": {"x": 1}}]}}])  # fmt: skip
def test_a_damaged_time_series(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "x_timeseries.json"
    path.write_text(json.dumps({**suite_document(), **change}))
    with pytest.raises(RecordingError, match="x_timeseries"):
        load_suite(path)


def test_the_suites_json_is_not_exported_as_itself(tmp_path: Path) -> None:
    path = tmp_path / "training_20260105_120000_timeseries.json"
    path.write_text(json.dumps(suite_document()))
    done = cli("export", path, "--to", "json", "-o", tmp_path / "again.json")
    assert done.returncode == 2
    assert "already" in done.stderr
    assert not (tmp_path / "again.json").exists()
    for verb in ("summary", "report"):
        assert cli(verb, path).returncode == 0 or verb == "report"  # the page needs Bokeh


@settings(max_examples=60, deadline=None)
@given(st.recursive(st.one_of(st.none(), st.integers(), st.text(), st.floats(allow_nan=False)),
                    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(
                        ["samples_by_host", "timestamp", "diskstats", "device_name", "meminfo", "a"]), inner, max_size=4)), max_leaves=12))  # fmt: skip
def test_what_is_no_time_series(tmp_path_factory: pytest.TempPathFactory, document: object) -> None:
    path = tmp_path_factory.mktemp("suite") / "x_timeseries.json"
    path.write_text(json.dumps(document))
    with contextlib.suppress(RecordingError):  # any other error is one
        load_suite(path).close()


@pytest.mark.parametrize("size", [0, 10, 500])
def test_a_truncated_recording(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(RecordingError, match=NAME):
        mpi_collector.load(path)
    done = cli("export", path, "--to", "csv")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("text", ["x_timeseries.npz", "hello"])
def test_no_recording_and_no_advice_to_unpickle(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.npz").write_text(text)
    with pytest.raises(RecordingError) as e:
        mpi_collector.load(tmp_path / "x.npz")
    assert "pickle" not in str(e.value)


def test_by_its_stem(path: Path) -> None:
    with mpi_collector.load(path.with_name("host_20260105_120000")) as run:
        assert run.path == path


def test_flipped_bits(path: Path) -> None:
    """Read as it was, or an error that names the file; nothing else."""
    import random

    good, rng = sy.cluster(path, 1, 20).read_bytes(), random.Random(20260105)
    said = []
    for n in range(600):
        bad = bytearray(good)
        place = rng.randrange(len(bad)) if n % 2 else rng.randrange(len(bad) - 1500, len(bad))
        bad[place] ^= 1 << rng.randrange(8)
        path.write_bytes(bad)
        try:
            with mpi_collector.load(path) as run:
                for host in run.values():
                    assert host.values.shape == (len(host), len(host.columns))
        except RecordingError as e:
            said.append(str(e))
    assert len(said) > 100
    assert all(text.startswith(str(path)) for text in said)


def directory_entry(path: Path, member: str) -> tuple[bytearray, int]:
    """The bytes of a zip file, and where the entry of ``member`` in its directory begins."""
    data = bytearray(path.read_bytes())
    return data, data.rindex(member.encode()) - 46


@pytest.mark.parametrize(
    ("offset", "value", "why"), [(24, 0x7FFFFFF0, "claims"), (10, 14, "method 14")]
)
def test_a_member_that_lies_is_not_read(path: Path, offset: int, value: int, why: str) -> None:
    data, entry = directory_entry(path, "node001/values.npy")
    size = 4 if offset == 24 else 2
    data[entry + offset : entry + offset + size] = value.to_bytes(size, "little")
    path.write_bytes(data)
    with (
        mpi_collector.load(path) as run,
        pytest.raises(RecordingError, match=f"node001/values.*{why}"),
    ):
        _ = run["node001"].values


@pytest.mark.parametrize(
    "change", [{"hosts": None}, {"interval_ns": 0}, {"facts": {}}, {"start_ns": "now"}]
)
def test_a_run_document_that_is_none(tmp_path: Path, change: dict[str, object]) -> None:
    doc = {"hosts": ["a"], "hosts_requested": ["a"], "hosts_partial": {}, "start_ns": 1, "end_ns": 2, "interval_ns": 3,
           "facts": {"a": {}}, "verdict": {}}  # fmt: skip
    np.savez(tmp_path / "good.npz", run=np.array(json.dumps(doc)))
    mpi_collector.load(tmp_path / "good.npz").close()
    np.savez(tmp_path / "bad.npz", run=np.array(json.dumps({**doc, **change})))
    with pytest.raises(
        RecordingError, match=f"bad.npz: damaged at member 'run': no .*{next(iter(change))}"
    ):
        mpi_collector.load(tmp_path / "bad.npz")


# ---- compare
def test_a_rule_that_cannot_be_decided_does_not_pass(tmp_path: Path) -> None:
    """A run that recorded nothing of a figure must not be green."""
    a = sy.cluster(tmp_path / NAME, 1, 20)
    done = cli("compare", a, a, "--fail-if", "lustre_read_bytes_per_s < 0.9")
    assert done.returncode == 2
    assert (
        done.stderr.count("cannot be decided, lustre_read_bytes_per_s is not known of A and B") == 1
    )
    assert (
        cli(
            "compare",
            a,
            a,
            "--fail-if",
            "lustre_read_bytes_per_s < 0.9",
            "--fail-if",
            "read_iops < 2",
        ).returncode
        == 1
    )


def test_ratios_of_nothing() -> None:
    def held(a: float, b: float, text: str) -> bool:
        return bool(failed_rules({"figures": {"read_iops": {"a": a, "b": b}}}, [parse_rule(text)]))

    assert not held(0, 0, "read_iops < 0.95")
    assert not held(0, 0, "read_iops > 1.05")
    assert held(0, 3, "read_iops > 1.05")
    assert not held(0, 3, "read_iops < 0.95")
    assert held(3, 0, "read_iops < 0.95")


def test_compare(tmp_path: Path) -> None:
    a, b = (
        sy.cluster(tmp_path / n / NAME, 2, 100, odd=odd)
        for n, odd in (("a", {}), ("b", {0: 0.5, 1: 0.5}))
        if (tmp_path / n).mkdir() is None
    )
    done = cli("compare", a, b)
    assert done.returncode == 0, done.stderr
    assert "read" in done.stdout
    found = json.loads(cli("compare", a, b, "--json").stdout)
    assert found["figures"]["read_bytes_per_s"]["ratio"] == pytest.approx(0.5, abs=0.05)
    failed = cli(
        "compare", a, b, "--fail-if", "read_bytes_per_s < 0.95", "--fail-if", "read_iops > 2"
    )
    assert failed.returncode == 1
    assert failed.stderr.splitlines() == [
        line for line in failed.stderr.splitlines() if "read_bytes_per_s < 0.95: it is 0." in line
    ]
    assert cli("compare", a, b, "--fail-if", "read_bytes_per_s < 0.3").returncode == 0
    aligned = json.loads(cli("compare", a, b, "--align", "checkpoint 1", "--json").stdout)
    assert aligned["span_s"][0] < found["span_s"][0] / 4


def test_compare_from_a_moment_on(tmp_path: Path) -> None:
    """A mark without a length aligns both: what comes after it is compared, on the page from it on."""
    paths = []
    for name, at in (("a", 20), ("b", 50)):
        (tmp_path / name).mkdir()
        mark = {
            "text": "warm",
            "edge": "point",
            "utc_ns": sy.START_NS + at * sy.S,
            "host": "node001",
        }
        paths.append(
            sy.write(tmp_path / name / NAME, [("node001", sy.workload(0, 100))], marks=[mark])
        )
    found = json.loads(cli("compare", *paths, "--align", "warm", "--json").stdout)
    assert found["span_s"] == pytest.approx([79, 49], abs=1.1)
    pytest.importorskip("bokeh")
    from mpi_collector.report.compare import align
    from mpi_collector.report.page.comparison import comparison_data

    with mpi_collector.load(paths[0]) as a, mpi_collector.load(paths[1]) as b:
        page = comparison_data(align(a, "warm"), align(b, "warm"))
    known = {
        label: page.x_ms[np.isfinite(v)] / 1e3
        for label, v in page.charts["read_bytes_per_s"].lines.items()
    }
    assert page.relative and page.x_ms[-1] / 1e3 == pytest.approx(79, abs=1.1)
    assert known["A"][-1] == pytest.approx(79, abs=1.1) and known["B"][-1] == pytest.approx(
        49, abs=1.1
    )


@pytest.mark.parametrize(
    "words",
    [
        ("--fail-if", "read < 1"),
        ("--fail-if", "read_bytes_per_s ? 1"),
        ("--fail-if", "read_iops < 1e999"),
        ("--align", "nope"),
    ],
)
def test_compare_mistakes(tmp_path: Path, words: tuple[str, ...]) -> None:
    a = sy.cluster(tmp_path / NAME, 1, 20)
    done = cli("compare", a, a, *words)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_what_differs_in_the_machines(tmp_path: Path) -> None:
    import copy

    from mpi_collector.node.host.snapshot import take

    first = json.loads(json.dumps(take()))
    second = copy.deepcopy(first)
    second["sysctls"]["vm.swappiness"] = "77"
    second["meminfo"]["MemFree"] = 1
    paths = []
    for n, snapshot in (("a", first), ("b", second)):
        (tmp_path / n).mkdir()
        host = sy.workload(0, 20)
        host.meta["snapshot"] = snapshot
        paths.append(sy.write(tmp_path / n / NAME, [("node001", host)]))
    found = json.loads(cli("compare", *paths, "--json").stdout)
    assert found["differences"] == [
        f"sysctls: vm.swappiness: {first['sysctls']['vm.swappiness']} -> 77"
    ]


def test_rules() -> None:
    assert parse_rule(" read_iops>=1.5 ").bound == 1.5
    for text in ("", "read_iops", "read_iops < x", "nope < 1"):
        with pytest.raises(ValueError, match="."):
            parse_rule(text)
