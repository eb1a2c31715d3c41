"""Where the files of a run go: flat, in a subdirectory, or beside the suite's under names it ignores."""

from __future__ import annotations

import fnmatch
import json
import os
import time
from pathlib import Path

import pytest
from command_line import cli

import mpi_collector
from mpi_collector.output.files import release, reserve
from mpi_collector.output.placement import belongs_to_suite, place

NOON_S = time.mktime((2026, 1, 5, 12, 0, 0, 0, 0, -1))
#: names that the suite's readers and checkers claim
CLAIMED = (
    "*metadata*",
    "*summary.json",
    "*output.json",
    "*per_epoch_stats.json",
    "results.json",
    "dlio.log",
)
STEM = "training_20260105_110000"
#: a run directory of the suite below its results, since April and before
RUN_DIRECTORIES = (
    "open/Acme/results/sut-1/training/unet3d/run/20260105_110000",
    "closed/Acme/results/sut-1/checkpointing/llama3-8b/20260105_110000",
    "open/Acme/results/sut-1/vector_database/milvus/DISKANN/run/20260105_110000",
    "training/unet3d/run/20260105_110000",
    "kv_cache/llama3.1-8b/run/20260105_110000",
)  # fmt: skip


def record(results: Path, *words: object) -> str:
    """Record for a moment; return what was printed."""
    done = cli("--duration", "0.15", "--timeseries-interval", "0.05", "--sources", "loadavg",
               "--results-dir", results, "--spool-dir", results.parent, *words)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


def files_below(directory: Path) -> list[str]:
    return sorted(str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file())


def suite_run(directory: Path) -> None:
    """Write what a run of the suite and of DLIO leaves in its directory."""
    directory.mkdir(parents=True)
    for name in ("summary.json", f"{STEM}_metadata.json", f"{STEM}_timeseries.json",
                 "training_cluster_info.json", "0_output.json", "0_per_epoch_stats.json", "dlio.log"):  # fmt: skip
        (directory / name).write_text(
            '{"start_time": "2026-01-05T11:00:00Z", "samples_by_host": {}}'
        )
    (directory / "dlio_config").mkdir()


def test_a_second_run_into_one_directory(tmp_path: Path) -> None:
    """The first is flat, the second has a directory of its own with the same names; verbs find the newest."""
    results = tmp_path / "results"
    record(results)
    first = files_below(results)
    assert [name.rpartition("_")[2] for name in first] == ["info.json", "metadata.json", "timeseries.json", "timeseries.npz"]  # fmt: skip
    said = record(results)
    (below,) = (p for p in results.iterdir() if p.is_dir())
    assert below.name.startswith("host_")
    assert [name.rpartition("_")[2] for name in files_below(below)] == ["info.json", "metadata.json", "timeseries.json", "timeseries.npz"]  # fmt: skip
    assert all(name.startswith(below.name) for name in files_below(below))
    assert f"wrote {below / below.name}_timeseries.npz" in said
    metadata = json.loads((below / f"{below.name}_metadata.json").read_text())
    assert metadata["result_dir"] == str(below)
    with mpi_collector.load(results) as newest:
        assert newest.path.parent == below
    assert cli("summary", results).returncode == 0
    assert (
        cli("compare", results, results / first[0].removesuffix("_cluster_info.json")).returncode
        == 0
    )
    assert cli("export", results, "--to", "csv").returncode == 0
    assert (below / f"{below.name}_timeseries.csv").exists()


@pytest.mark.parametrize("run_directory", RUN_DIRECTORIES)
@pytest.mark.parametrize("filled", [True, False])
def test_in_a_run_directory_of_the_suite(tmp_path: Path, run_directory: str, filled: bool) -> None:
    """Nothing that the suite claims is written or changed, before and after it has written its own."""
    directory = tmp_path / run_directory
    if filled:
        suite_run(directory)
    else:
        directory.mkdir(parents=True)
    files = reserve(directory, "training", {}, NOON_S)
    placed = place(files)
    assert placed.directory == directory / "mpi_collector_20260105_120000"
    assert placed.path(placed.document).name == "training_20260105_120000_run.json"
    assert belongs_to_suite(tmp_path) or run_directory.startswith("kv_cache") or filled
    release(placed)
    assert not placed.directory.exists()


def test_a_recording_beside_the_suite(tmp_path: Path) -> None:
    """Its files are whole, none has a claimed name, and the suite's own stay as they are."""
    directory = tmp_path / RUN_DIRECTORIES[0]
    suite_run(directory)
    before = {name: (directory / name).stat() for name in files_below(directory)}
    record(directory)
    record(directory)
    ours = [name for name in files_below(directory) if name not in before]
    assert len({os.path.dirname(name) for name in ours}) == 2
    assert len(ours) == 8
    for name in ours:
        base = os.path.basename(name)
        assert not any(fnmatch.fnmatch(base, pattern) for pattern in CLAIMED), name
    assert {name: (directory / name).stat() for name in before} == before
    (document, _) = sorted(directory.glob("mpi_collector_*/host_*_run.json"))
    about = json.loads(document.read_text())
    assert about["timeseries_data"]["native_file"].endswith("_timeseries.npz")
    with mpi_collector.load(
        directory
    ) as recording:  # the suite's JSON lies in the directory itself
        assert recording.path.suffix == ".npz"


@pytest.mark.parametrize("where", ["", "open", "open/Acme/results/sut-1"])
def test_in_a_tree_of_the_suite(tmp_path: Path, where: str) -> None:
    """The suite takes any *_metadata.json below its results for a run of its own."""
    suite_run(tmp_path / RUN_DIRECTORIES[0])
    (tmp_path / "mlperf-results.yaml").write_text("orgname: Acme\n")
    files = reserve(tmp_path / where, "training", {}, NOON_S)
    assert place(files).document == "run.json"
    release(files)


def test_what_is_no_directory_of_the_suite(tmp_path: Path) -> None:
    """A directory named by its time, and one with folders named like benchmarks."""
    plain = tmp_path / "20260105_110000"
    (plain / "training" / "images").mkdir(parents=True)
    (plain / "results.json").touch()
    assert not belongs_to_suite(plain)
    assert not belongs_to_suite(tmp_path / "missing")
    files = reserve(plain, "host", {}, NOON_S)
    assert place(files).directory == plain
    release(files)


def test_the_suite_comes_while_the_run_lasts(tmp_path: Path) -> None:
    """Files of DLIO that were not there when the run began."""
    files = reserve(tmp_path / "run", "training", {}, NOON_S)
    (tmp_path / "run" / "summary.json").touch()
    assert place(files).directory.name == "mpi_collector_20260105_120000"
    release(files)


def test_another_run_is_on(tmp_path: Path) -> None:
    """It was there first: this one is not flat, whichever ends first. A dead run has left its claim."""
    (tmp_path / ".mpi_collector_host_20260105_110000.run.json").write_text("{}")
    first = reserve(tmp_path, "host", {}, NOON_S)
    second = reserve(tmp_path, "training", {}, NOON_S)
    assert place(second).directory == tmp_path / "training_20260105_120000"
    assert place(first).directory == tmp_path
    release(first)
    release(second)


@pytest.mark.parametrize("taken", ["host_20260105_120000", "mpi_collector_20260105_120000"])
def test_the_second_of_a_subdirectory_is_taken(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).mkdir()
    files = reserve(tmp_path, "host", {}, NOON_S)
    assert files.datetime == "20260105_120001"
    release(files)


def test_stop_finds_a_run_one_level_down(tmp_path: Path) -> None:
    from mpi_collector.cli.running import find_runs

    files = reserve(tmp_path / "deep", "host", {"run": "host_x"}, NOON_S)
    assert list(find_runs(tmp_path, tmp_path / "none")) == ["host_x"]
    assert list(find_runs(tmp_path / "deep", tmp_path / "none")) == ["host_x"]
    release(files)


@pytest.mark.parametrize(
    "tree",
    [
        "open/Acme/results/sut-1/training/unet3d/run/20260105_120000",
        "training/unet3d/run/20260105_120000",
        "checkpointing/llama3-8b/20260105_120000",
    ],
)
def test_runs_of_the_suite_are_found_from_its_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tree: str
) -> None:
    """For ``stop`` and ``mark``: with the suite's results directory, and without where that is its default."""
    import argparse

    from mpi_collector.cli.running import find_one_run

    results = tmp_path / "results"
    (results / tree).mkdir(parents=True)
    files = reserve(results / tree, "training", {"run": "training_x"}, NOON_S)
    monkeypatch.setenv("MLPERF_RESULTS_DIR", str(results))
    monkeypatch.chdir(tmp_path.parent)
    for named in (results, None):
        words = argparse.Namespace(results_dir=named, spool_dir=tmp_path / "none", run="")
        found = find_one_run(words)
        assert found.name == "training_x"
        assert [request.parent for request in found.stop_requests] == [results / tree]
    release(files)
