"""Which hosts stand out."""

from __future__ import annotations

import pytest

from mpi_collector.node.table.counted import Counted
from mpi_collector.report.cluster import HostFigures, HostValue
from mpi_collector.report.outliers import outliers


def rows(values: list[float], figure: str = "read_bytes_per_s") -> list[HostFigures]:
    return [
        HostFigures(f"n{i}", {figure: HostValue(v, v, v)}, Counted(), Counted(), None, 0.0, [], {})
        for i, v in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("figure", "values", "odd"),
    [
        ("read_bytes_per_s", [1e9, 1e9, 0.4e9], ["n2"]),
        ("read_bytes_per_s", [1e9, 1.02e9, 0.98e9, 1.01e9, 2.5e9], ["n4"]),
        ("read_bytes_per_s", [1e9, 0.4e9], []),  # of two, which one?
        ("read_bytes_per_s", [1e9] * 4 + [2e9] * 4, []),  # two kinds of hosts
        ("read_bytes_per_s", [1e3, 1e3, 1e3, 9e3], []),  # nobody cares
        ("read_bytes_per_s", [0, 0, 0, 5e9], ["n3"]),
        ("cpu_busy_percent", [50, 52, 51, 90], ["n3"]),
        ("cpu_busy_percent", [1, 1, 1, 4], []),  # four times as much, and still nothing
        ("read_latency_ms", [1, 1, float("nan"), 1, 8], ["n4"]),
    ],
)
def test_who_stands_out(figure: str, values: list[float], odd: list[str]) -> None:
    assert [o.host for o in outliers(rows(values, figure))] == odd
