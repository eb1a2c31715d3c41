"""--rescue-dir: a host's rows outlive its /dev/shm when the launcher is gone."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

from bed import Bed, Mpi, descendants, poll
from bedruns import start
from spool_files import spool_files

import mpi_collector


def wipe(bed: Bed, host: int) -> None:
    """What a site does at logout."""
    shutil.rmtree(bed.root(host) / f"dev/shm/mpi_collector-{os.getuid()}")


def saved(directory: Path) -> list[str]:
    return sorted(path.name for path in spool_files(directory, "*/*"))


def recovered(bed: Bed, mpi: Mpi, host: int, safe: Path, *words: str) -> Path:
    """Directory of what ``recover`` made; nothing is left in ``safe`` after it."""
    out = bed.directory("recovered")
    done = bed.run(
        host,
        [
            mpi.python,
            "-m",
            "mpi_collector",
            "recover",
            *words,
            "--rescue-dir",
            str(safe),
            "--results-dir",
            str(out),
        ],
    )
    assert done.process.returncode == 0, done.err
    assert saved(safe) == []
    return out


def test_killed_mpirun_and_a_wiped_spool(bed: Bed, mpi: Mpi) -> None:
    """kill -9 of an mpirun on a host of the job: its rank, an orphan, sets its rows down; with the spool wiped they are there."""
    safe = bed.directory("safe")
    words = (
        "--timeseries-interval",
        "0.1",
        "--results-dir",
        str(bed.directory("dead")),
        "--rescue-dir",
        str(safe),
    )
    job, run = start(bed, mpi, 1, *words)
    job.launcher().signal(signal.SIGKILL)
    poll("all ranks are gone", 20, lambda: not bed.all_ranks())
    if mpi.hydra:  # it kills its ranks at once: nobody was left to set anything down
        assert saved(safe) == []
        return
    assert "node1" in saved(safe)
    wipe(bed, 1)
    with mpi_collector.load(recovered(bed, mpi, 1, safe, run)) as recording:
        rows = recording["node1"]
        ticks = rows.tick[rows.on_grid].tolist()
        assert len(ticks) >= 9
        assert ticks == list(range(len(ticks)))


def test_orphaned_agents_and_wiped_spools(bed: Bed, openmpi: Mpi) -> None:
    """kill -9 of the life cycle over ssh; all spools wiped; one recover builds the run from the directory that all hosts see."""
    safe = bed.directory("safe")
    words = [openmpi.python, "-m", "mpi_collector", "kvcache", "run", "--hosts", "node[1-3]", "--timeseries-interval", "0.1",
             "--results-dir", str(bed.directory("dead")), "--rescue-dir", str(safe), "--", "sleep", "60"]  # fmt: skip
    job = bed.start(0, words, MPI_COLLECTOR_ORPHAN_S="2")
    run = job.recording()
    time.sleep(1.5)
    next(
        p for p in descendants(job.process.pid) if "python" in p.words[0] and "kvcache" in p.words
    ).signal(signal.SIGKILL)
    job.process.wait(30)
    poll(
        "the agents have set their rows down",
        20,
        lambda: saved(safe) == ["node1", "node2", "node3"] and not bed.all_ranks(),
    )
    time.sleep(0.5)
    for host in (1, 2, 3):
        wipe(bed, host)
    out = recovered(bed, openmpi, 0, safe, "--hosts", "node[1-3]", run)
    with mpi_collector.load(out) as recording:
        assert sorted(recording) == ["node1", "node2", "node3"]
        assert recording.run["hosts_partial"] == {}
        assert all(h.on_grid.sum() >= 20 for h in recording.values())


def test_a_run_that_ends_well_leaves_nothing(bed: Bed, openmpi: Mpi) -> None:
    """And one whose directory is not there says so for every host and runs."""
    safe = bed.directory("safe")
    for place, warnings in ((safe, 0), (safe / "none", 3)):
        words = (
            "--timeseries-interval",
            "0.1",
            "--duration",
            "0.5",
            "--results-dir",
            str(bed.directory("well")),
            "--rescue-dir",
            str(place),
        )
        job = bed.run(0, openmpi.collect(3, bed.hostfile(openmpi, (1, 2, 3)), *words))
        assert job.process.returncode == 0, job.err
        said = [line for line in job.err.splitlines() if "--rescue-dir: " in line]
        assert sum(line.startswith("mpi_collector: node") for line in said) == warnings
        # ... and once in the remarks of the summary, with the hosts
        assert sum("remark: " in line for line in said) == bool(warnings)
        assert saved(safe) == []


def test_a_killed_life_cycle_leaves_no_ranks(bed: Bed, mpi: Mpi) -> None:
    """kill -9 of the life cycle whose collectors are ranks: they end, and the job, and all rows are in both places."""
    safe = bed.directory("safe")
    words = [mpi.python, "-m", "mpi_collector", "training", "run", "--hosts", "node[1-3]", "--timeseries-interval", "0.1",
             "--mpi-bin", mpi.mpirun, "--results-dir", str(bed.directory("dead")), "--rescue-dir", str(safe), "--", "sleep", "60"]  # fmt: skip
    job = bed.start(0, words)
    run = job.recording()
    time.sleep(1)
    found = list(descendants(job.process.pid))
    command = next(p for p in found if p.name == "sleep")
    next(p for p in found if "python" in p.words[0] and "training" in p.words).signal(
        signal.SIGKILL
    )
    poll("no rank is left", 5, lambda: not bed.all_ranks())
    poll("COMMAND ends, too", 10, lambda: not command.alive)
    assert saved(safe) == ["node1", "node2", "node3"]
    assert {k: bed.spools(k) for k in (1, 2, 3)} == {k: [f"{run}/node{k}"] for k in (1, 2, 3)}
    poll("no launcher is left", 10, lambda: not any(p.alive for p in found))
    with mpi_collector.load(recovered(bed, mpi, 0, safe, "--hosts", "node[1-3]", run)) as recording:
        assert sorted(recording) == ["node1", "node2", "node3"]
    assert not any(bed.spools(k) for k in (1, 2, 3))
