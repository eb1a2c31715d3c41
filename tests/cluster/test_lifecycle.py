"""training, checkpointing, kvcache, vectordb: a job with collectors beside it, on real hosts over real mpirun and ssh."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bed import LAUNCHERS, Bed, Mpi, descendants, poll

import mpi_collector
from mpi_collector.formats.cluster_info import host_information
from mpi_collector.formats.host_difference import whole_host
from mpi_collector.mlpstorage import (
    ClusterInformation,
    ClusterSnapshots,
    TimeSeriesData,
    collect_local_system_info,
)
from mpi_collector.node.host.snapshot import take

METADATA = {
    "benchmark_type", "model", "command", "run_datetime", "num_processes", "accelerator", "result_dir", "parameters",
    "override_parameters", "system_info", "cluster_information", "cluster_snapshots", "timeseries_data", "runtime",
    "executed_command", "args",
}  # fmt: skip
INNER = str(Path(__file__).parent / "inner.py")


def run_words(
    python: str,
    verb: str,
    results: Path,
    *command: str,
    hosts: str = "node[1-3]",
    extra: tuple[str, ...] = (),
) -> list[str]:
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
    info, metadata, series = (
        json.loads(p.read_text()) for p in (info_path, metadata_path, series_path)
    )
    stem = series_path.name.removesuffix("_timeseries.json")
    assert info_path.name == f"{stem}_cluster_info.json"
    assert metadata["benchmark_type"] + "_" + metadata["run_datetime"] == stem
    assert metadata["timeseries_data"]["file"] == series_path.name
    assert (
        metadata["timeseries_data"]["num_samples"]
        == series["num_samples"]
        == sum(map(len, series["samples_by_host"].values()))
    )
    assert (
        metadata["timeseries_data"]["hosts_collected"]
        == series["hosts_collected"]
        == ["node1", "node2", "node3"]
    )
    assert metadata["executed_command"] == shlex.join(command)
    assert metadata["exit_code"] == code
    assert (metadata["hosts_partial"], metadata["errors"]) == ([], {})
    assert metadata["num_processes"] == 3
    for snapshot in (
        info,
        info["cluster_snapshots"]["start"],
        info["cluster_snapshots"]["end"],
        metadata["cluster_information"],
    ):
        assert snapshot["collection_method"] == method
        assert [h["hostname"] for h in snapshot["hosts"]] == ["node1", "node2", "node3"]
        assert snapshot["num_hosts"] == 3
        assert snapshot["total_memory_bytes"] == 3 * os.sysconf("SC_PHYS_PAGES") * os.sysconf(
            "SC_PAGE_SIZE"
        )
        assert snapshot["total_cores"] == sum(h["cpu"]["num_cores"] for h in info["hosts"]) > 0
    for hosts in (info["hosts"], metadata["cluster_information"]["hosts"]):  # once in each file
        assert [h["system"]["hostname"] for h in hosts] == ["node1", "node2", "node3"]
    start = info["hosts"][0]
    end = whole_host(start, info["cluster_snapshots"]["end"]["hosts"][0])
    assert start["collection_timestamp"] <= end["collection_timestamp"]
    assert set(start) == set(end)
    assert set(start) == set(host_information(take()))  # the same keys whatever the transport
    assert {d["path"] for d in start["directories"]} >= {str(results)}
    assert set(metadata) >= METADATA
    assert metadata["result_dir"] == str(results)
    assert 0 < metadata["runtime"] < 30
    for host in info["hosts"]:  # nothing of the collectors' own launch, and no key of a launcher's
        assert not {
            "OMPI_MCA_btl",
            "FI_PROVIDER",
            "UCX_TLS",
            "OMPI_MCA_orte_precondition_transports",
        } & set(host["environment_variables"])
    check_reloaded(info, metadata, series)


def check_reloaded(info: dict[str, Any], metadata: dict[str, Any], series: dict[str, Any]) -> None:
    """The suite's classes give back what they were given."""
    cluster, snapshots = (
        ClusterInformation.from_dict(info),
        ClusterSnapshots.from_dict(info["cluster_snapshots"]),
    )
    assert cluster is not None
    assert cluster.as_dict() == info
    assert snapshots is not None
    assert snapshots.as_dict() == info["cluster_snapshots"]
    again = ClusterSnapshots.from_dict(metadata["cluster_snapshots"])
    assert again is not None
    assert again.as_dict() == metadata["cluster_snapshots"]
    found = ClusterInformation.from_dict(metadata["cluster_information"])
    assert found is not None
    assert found.as_dict() == metadata["cluster_information"]
    assert metadata["system_info"] is None  # the same hosts again
    assert TimeSeriesData.from_dict(series).to_dict() == series


@pytest.mark.parametrize("verb", ["training", "kvcache"])
def test_snapshots_only(bed: Bed, openmpi: Mpi, verb: str) -> None:
    """--skip-timeseries over MPI and ssh: both snapshots, the same keys, no time series, the job's exit code."""
    results = bed.directory("results")
    job = bed.run(
        0,
        run_words(
            openmpi.python,
            verb,
            results,
            "sh",
            "-c",
            "sleep 1.2; exit 7",
            extra=("--skip-timeseries",),
        ),
    )
    assert job.process.returncode == 7, job.err
    assert sorted(
        p.name.split("_", 3 if verb == "training" else 4)[-1] for p in results.iterdir()
    ) == ["cluster_info.json", "metadata.json"]
    (path,) = results.glob("*_metadata.json")
    metadata = json.loads(path.read_text())
    assert metadata["timeseries_data"] is None
    assert metadata["runtime"] > 1
    assert metadata["cluster_snapshots"]["end"]["num_hosts"] == 3
    assert not any(bed.spools(k) for k in (1, 2, 3))


@pytest.mark.parametrize("verb", ["training", "kvcache"])
def test_codes_and_signals_are_passed_on(bed: Bed, openmpi: Mpi, verb: str) -> None:
    """0, 7, death by signal; stdin reaches the job; each says which transport and why; the files are complete up to then."""
    for script, code in (
        ("cat; exit 0", 0),
        ("cat; exit 7", 7),
        ("cat; sleep 0.5; kill -9 $$", 137),
    ):
        results = bed.directory("results")
        began = bed.share / "began"
        command = ("sh", "-c", f"date +%s%N >{began}; {script}")
        job = bed.start(0, run_words(openmpi.python, verb, results, *command))
        job.type("through\n")
        assert job.process.stdin is not None
        job.process.stdin.close()
        assert job.finish() == code, job.err
        assert job.out == b"through\n"
        assert f"transport: {'mpi' if verb == 'training' else 'ssh'} (" in job.err
        with mpi_collector.load(results) as run:
            assert sorted(run) == ["node1", "node2", "node3"]
            assert run.run["command_exit_code"] == code
            assert run.run["verdict"]["verdict"] == "complete"
            assert all(host.tick[0] == 0 and host.tick[-1] == -1 for host in run.values())
            assert all(len(host) >= (6 if code == 137 else 2) for host in run.values())
            assert all(
                host.timestamp_ns[0] < int(began.read_text()) for host in run.values()
            )  # confirmed sampling
        check_documents(results, "mpi" if verb == "training" else "ssh", code, command)


def test_the_job_is_killed_in_the_middle(bed: Bed, wheel_mpi: Mpi) -> None:
    """kill -9 of the job's own mpirun: its exit code, and files that are complete up to then."""
    results = bed.directory("results")
    inner = wheel_mpi.ranks(
        3,
        bed.hostfile(wheel_mpi, (1, 2, 3)),
        "-c",
        "import time; from mpi4py import MPI; time.sleep(60)",
    )
    job = bed.start(
        0,
        run_words(
            wheel_mpi.python, "training", results, *inner, extra=("--mpi-bin", wheel_mpi.mpirun)
        ),
    )
    job.recording()
    time.sleep(2)
    theirs = (
        p
        for p in descendants(job.process.pid)
        if p.name in LAUNCHERS and not any("--bridge" in w for w in p.words)
    )
    next(theirs).signal(signal.SIGKILL)
    assert job.finish(30) == 128 + signal.SIGKILL, job.err
    with mpi_collector.load(results) as run:
        assert sorted(run) == ["node1", "node2", "node3"]
        assert run.run["verdict"]["verdict"] == "complete", run.run["verdict"]
        assert all(host.on_grid.sum() >= 15 for host in run.values())
    assert not any(bed.spools(k) for k in (1, 2, 3))


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
    again = f"{bed.net}.1"  # node1 once more
    words = run_words(openmpi.python, verb, results, "touch", str(marker), hosts=f"node1,nodeX,node2,{again}",
                      extra=("--ssh-timeout", "10", "--start-timeout", "10"))  # fmt: skip
    with without_python(bed, 2, openmpi.python):
        job = bed.run(0, words, 90)
        assert job.process.returncode == 0, job.err
        assert marker.exists()
        assert "warning: nodeX is not recorded: " in job.err
        with mpi_collector.load(results) as run:
            broken = (
                {"nodeX", "node2"} if verb == "training" else {"nodeX"}
            )  # the agent takes any python3
            assert set(run.run["hosts_partial"]) == broken
            assert set(run) == {"node1", "node2"} - broken
            assert run.run["hosts_requested"] == ["node1", "nodeX", "node2"]
        assert f"warning: {again} is the same host as node1: recorded once" in job.err
        metadata = json.loads(next(results.glob("*_metadata.json")).read_text())
        assert set(metadata["hosts_partial"]) == set(metadata["errors"]) == broken
        marker.unlink()
        at = words.index("--")
        job = bed.run(0, [*words[:at], "--strict", *words[at:]], 90)
    assert job.process.returncode == 2, job.err
    assert not marker.exists()
    (said,) = [line for line in job.err.splitlines() if "not every host can be recorded" in line]
    assert all(name in said for name in broken)
    assert not any(bed.spools(k) for k in (1, 2, 3))


def test_a_launch_that_does_not_come_up(bed: Bed, openmpi: Mpi) -> None:
    """Ranks that cannot use MPI: said with the reason, and the same run over ssh."""
    results = bed.directory("results")
    job = bed.run(
        0,
        run_words(openmpi.python, "training", results, "sh", "-c", "exit 7"),
        MPI4PY_LIBMPI="/nonexistent.so",
    )
    assert job.process.returncode == 7, job.err
    assert "no host can be recorded: node1: mpi4py cannot be loaded by" in job.err
    assert "no MPI library is found (/nonexistent.so" in job.err
    assert "transport: ssh (the launch over MPI failed)" in job.err
    with mpi_collector.load(results) as run:
        assert sorted(run) == ["node1", "node2", "node3"]


@pytest.mark.parametrize(("code", "strict"), [(7, 7), (0, 3)])
def test_the_collectors_launch_dies(bed: Bed, openmpi: Mpi, code: int, strict: int) -> None:
    """kill -9 of the collectors' mpirun in the middle: said at once, the job goes on, --strict makes 3 of its success."""
    results = bed.directory("results")
    go = bed.directory("go") / "on"
    script = f"while [ ! -e {go} ]; do sleep 0.1; done; exit {code}"
    extra = ("--gather-timeout", "4", "--strict")
    job = bed.start(
        0, run_words(openmpi.python, "training", results, "sh", "-c", script, extra=extra)
    )
    run = job.recording()
    time.sleep(1)
    launcher = next(
        p for p in descendants(job.process.pid) if any("--bridge" in w for w in p.words)
    )
    launcher.signal(signal.SIGKILL)
    poll("the loss is said while COMMAND runs", 30, lambda: "collectors is lost" in job.err)
    go.touch()
    assert job.finish(60) == strict
    assert "Traceback" not in job.err
    assert job.err.count("collectors is lost") == 1
    said = re.search(
        r"the launch of the collectors is lost: (.+); what was sampled is in the", job.err
    )
    assert said and said[1].strip(), job.err
    assert f"mpi_collector recover {run}" in job.err[said.start() :], job.err
    poll("no collector left", 15, lambda: not bed.all_ranks())
    assert any(bed.spools(k) == [f"{run}/node{k}"] for k in (1, 2, 3))


def test_terminated_in_the_middle(bed: Bed, openmpi: Mpi) -> None:
    """SIGTERM: the job gets it and ends, and everything is written."""
    results = bed.directory("results")
    job = bed.start(0, run_words(openmpi.python, "training", results, "sleep", "60"))
    job.recording()
    time.sleep(1)
    ours = next(
        p
        for p in descendants(job.process.pid)
        if "mpi_collector" in p.words and "python" in p.words[0]
    )
    ours.signal(signal.SIGTERM)
    assert job.finish(30) == 128 + signal.SIGTERM
    with mpi_collector.load(results) as run:
        assert len(run) == 3


def test_stop_on_a_host_of_the_collectors(bed: Bed, openmpi: Mpi) -> None:
    """A host that only sees its own spool: its rank tells rank 0, and rank 0 the launch node."""
    results = bed.directory("results")
    job = bed.start(0, run_words(openmpi.python, "training", results, "sleep", "15"))
    run = job.recording()
    words = ["-m", "mpi_collector", "stop", run, "--results-dir", "/nonexistent"]
    stop = bed.run(2, [openmpi.python, *words])
    assert stop.process.returncode == 0, stop.err
    assert "10 s" not in stop.err
    assert job.finish(60) == 0, job.err
    with mpi_collector.load(results) as recording:
        assert len(recording) == 3
        assert recording.run["ended_by"] == "request"


def test_what_if_runs_nothing(bed: Bed, openmpi: Mpi) -> None:
    """--what-if, datagen and configview collect nothing."""
    results = bed.directory("results")
    words = run_words(openmpi.python, "training", results, "touch", str(results / "ran"))
    at = words.index("--")
    job = bed.run(0, [*words[:at], "--what-if", *words[at:]])
    assert job.process.returncode == 0
    said = job.out.decode().splitlines()
    assert said[0] == "hosts: node1, node2, node3 (from --hosts)"
    assert [
        line.split(" -- ")[1].split()[0] for line in said if line.startswith("checks: ssh ")
    ] == ["node1", "node2", "node3"]
    assert [line for line in said if line.startswith("host file: ")] == [
        f"host file: node{k} slots=1" for k in (1, 2, 3)
    ]
    (launch,) = [line for line in said if line.startswith("collectors: env ")]
    assert "OMPI_MCA_btl=tcp,self" in launch
    assert f" {openmpi.mpirun} --bind-to none " in launch
    assert launch.endswith(" collect --bridge")
    assert said[-1].startswith("would run: touch ")
    over_ssh = bed.run(
        0, ["kvcache" if w == "training" else w for w in [*words[:at], "--what-if", *words[at:]]]
    )
    assert sum(line.startswith(b"collectors: ssh ") for line in over_ssh.out.splitlines()) == 3
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
        ("training", "run", "--hostfile", "bad.hosts", "--", "true"),
        ("training", "run", "--hosts", "node7", "--mpi-params", "'", "--", "true"),
        ("training", "run", "--hosts", "node7", "--mpi-bin", "/nonexistent", "--", "true"),
        ("kvcache", "run", "--hosts", "node7", "--ssh-fanout", "0", "--", "true"),
        ("kvcache", "run", "--hosts", "node7", "--ssh-timeout", "nan", "--", "true"),
        ("training", "run", "--timeseries-interval", "0", "--", "true"),
        ("kvcache", "run", "--sources", "nope", "--", "true"),
        ("training", "run", "--results-dir", "/proc/nope", "--", "true"),
        ("training", "run", "--transport", "local", "--hosts", "node7", "--", "true"),
        (
            "training",
            "run",
            "--transport",
            "mpi",
            "--mpi-bin",
            "/nonexistent",
            "--hosts",
            "node7,node8",
            "--",
            "true",
        ),
        ("training", "fly", "--", "true"),
    ],
)
def test_mistakes_are_one_line_and_code_2(words: tuple[str, ...], tmp_path: Path) -> None:
    """Before the job starts, without a traceback."""
    import subprocess

    (tmp_path / "bad.hosts").write_text("node7 slots=2\nnode8 slotz=2\n")
    argv = [sys.executable, "-m", "mpi_collector", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    said = [line for line in done.stderr.splitlines() if "transport:" not in line]
    assert len(said) == 1, said
    assert said[0].startswith("mpi_collector: ")
    assert "bad.hosts" not in words or "bad.hosts:2: unknown option 'slotz=2'" in said[0]


def test_a_launcher_of_another_mpi(openmpi: Mpi, mpich: Mpi, tmp_path: Path) -> None:
    """--mpi-bin of an MPI that mpi4py is not linked to: one line that names both, before anything starts."""
    import subprocess

    for python, launcher in ((openmpi.python, mpich.mpirun), (mpich.python, openmpi.mpirun)):
        words = [
            "training",
            "run",
            "--hosts",
            "node7,node8",
            "--mpi-bin",
            launcher,
            "--",
            "touch",
            str(tmp_path / "ran"),
        ]
        done = subprocess.run(
            [python, "-m", "mpi_collector", *words],
            capture_output=True,
            text=True,
            timeout=60,
            cwd=tmp_path,
        )
        assert done.returncode == 2, done.stderr
        (said,) = done.stderr.splitlines()
        assert said.startswith("mpi_collector: --mpi-bin: ")
        assert "MPICH" in said
        assert "Open MPI" in said
    assert not list(tmp_path.iterdir())


_COMPAT = """
import json, sys, time
from mpi_collector.mlpstorage import ClusterInformation, MultiHostTimeSeriesCollector, SSHClusterCollector, collect_cluster_info
hosts = ["node1", "node2:4", "node2", "node3"]
if sys.argv[1] == "mpi":
    data = collect_cluster_info(hosts, None, None, "results", True, 60, False)
    method = data.pop("_metadata")["collection_method"]
else:
    found = SSHClusterCollector(hosts, None).collect(hosts, 60)
    data, method = found.data, found.collection_method
    assert found.success and not found.errors
info = ClusterInformation.from_mpi_collection(data)
series = MultiHostTimeSeriesCollector(hosts, interval_seconds=0.2)
series.start(); time.sleep(1.5); samples = series.stop()
print(json.dumps({"method": method, "hosts": list(data), "cores": info.total_cores,
                  "names": [h.system.hostname for h in info.host_info_list], "keys": [sorted(d) for d in data.values()],
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
    assert found["method"] == method.removeprefix("over-")
    here = collect_local_system_info()
    assert found["cores"] == 3 * here["cpu"]["num_cores"] > 0
    assert found["hosts"] == found["names"] == ["node1", "node2", "node3"]
    assert found["keys"] == 3 * [sorted(here)]  # over MPI, over ssh, here
    assert all(n >= 6 for n in found["samples"].values())
    assert len({tuple(t[:5]) for t in found["ticks"]}) == 1
    assert not any(bed.spools(k) for k in (1, 2, 3))
