"""Tables on their way to rank 0: larger than a message, and of many ranks."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from bed import REPOSITORY, Bed, Mpi
from selection import all_tests

import mpi_collector

_MANY = Path(__file__).parent / "many_ranks.py"
_BIG_HOST = REPOSITORY / "tests" / "fixtures" / "big-256cpu"


def test_tables_larger_than_a_chunk(bed: Bed, wheel_mpi: Mpi) -> None:
    """With messages of 1,000 bytes every table takes many, and all of them arrive in order: checksums, rows, JSON."""
    directory = bed.directory("chunks")
    words = ["--timeseries-interval", "0.1", "--duration", "2", "--results-dir", str(directory)]
    env = {"MPI_COLLECTOR_CHUNK_BYTES": "1000"}
    job = bed.run(0, wheel_mpi.collect(3, bed.hostfile(wheel_mpi, (1, 2, 3)), *words, env=env))
    assert job.process.returncode == 0, job.err
    (path,) = directory.glob("*_timeseries.npz")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        sent = sum(m.compress_size for m in archive.infolist() if m.filename.startswith("node2/"))
    assert sent > 10_000
    (text,) = directory.glob("*_timeseries.json")
    samples = json.loads(text.read_text())["samples_by_host"]
    with mpi_collector.load(directory) as recording:
        assert list(recording) == ["node1", "node2", "node3"]
        for key, host in recording.items():
            assert host.values.shape == (len(host), len(host.columns))
            assert host.on_grid.sum() >= 18
            assert [s["tick"] for s in samples[key]] == host.tick.tolist()
            free = [c for c in host.columns if c.startswith("meminfo.MemFree")]
            assert [s["meminfo"]["MemFree"] for s in samples[key]] == host.raw(free[0]).tolist()


@pytest.mark.skipif(not _BIG_HOST.exists(), reason="no fixture of a big host")
def test_memory_of_rank_0_stays_flat(
    bed: Bed, wheel_mpi: Mpi, figure: Callable[[str], None]
) -> None:
    """32 leaders (64 with scripts/test --all) instead of 8, with tables of a host with 256 CPUs, in the same memory.

    Rank 0 knows every host (identity, facts, heads of its table), and MPI keeps buffers per peer, MPICH more of them. What
    is gathered may not stay: that would be more than 100 MB.
    """
    counts = (8, 64) if all_tests() and not wheel_mpi.hydra else (8, 32)
    before, after, sizes = {}, {}, {}
    for count in counts:
        directory, peak = bed.directory("many"), bed.share / f"peak{count}"
        peak.unlink(missing_ok=True)
        words = [
            "--timeseries-interval",
            "0.5",
            "--max-timeseries-samples",
            "32",
            "--duration",
            "2.5",
        ]
        words += ["--sources", "basic,stat", "--start-timeout", "120", "--gather-timeout", "120"]
        env = {
            "MPI_COLLECTOR_ROOT": str(_BIG_HOST),
            "MANY_RANKS_PEAK": str(peak),
            "OMPI_MCA_mpi_yield_when_idle": "1",
        }
        argv = wheel_mpi.ranks(count, bed.hostfile(wheel_mpi, (1,), slots=64), str(_MANY), *words, "--results-dir",
                               str(directory), per_node=count, env=env)  # fmt: skip
        job = bed.run(0, argv, seconds=240)
        assert job.process.returncode == 0, job.err
        before[count], after[count] = (int(line) * 1024 for line in peak.read_text().split())
        sizes[count] = sum(f.stat().st_size for f in directory.glob("*"))
        with mpi_collector.load(directory) as recording:
            assert len(recording) == recording.run["verdict"]["hosts"] == count
            assert all(host.tick[-1] == -1 for host in recording.values())
            assert "stat.cpu255.user" in recording[f"node1r{count - 1}"].columns
        for path in directory.iterdir():
            path.unlink()
    for count in counts:
        figure(f"{wheel_mpi.name}: {count} leaders, {sizes[count] / 1e6:.0f} MB of files: rank 0 had at most "
               f"{before[count] / 1e6:.1f} MB before the gathering, {after[count] / 1e6:.1f} MB in it")  # fmt: skip
    few, many = counts
    assert sizes[many] - sizes[few] > 50e6
    assert after[many] - before[many] < after[few] - before[few] + 20e6
    assert after[many] - after[few] < 80e6
