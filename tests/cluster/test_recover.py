"""``recover`` from the launch node: every host's spool over ssh into one set of files."""

from __future__ import annotations

import signal
import time

from bed import Bed, Mpi, poll
from test_losses import start

import mpi_collector


def test_all_hosts_at_once(bed: Bed, openmpi: Mpi) -> None:
    """A run whose mpirun was killed: listed, kept with --keep, rebuilt once with a host that is not there named, then gone."""
    directory, out = bed.directory("dead"), bed.directory("recovered")
    job, run = start(bed, openmpi, 0, "--timeseries-interval", "0.1", "--results-dir", str(directory))
    alive = bed.run(0, [openmpi.python, "-m", "mpi_collector", "recover", "--hosts", "node[1-3]", run, "--results-dir", str(out)])
    assert alive.process.returncode == 2
    assert "still alive" in alive.err
    job.launcher().signal(signal.SIGKILL)
    poll("no rank is left", 20, lambda: not bed.all_ranks())
    listed = bed.run(0, [openmpi.python, "-m", "mpi_collector", "recover", "--hosts", "node[1-3]"])
    assert listed.process.returncode == 0, listed.err
    assert f"{run}: 3 hosts: node1, node2, node3; " in listed.out.decode()
    words = [openmpi.python, "-m", "mpi_collector", "recover", "--hosts", "node[1-3]", "nodeX", run, "--ssh-timeout", "10",
             "--results-dir", str(out)]  # fmt: skip
    kept = bed.run(0, [*words, "--keep"])
    assert kept.process.returncode == 0, kept.err
    assert all(bed.spools(k) for k in (1, 2, 3))
    time.sleep(1)
    done = bed.run(0, words)
    assert done.process.returncode == 0, done.err
    with mpi_collector.load(out) as recording:
        assert sorted(recording) == ["node1", "node2", "node3"]
        assert recording.run["verdict"]["verdict"] == "partial"
        assert "nodeX" in recording.run["hosts_partial"]
        ticks = [h.tick[h.on_grid].tolist() for h in recording.values()]
        assert all(t[:8] == list(range(8)) for t in ticks)
        assert all("snapshot" in h.meta for h in recording.values())
    assert {p.name.split("_", 3)[3] for p in out.iterdir()} == {"timeseries.npz", "timeseries.json", "cluster_info.json", "metadata.json"}
    assert len(list(out.iterdir())) == 8
    assert not any(bed.spools(k) for k in (1, 2, 3))
    again = bed.run(0, words)
    assert again.process.returncode == 2
    assert len(list(out.iterdir())) == 8
    poll("no agent is left", 10, lambda: not any("recover-" in " ".join(p.words) for k in (1, 2, 3) for p in bed.processes(k)))


def test_the_launcher_side_dies_over_ssh(bed: Bed, openmpi: Mpi) -> None:
    """kill -9 of the life-cycle process: its agents end, and recover with the same hosts builds the run."""
    directory, out = bed.directory("dead"), bed.directory("recovered")
    words = [openmpi.python, "-m", "mpi_collector", "kvcache", "run", "--hosts", "node[1-3]", "--timeseries-interval", "0.1",
             "--results-dir", str(directory), "--", "sleep", "60"]  # fmt: skip
    job = bed.start(0, words, MPI_COLLECTOR_ORPHAN_S="3")
    run = job.recording()
    time.sleep(1.5)
    from bed import descendants

    ours = next(p for p in descendants(job.process.pid) if "mpi_collector" in p.words and "python" in p.words[0])
    ours.signal(signal.SIGKILL)
    job.process.wait(30)
    poll("the agents have ended", 20, lambda: not bed.all_ranks() and all(bed.spools(k) for k in (1, 2, 3)))
    time.sleep(4)
    done = bed.run(0, [openmpi.python, "-m", "mpi_collector", "recover", "--hosts", "node[1-3]", run, "--results-dir", str(out)])
    assert done.process.returncode == 0, done.err
    with mpi_collector.load(out) as recording:
        assert sorted(recording) == ["node1", "node2", "node3"]
        assert all(h.on_grid.sum() >= 10 for h in recording.values())
    assert not any(bed.spools(k) for k in (1, 2, 3))
