"""The suite on three hosts: its own command with our collectors, and its life cycle with our classes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from bed import Bed, Mpi, poll
from suite_runs import OWN, run_directory
from suite_standin import build

import mpi_collector
from mpi_collector.mlpstorage import ClusterSnapshots, TimeSeriesData

HOSTS = ["node1", "node2", "node3"]
HELPERS = Path(__file__).parents[1] / "helpers"


@pytest.mark.parametrize("transport", ["openmpi", "mpich", "ssh"])
def test_our_collectors_on_every_host(
    bed: Bed, request: pytest.FixtureRequest, transport: str
) -> None:
    """Training over MPI, KV cache over ssh: one recording of all hosts, samples of all in the suite's own file."""
    mpi: Mpi = request.getfixturevalue("openmpi" if transport == "ssh" else transport)
    directory = bed.directory("suite")
    suite = build(directory / "suite", january=False)
    if transport == "ssh":
        words = ["open", "kvcache", "run"]
    else:
        words = ["open", "training", "unet3d", "run", "file"]
    words += ["--hosts", "node1:2", "node2", "node3", "--results-dir", str(directory / "results")]
    ours = ["--timeseries-interval", "0.2", "--mpi-bin", mpi.mpirun]
    job = bed.start(
        0,
        [mpi.python, "-m", "mpi_collector", "mlpstorage", *ours, "--", *words, "--job-code", "1"],
        PYTHONPATH=suite.environ["PYTHONPATH"],
        PATH=suite.environ["PATH"],
        STAND_IN_EPOCH_S="8" if transport == "ssh" else "2",  # it is looked at every 10 s
    )
    run = job.recording()
    if transport == "ssh":  # the same over all transports
        time.sleep(1)
        # from a host that is not recorded itself, and sees the results directory
        words = ["stop", run, "--results-dir", str(directory / "results")]
        stop = bed.run(0, [mpi.python, "-m", "mpi_collector", *words])
        assert stop.process.returncode == 0, stop.err
        job.line("the suite goes on")
    assert job.finish(90) == 6, job.err
    assert "Traceback" not in job.err, job.err
    assert OWN not in job.err
    assert f"transport: {'ssh' if transport == 'ssh' else 'mpi'} (" in job.err
    where = run_directory(directory / "results")
    with mpi_collector.load(where) as recording:
        assert sorted(recording) == HOSTS
        assert recording.run["verdict"]["verdict"] == "complete"
        stopped = transport == "ssh"
        assert recording.run["ended_by"] == ("request" if stopped else "command")
        assert recording.run["command_exit_code"] == (None if stopped else 6)
        assert all(len(host) >= (4 if stopped else 15) for host in recording.values())
    series = json.loads(next(where.glob("*_timeseries.json")).read_text())
    assert series["hosts_requested"] == series["hosts_collected"] == HOSTS
    assert all(len(samples) >= 2 for samples in series["samples_by_host"].values())
    poll("nobody left", 15, lambda: not bed.all_ranks())
    assert all(not bed.spools(k) for k in (1, 2, 3))


_LIFE = """
import sys
from pathlib import Path
import suite_life
benchmark = getattr(suite_life, sys.argv[1])(Path(sys.argv[2]), ["node1:2", "node2", "node3"], "mpi", 1.5)
benchmark.run()
assert not benchmark.warnings, benchmark.warnings
"""


@pytest.mark.parametrize("generation", ["ClassBenchmark", "NewBenchmark"])
def test_the_suites_life_cycle_over_mpi(bed: Bed, wheel_mpi: Mpi, generation: str) -> None:
    """Snapshots over MPI and series of three hosts, as January and the newest version ask for them."""
    results = bed.directory("life")
    program = results / "life.py"
    program.write_text(_LIFE)
    paths = [str(HELPERS), *filter(None, [os.environ.get("PYTHONPATH")])]
    job = bed.run(
        0,
        [wheel_mpi.python, str(program), generation, str(results)],
        120,
        PYTHONPATH=":".join(paths),
        PATH=f"{Path(wheel_mpi.mpirun).parent}:{os.environ['PATH']}",
    )
    assert job.process.returncode == 0, job.err
    snapshots = ClusterSnapshots.from_dict(json.loads((results / "snapshots.json").read_text()))
    assert snapshots is not None
    for snapshot in (snapshots.start, snapshots.end):
        assert snapshot is not None
        assert snapshot.collection_method == "mpi"
        assert [h.system.hostname for h in snapshot.host_info_list if h.system] == HOSTS
        assert all(h.cpu and h.cpu.num_cores > 0 for h in snapshot.host_info_list)
    series = TimeSeriesData.from_dict(json.loads((results / "series.json").read_text()))
    assert series.hosts_requested == series.hosts_collected == HOSTS
    assert all(len(samples) >= 10 for samples in series.samples_by_host.values())
    poll("nobody left", 15, lambda: not bed.all_ranks())
