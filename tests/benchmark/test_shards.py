"""``--shards`` over MPI, with a host for each rank, and over ssh: in parts above that number of hosts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bed import environment, find_mpi
from stand_in_hosts import StandInHosts, missing

import mpi_collector

_MANY = Path(__file__).parents[1] / "cluster" / "many_ranks.py"
_ALL = bool(os.environ.get("MPI_COLLECTOR_TEST_ALL"))
_MPIS = ["openmpi", "mpich", "openmpi4"] if _ALL else ["openmpi", "mpich"]


@pytest.mark.mpirun
@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("name", _MPIS)
def test_ranks_in_parts(name: str, ranks: int, tmp_path: Path) -> None:
    """Every host is recorded whole, is in the suite's JSON, and is read from the part it is in."""
    mpi = find_mpi(name)
    if isinstance(mpi, str):
        pytest.skip(mpi)
    place = [] if mpi.hydra else ["--bind-to", "none", "--oversubscribe"]
    words = ["collect", "--shards", "2", "--timeseries-interval", "0.1", "--json", "always", "--results-dir", str(tmp_path / "results"),
             "--spool-dir", str(tmp_path), "--", "sleep", "1"]  # fmt: skip
    argv = [mpi.mpirun, *place, "-np", str(ranks), mpi.python, str(_MANY), *words]
    env = environment(
        PYTHONPATH=str(Path(mpi_collector.__file__).parents[1]),
        MPI_COLLECTOR_REPORT="never",
        MANY_RANKS_PEAK=str(tmp_path / "peak"),
    )
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    parts = sorted(p.name for p in (tmp_path / "results").glob("*_timeseries/*"))
    assert parts == (["part-0000.npz", "part-0001.npz"] if ranks == 4 else [])
    with mpi_collector.load(tmp_path / "results") as recording:
        assert len(recording) == ranks
        assert not recording.run["hosts_partial"]
        for host in recording.values():
            assert host.tick[-1] == -1
            assert host.values.shape == (len(host.tick), len(host.columns))
    assert len(list((tmp_path / "results").glob("*_timeseries.json"))) == 1


def test_the_launcher_over_ssh(tmp_path: Path) -> None:
    """It writes the parts one after the other, and encodes the suite's samples from them."""
    if why := missing():
        pytest.skip(why)
    hosts = StandInHosts(tmp_path)
    words = ["kvcache", "run", "--transport", "ssh", "--hosts", "a,b,c,gone.invalid", "--shards", "2",
             "--timeseries-interval", "0.1", "--results-dir", str(tmp_path / "results"), "--spool-dir", "/dev/shm",
             "--", "sleep", "1"]  # fmt: skip
    env = {
        **environment(MPI_COLLECTOR_REPORT="never"),
        "PATH": f"{hosts.bin}:{os.environ['PATH']}",
    }
    argv = [sys.executable, "-m", "mpi_collector", *words]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (series,) = (tmp_path / "results").glob("*_timeseries.json")
    samples = json.loads(series.read_text())["samples_by_host"]
    with mpi_collector.load(tmp_path / "results") as recording:
        assert sorted(recording) == ["a", "b", "c"]
        assert list(recording.run["hosts_partial"]) == ["gone.invalid"]
        for key, host in recording.items():
            assert host.tick[-1] == -1
            assert len(samples[key]) == len(host.tick)
    parts = sorted(p.name for p in (tmp_path / "results").glob("*_timeseries/*"))
    assert parts == ["part-0000.npz", "part-0001.npz"]
