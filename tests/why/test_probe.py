"""``probe``, and what ``why --ceilings`` makes of its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from corpus.machine import Load, Machine
from corpus.record import Phase, record

from mpi_collector.cli.probe import main as probe_verb
from mpi_collector.cli.why import main as why_verb
from mpi_collector.errors import ResultsError
from mpi_collector.store.load import load
from mpi_collector.why.probe import probe

Capture = pytest.CaptureFixture[str]
PROBED: dict[str, Any] = {
    "format": 1, "host": "node1", "directory": "/mnt", "file_system": "xfs", "device": "nvme0n1",
    "model": "", "streams": 8, "block_bytes": 1 << 20, "read_bytes_per_s": 3e9,
    "write_bytes_per_s": 2e9, "random_reads_per_s": 500e3, "random_read_ms": 0.1,
    "one_core_bytes_per_s": 1e9, "memory_copy_bytes_per_s": 1e10,
}  # fmt: skip


def test_every_rate_is_measured(tmp_path: Path) -> None:
    """And nothing is left in the directory."""
    try:
        found = probe(tmp_path, seconds=0.3)
    except ResultsError as e:
        pytest.skip(str(e))
    rates = {k: v for k, v in found.items() if k.endswith(("_per_s", "_ms"))}
    assert len(rates) == 6
    assert all(isinstance(v, int | float) and v > 0 for v in rates.values()), rates
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("directory", "message"),
    [
        ("/dev/shm", "lies in memory (tmpfs)"),
        ("/proc", "/proc: 0 MiB are free; probing needs 256"),
        ("/nowhere", "No such file or directory"),
    ],
)
def test_what_cannot_be_probed(directory: str, message: str, capsys: Capture) -> None:
    assert probe_verb([directory]) == 2
    assert message in capsys.readouterr().err


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One request at a time."""
    path = tmp_path_factory.mktemp("probe") / "host_20260105_120000_timeseries.npz"
    load_ = Load(threads=1, request_bytes=1e6, cpu_s=8e-6)
    record(path, [Machine()], [Phase("work", 12, (load_,))], seed=1)
    return path


def limit(run: Path, file: Path, probed: object, capsys: Capture) -> dict[str, Any]:
    file.write_text(json.dumps(probed))
    assert why_verb([str(run), "--ceilings", str(file), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["limited_by"]
    return found


def test_a_device_at_its_probed_ceiling(run: Path, tmp_path: Path, capsys: Capture) -> None:
    """One stream that is as fast as the device can be is limited by it, and not by latency."""
    file = tmp_path / "ceilings.json"
    with load(run) as recording:
        rate = recording["node1"].figure("read_bytes_per_s").mean
    assert limit(run, file, PROBED, capsys)["cause"] == "latency"
    found = limit(run, file, {**PROBED, "read_bytes_per_s": rate}, capsys)
    assert (found["cause"], found["device"], found["confidence"]) == (
        "device",
        "nvme0n1",
        "certain",
    )
    assert found["ceiling"] == {"value": rate, "unit": "bytes/s", "kind": "probed"}
    other = {**PROBED, "read_bytes_per_s": rate, "host": "node7"}
    assert limit(run, file, other, capsys)["cause"] == "latency", "of another host, no model known"


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "3", "nonsense", "[" * 100_000, json.dumps({**PROBED, "format": 2}),
        json.dumps({**PROBED, "read_bytes_per_s": 0}), json.dumps({**PROBED, "device": 3}),
        json.dumps({**PROBED, "random_reads_per_s": True}),
        json.dumps({**PROBED, "write_bytes_per_s": float("inf")}), "\udcff", "x" * (1 << 21),
    ],
    ids=range(12),
)  # fmt: skip
def test_a_file_that_is_none(run: Path, tmp_path: Path, text: str, capsys: Capture) -> None:
    file = tmp_path / "ceilings.json"
    file.write_text(text, errors="surrogateescape")
    assert why_verb([str(run), "--ceilings", str(file)]) == 2
    assert f"make one with: mpi_collector probe DIR -o {file}" in capsys.readouterr().err


def test_a_directory_without_a_device(run: Path, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "ceilings.json"
    file.write_text(json.dumps({**PROBED, "device": None, "file_system": "nfs4"}))
    assert why_verb([str(run), "--ceilings", str(file)]) == 2
    assert "/mnt lies on no block device (nfs4)" in capsys.readouterr().err
