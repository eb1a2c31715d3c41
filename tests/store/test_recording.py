"""A recording: its windows, and files that are damaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import synthetic as sy
from command_line import cli

import mpi_collector
from mpi_collector.errors import RecordingError

NAME = "host_20260105_120000_timeseries.npz"
S = sy.S


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return sy.cluster(tmp_path / NAME, 3, 100)


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


FACTS = {
    "samples": 3,
    "ticks": 2,
    "last_tick": 1,
    "missed": 0,
    "complete": True,
    "statuses": {},
    "lost": [],
    "columns": 9,
}


def run_verdict() -> dict[str, object]:
    counts = ("hosts", "hosts_requested", "ticks", "missed", "late_p99_ns", "clock_bound_ns")
    return {"verdict": "complete", "reasons": [], "cpu_share_max": 0.1, **dict.fromkeys(counts, 1)}


@pytest.mark.parametrize(
    "change",
    [
        {"hosts": None},
        {"interval_ns": 0},
        {"facts": {}},
        {"facts": {"a": {**FACTS, "level": 10**12}}},
        {"start_ns": "now"},
        {"end_ns": True},
        {"hosts": ["a", "a"]},
        {"verdict": {**run_verdict(), "verdict": "\x1b]0;x"}},
        {"verdict": {**run_verdict(), "cpu_share_max": "much"}},
        {"marks": [{"text": "x", "edge": "middle", "utc_ns": 0}]},
        {"command": "ls -l"},
    ],
)
def test_a_run_document_that_is_none(tmp_path: Path, change: dict[str, object]) -> None:
    doc = {
        "hosts": ["a"],
        "hosts_requested": ["a"],
        "hosts_partial": {},
        "start_ns": 1,
        "end_ns": 2,
        "interval_ns": 3,
        "facts": {"a": FACTS},
        "verdict": run_verdict(),
    }
    np.savez(tmp_path / "good.npz", run=np.array(json.dumps(doc)))
    mpi_collector.load(tmp_path / "good.npz").close()
    np.savez(tmp_path / "bad.npz", run=np.array(json.dumps({**doc, **change})))
    with pytest.raises(
        RecordingError, match=f"bad.npz: damaged at member 'run': .*{next(iter(change))}"
    ):
        mpi_collector.load(tmp_path / "bad.npz")
