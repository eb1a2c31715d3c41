"""training, checkpointing, kvcache, vectordb: a job with collectors beside it, on real hosts over real mpirun and ssh."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from bed import Bed, Mpi, descendants, poll

import mpi_collector

INNER = str(Path(__file__).parent / "inner.py")


def run_words(python: str, verb: str, results: Path, *command: str, hosts: str = "node[1-3]", extra: tuple[str, ...] = ()) -> list[str]:
    return [python, "-m", "mpi_collector", verb, "run", "--hosts", hosts, "--timeseries-interval", "0.1",
            "--results-dir", str(results), *extra, "--", *command]  # fmt: skip


def test_training_around_a_real_mpi_job(bed: Bed, mpi: Mpi) -> None:
    """The job's own mpirun across the same hosts: its exit code, stdout and arguments are its own; all hosts recorded."""
    results = bed.directory("results")
    inner = mpi.ranks(3, bed.hostfile(mpi, (1, 2, 3)), INNER, "--map-by", "x")
    extra = ("--mpi-bin", mpi.mpirun)
    job = bed.run(0, run_words(mpi.python, "training", results, *inner, extra=extra))
    alone = bed.run(0, inner)
    assert job.process.returncode == alone.process.returncode, job.err[:3000]
    assert job.out == alone.out
    assert "transport: mpi (training is an MPI job" in job.err
    with mpi_collector.load(results) as run:
        assert sorted(run) == ["node1", "node2", "node3"]
        assert run.run["benchmark"] == "training"
        assert run.run["command_exit_code"] == alone.process.returncode
        assert run.run["verdict"]["hosts"] == 3
    document = json.loads(next(results.glob("training_*_timeseries.json")).read_text())
    assert document["collection_method"] == "mpi"
    check_documents(results, "mpi", alone.process.returncode, inner)
    assert all(not bed.spools(k) for k in (1, 2, 3))
    assert poll("nobody left", 10, lambda: not bed.all_ranks())


def check_documents(results: Path, method: str, code: int, command: Sequence[str]) -> None:
    """Names, references and values of cluster_info and metadata fit the time series beside them."""
    (info_path,) = results.glob("*_cluster_info.json")
    (metadata_path,) = results.glob("*_metadata.json")
    (series_path,) = results.glob("*_timeseries.json")
    info, metadata, series = (json.loads(p.read_text()) for p in (info_path, metadata_path, series_path))
    stem = series_path.name.removesuffix("_timeseries.json")
    assert info_path.name == f"{stem}_cluster_info.json"
    assert metadata["benchmark_type"] + "_" + metadata["run_datetime"] == stem
    assert metadata["timeseries_data"]["file"] == series_path.name
    assert metadata["timeseries_data"]["num_samples"] == series["num_samples"] == sum(map(len, series["samples_by_host"].values()))
    assert metadata["timeseries_data"]["hosts_collected"] == series["hosts_collected"] == ["node1", "node2", "node3"]
    assert metadata["executed_command"] == shlex.join(command)
    assert metadata["exit_code"] == code
    assert (metadata["hosts_partial"], metadata["errors"]) == ([], {})
    assert metadata["num_processes"] == 3
    for snapshot in (info, info["cluster_snapshots"]["start"], info["cluster_snapshots"]["end"], metadata["cluster_information"]):
        assert snapshot["collection_method"] == method
        assert [h["hostname"] for h in snapshot["hosts"]] == ["node1", "node2", "node3"]
        assert [h["system"]["hostname"] for h in snapshot["hosts"]] == ["node1", "node2", "node3"]
        assert snapshot["num_hosts"] == 3
        assert snapshot["total_memory_bytes"] == 3 * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        assert snapshot["total_cores"] == sum(h["cpu"]["num_cores"] for h in snapshot["hosts"]) > 0
    start, end = (info["cluster_snapshots"][when]["hosts"][0] for when in ("start", "end"))
    assert start["collection_timestamp"] <= end["collection_timestamp"]
    assert set(start) == set(end)
    assert {d["path"] for d in start["directories"]} >= {str(results)}


@pytest.mark.parametrize("verb", ["training", "kvcache"])
def test_snapshots_only(bed: Bed, openmpi: Mpi, verb: str) -> None:
    """--skip-timeseries over MPI and ssh: both snapshots, the same keys, no time series, the job's exit code."""
    results = bed.directory("results")
    job = bed.run(0, run_words(openmpi.python, verb, results, "sh", "-c", "sleep 1.2; exit 7", extra=("--skip-timeseries",)))
    assert job.process.returncode == 7, job.err
    assert sorted(p.name.split("_", 3 if verb == "training" else 4)[-1] for p in results.iterdir()) == ["cluster_info.json", "metadata.json"]
    (path,) = results.glob("*_metadata.json")
    metadata = json.loads(path.read_text())
    assert metadata["timeseries_data"] is None
    assert metadata["runtime"] > 1
    assert metadata["cluster_snapshots"]["end"]["num_hosts"] == 3
    assert not any(bed.spools(k) for k in (1, 2, 3))


@pytest.mark.parametrize("verb", ["training", "kvcache"])
def test_codes_and_signals_are_passed_on(bed: Bed, openmpi: Mpi, verb: str) -> None:
    """0, 7, death by signal; stdin reaches the job; each says which transport and why."""
    for script, code in (("cat; exit 0", 0), ("cat; exit 7", 7), ("cat; kill -9 $$", 137)):
        results = bed.directory("results")
        job = bed.start(0, run_words(openmpi.python, verb, results, "sh", "-c", script))
        job.type("through\n")
        assert job.process.stdin is not None
        job.process.stdin.close()
        assert job.finish() == code, job.err
        assert job.out == b"through\n"
        assert f"transport: {'mpi' if verb == 'training' else 'ssh'} (" in job.err
        assert len(list(results.glob("*_timeseries.npz"))) == 1


@contextmanager
def without_python(bed: Bed, host: int, python: str) -> Iterator[None]:
    """The host lacks the directory of this interpreter."""
    folder = str(Path(python).parent)
    bed.script("exec", str(host), "mount", "-t", "tmpfs", "none", folder)
    try:
        yield
    finally:
        bed.script("exec", str(host), "umount", folder)


@pytest.mark.parametrize("verb", ["training", "kvcache"])
def test_broken_hosts(bed: Bed, openmpi: Mpi, verb: str) -> None:
    """A misspelt host and one without our interpreter: a warning each, the others recorded, the job runs; --strict: 2, before it."""
    results = bed.directory("results")
    marker = results / "ran"
    words = run_words(openmpi.python, verb, results, "touch", str(marker), hosts="node1,nodeX,node2",
                      extra=("--ssh-timeout", "10", "--start-timeout", "10"))  # fmt: skip
    with without_python(bed, 2, openmpi.python):
        job = bed.run(0, words, 90)
        assert job.process.returncode == 0, job.err
        assert marker.exists()
        assert "warning: nodeX is not recorded: " in job.err
        with mpi_collector.load(results) as run:
            broken = {"nodeX", "node2"} if verb == "training" else {"nodeX"}  # the agent takes any python3
            assert set(run.run["hosts_partial"]) == broken
            assert set(run) == {"node1", "node2"} - broken
            assert set(run.run["hosts_requested"]) == {"node1", "node2", "nodeX"}
        marker.unlink()
        at = words.index("--")
        job = bed.run(0, [*words[:at], "--strict", *words[at:]], 90)
    assert job.process.returncode == 2, job.err
    assert not marker.exists()
    (said,) = [line for line in job.err.splitlines() if "not every host can be recorded" in line]
    assert all(name in said for name in broken)
    assert not any(bed.spools(k) for k in (1, 2, 3))


def test_the_collectors_launch_dies(bed: Bed, openmpi: Mpi) -> None:
    """kill -9 of the collectors' mpirun in the middle: the job goes on, its exit code is passed on, the spools are there."""
    results = bed.directory("results")
    job = bed.start(0, run_words(openmpi.python, "training", results, "sh", "-c", "sleep 4; exit 7", extra=("--gather-timeout", "4")))
    run = job.recording()
    time.sleep(1)
    launcher = next(p for p in descendants(job.process.pid) if any("--bridge" in w for w in p.words))
    launcher.signal(signal.SIGKILL)
    assert job.finish(60) == 7
    assert "Traceback" not in job.err
    poll("no collector left", 15, lambda: not bed.all_ranks())
    assert any(bed.spools(k) == [f"{run}/node{k}"] for k in (1, 2, 3))


def test_terminated_in_the_middle(bed: Bed, openmpi: Mpi) -> None:
    """SIGTERM: the job gets it and ends, and everything is written."""
    results = bed.directory("results")
    job = bed.start(0, run_words(openmpi.python, "training", results, "sleep", "60"))
    job.recording()
    time.sleep(1)
    ours = next(p for p in descendants(job.process.pid) if "mpi_collector" in p.words and "python" in p.words[0])
    ours.signal(signal.SIGTERM)
    assert job.finish(30) == 128 + signal.SIGTERM
    with mpi_collector.load(results) as run:
        assert len(run) == 3


def test_what_if_runs_nothing(bed: Bed, openmpi: Mpi) -> None:
    """--what-if, datagen and configview collect nothing."""
    results = bed.directory("results")
    words = run_words(openmpi.python, "training", results, "touch", str(results / "ran"))
    at = words.index("--")
    job = bed.run(0, [*words[:at], "--what-if", *words[at:]])
    assert job.process.returncode == 0
    assert b"would run: touch" in job.out
    assert b"--bridge" in job.out
    assert not os.listdir(results)
    for what in ("datagen", "configview"):
        other = [what if w == "run" else w for w in words]
        job = bed.run(0, other)
        assert job.process.returncode == 0, job.err
        assert [p.name for p in results.iterdir()] == ["ran"]


@pytest.mark.parametrize(
    "words",
    [
        ("training", "run", "--hosts", "node1"),
        ("training", "run", "--hosts", "node1", "--nonsense", "--", "true"),
        ("training", "run", "--hostfile", "/nonexistent", "--", "true"),
        ("training", "run", "--timeseries-interval", "0", "--", "true"),
        ("kvcache", "run", "--sources", "nope", "--", "true"),
        ("training", "run", "--results-dir", "/proc/nope", "--", "true"),
        ("training", "run", "--transport", "local", "--hosts", "node7", "--", "true"),
        ("training", "run", "--transport", "mpi", "--mpi-bin", "/nonexistent", "--hosts", "node7,node8", "--", "true"),
        ("training", "fly", "--", "true"),
    ],
)
def test_mistakes_are_one_line_and_code_2(words: tuple[str, ...], tmp_path: Path) -> None:
    """Before the job starts, without a traceback."""
    import subprocess

    argv = [sys.executable, "-m", "mpi_collector", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    said = [line for line in done.stderr.splitlines() if "transport:" not in line]
    assert len(said) == 1, said
    assert said[0].startswith("mpi_collector: ")


_COMPAT = """
import json, sys
from mpi_collector.mlpstorage import ClusterInformation, MPIClusterCollector, MultiHostTimeSeriesCollector, SSHClusterCollector
hosts = ["node1", "node2:4", "node2", "node3"]
which = MPIClusterCollector(hosts, None, None, True, 60) if sys.argv[1] == "mpi" else SSHClusterCollector(hosts, None)
found = which.collect([], 60)
info = ClusterInformation.from_mpi_collection(found.data)
import time
series = MultiHostTimeSeriesCollector(hosts, interval_seconds=0.2)
series.start(); time.sleep(1.5); samples = series.stop()
print(json.dumps({"success": found.success, "errors": found.errors, "method": found.collection_method, "hosts": list(found.data),
                  "names": [h.system.hostname for h in info.host_info_list], "keys": sorted(set(map(len, found.data.values()))),
                  "samples": {h: len(s) for h, s in samples.items()}, "ticks": [[x["tick"] for x in s] for s in samples.values()]}))
"""


@pytest.mark.parametrize("method", ["over-mpi", "over-ssh"])
def test_the_suites_collectors(bed: Bed, openmpi: Mpi, method: str) -> None:
    """The compatibility classes on three hosts: the same keys over both transports, samples on one grid."""
    program = bed.share / "compat.py"
    program.write_text(_COMPAT)
    job = bed.run(0, [openmpi.python, str(program), method.removeprefix("over-")], 120)
    assert job.process.returncode == 0, job.err
    found = json.loads(job.out)
    assert (found["success"], found["errors"], found["method"]) == (True, [], method.removeprefix("over-"))
    assert found["hosts"] == found["names"] == ["node1", "node2", "node3"]
    assert len(found["keys"]) == 1
    assert all(n >= 6 for n in found["samples"].values())
    assert len({tuple(t[:5]) for t in found["ticks"]}) == 1
    assert not any(bed.spools(k) for k in (1, 2, 3))
