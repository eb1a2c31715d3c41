"""The comparison of two recordings, and its rules."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import synthetic as sy
from command_line import in_process as cli

import mpi_collector
from mpi_collector.report.compared import ComparedFigure, Comparison
from mpi_collector.report.noise import RunValue, ratio_interval
from mpi_collector.report.rules import judge, parse_rule

NAME = "host_20260105_120000_timeseries.npz"
S = sy.S


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
        runs = ([RunValue(mean, np.zeros(0))] for mean in (a, b))
        figure = ComparedFigure("read_iops", a, b, interval=ratio_interval(*runs))
        return bool(judge(Comparison([], {"read_iops": figure}), [parse_rule(text)]).failed)

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


def test_single_runs_of_unsteady_speed_are_not_told_apart_by_duration(tmp_path: Path) -> None:
    """Neither of the whole run nor of a phase: 5 % between runs is not all that may differ."""
    paths = []
    for n, length in (("a", 40), ("b", 50)):
        (tmp_path / n).mkdir()
        marks = [
            {"text": "read", "edge": edge, "utc_ns": sy.START_NS + at * S, "host": "node001"}
            for edge, at in (("begin", 0), ("end", length))
        ]
        host = sy.workload(0, length + 1)
        paths.append(sy.write(tmp_path / n / NAME, [("node001", host)], marks=marks))
    found = json.loads(cli("compare", *paths, "--json").stdout)
    whole, (phase,) = found["figures"], found["phases"]
    for figures in (whole, phase["figures"]):
        assert figures["duration_s"]["ratio"] == pytest.approx(1.25, abs=0.02)
        assert figures["duration_s"]["word"] == "undecided", figures["duration_s"]
        speed = figures["read_bytes_per_s"]
        assert speed["high"] / speed["low"] > 1.6  # the assumed 5 % alone would be 1.48


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
    pytest.importorskip("jinja2")
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
