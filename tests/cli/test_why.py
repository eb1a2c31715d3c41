"""``why`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import cli
from corpus.machine import IDLE, Load, Machine
from corpus.record import Phase, record

BUSY = Load(threads=32, request_bytes=256e3, cpu_s=20e-6)
ONE = Load(threads=1, request_bytes=4096, cpu_s=8e-6)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two phases: a full device, then one request at a time."""
    path = tmp_path_factory.mktemp("why") / "host_20260105_120000_timeseries.npz"
    phases = [Phase("", 3, (IDLE,)), Phase("deep", 30, (BUSY,)), Phase("single", 15, (ONE,))]
    record(path, [Machine()], phases, seed=1)
    return path


def test_the_limit_comes_first(run: Path) -> None:
    done = cli("why", run)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("limited by: device nvme0n1 on node1 (certain), 12:00:0")
    assert 'phase "deep"' in lines[0]
    assert "requests in flight" in lines[1]
    assert any("latency" in line for line in lines)


def test_json_is_the_contract(run: Path) -> None:
    done = cli("why", run, "--json")
    document = json.loads(done.stdout)
    assert list(document) == ["run", "limited_by", "claims", "not_known", "cache", "slow_hosts"]
    assert list(document["limited_by"]) == [
        "cause", "device", "host", "phase", "begin_ns", "end_ns", "share_of_time", "confidence",
        "ceiling", "for", "against",
    ]  # fmt: skip
    assert {c["phase"]: c["cause"] for c in reversed(document["claims"])} == {
        "deep": "device",
        "single": "latency",
    }


def test_one_phase(run: Path) -> None:
    done = cli("why", run, "--phase", "single", "--json")
    document = json.loads(done.stdout)
    assert document["limited_by"]["cause"] == "latency"
    assert {c["phase"] for c in document["claims"]} == {"single"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--phase", "epoch 9"], "there is no phase 'epoch 9'; there are deep, single"),
        (["--host", "node7"], "there is no host 'node7'; there are node1"),
    ],
)
def test_what_is_not_there_is_a_mistake(run: Path, words: list[str], message: str) -> None:
    done = cli("why", run, *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_known_is_no_failure(tmp_path: Path) -> None:
    path = tmp_path / "host_20260105_120000_timeseries.npz"
    record(path, [Machine()], [Phase("short", 2, (BUSY,))], seed=1)
    done = cli("why", path)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "limited by: not known",
        "not known in 'short' on node1: 2 intervals are too few",
    ]
