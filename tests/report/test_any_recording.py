"""A summary of any recording: no exception, nothing that JSON cannot hold, nothing impossible."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import synthetic as sy
from any_host import hosts
from hypothesis import given, settings

from mpi_collector.report.summary import document, print_summary
from mpi_collector.store.load import load


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


def values_of(found: Any) -> list[dict[str, float | None]]:
    """Mean, peak and minimum of every figure, of the cluster, of hosts and of devices."""
    per_host = [h["figures"] for h in found["hosts"].values()]
    figures = [found["cluster"], *per_host, *(d["figures"] for d in found["devices"])]
    return [values for some in figures for values in some.values()]


@settings(max_examples=30, deadline=None)
@given(hosts(), hosts())
def test_summary_of_any_series(folder: Path, one: sy.SynthHost, two: sy.SynthHost) -> None:
    path = sy.write(folder / "host_20260105_120000_timeseries.npz", [("n1", one), ("n2", two)])
    with load(path) as run:
        found = json.loads(json.dumps(document(run, devices=True), allow_nan=False))
        out = io.StringIO()
        print_summary(run, out, devices=True)
    assert out.getvalue().startswith("verdict: ")
    for values in values_of(found):
        known = [values[k] for k in ("minimum", "mean", "peak") if values.get(k) is not None]
        assert known == sorted(known)
        assert all(v >= 0 for v in known)
