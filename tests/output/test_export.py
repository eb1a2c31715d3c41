"""Recordings as CSV, Parquet and the suite's JSON."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import synthetic as sy
from command_line import cli

import mpi_collector
from mpi_collector.node.row.layout import MISSING
from mpi_collector.output.csv import formula_safe

NAME = "host_20260105_120000_timeseries.npz"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return sy.cluster(tmp_path / NAME, 3, 100)


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
