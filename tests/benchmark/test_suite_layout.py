"""--suite-layout: the suite's own directories, checked before the job."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import cli

import mpi_collector


def record(tmp_path: Path, verb: str, layout: str, *command: str) -> tuple[int, str]:
    """Run a benchmark verb around ``command``; return exit code and stderr."""
    done = cli(verb, "run", "--timeseries-interval", "0.05", "--sources", "loadavg", "--suite-layout", layout,
               "--results-dir", tmp_path / "results", "--spool-dir", tmp_path, "--", *command)  # fmt: skip
    return done.returncode, done.stderr


def job(tmp_path: Path) -> str:
    return f"touch {tmp_path}/ran"


@pytest.mark.parametrize(
    ("verb", "words", "below"),
    [
        ("training", ["workload=unet3d_h100"], "training/unet3d/run"),
        ("checkpointing", ["workload=llama3_70b"], "checkpointing/llama3-70b"),
        ("kvcache", ["--model", "tiny-1b"], "kv_cache/tiny-1b/run"),
        ("vectordb", ["--model=milvus"], "vector_database/milvus/run"),
    ],
)
def test_the_suites_directories(tmp_path: Path, verb: str, words: list[str], below: str) -> None:
    """A run directory as the suite's readers look for it, with one metadata file; stop and mark need the results directory only."""
    for _ in range(2):
        command = ["sh", "-c", f"{job(tmp_path)}; mpi_collector mark x --results-dir {tmp_path}/results", "sh", *words]  # fmt: skip
        code, said = record(tmp_path, verb, "open/Acme/sut-1", *command)
        assert code in (0, 127), said
    runs = sorted((tmp_path / "results" / "open/Acme/results/sut-1" / below).iterdir())
    assert len(runs) == 2
    for run in runs:
        (metadata,) = run.glob("*metadata*")
        assert metadata.name.endswith(f"_{run.name}_metadata.json")
        assert json.loads(metadata.read_text())["result_dir"] == str(run)
        with mpi_collector.load(run) as recording:
            assert len(recording) == 1
    assert sorted(p.name for p in (tmp_path / "results").iterdir()) == ["open"]


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        ("open/Acme", "is not MODE/ORG/SYSTEM"),
        ("open/Acme/a/b", "is not MODE/ORG/SYSTEM"),
        ("public/Acme/a", "none of closed, open, whatif"),
        ("open/../a", "letters, digits"),
        ("open/Acme/", "letters, digits"),
        ("open/Acme Inc/a", "letters, digits"),
    ],
)
def test_a_layout_that_is_none(tmp_path: Path, layout: str, said: str) -> None:
    code, text = record(
        tmp_path, "training", layout, "sh", "-c", job(tmp_path), "workload=unet3d_h100"
    )
    assert (code, text.count("\n")) == (2, 1)
    assert said in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "names no model"),
        (("--model", "../../x"), "letters, digits"),
        (("--model", ".."), "letters, digits"),
    ],
)
def test_a_command_without_a_model(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    code, text = record(
        tmp_path, "training", "open/Acme/a", "sh", "-c", job(tmp_path), "sh", *words
    )
    assert (code, text.count("\n")) == (2, 1)
    assert said in text
    assert list(tmp_path.iterdir()) == []


def test_results_of_another_organisation(tmp_path: Path) -> None:
    """``mlpstorage init`` has pinned the directory to one."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "mlperf-results.yaml").write_text(
        "mlperf_results_version: 1\norgname: Other\n"
    )
    code, text = record(
        tmp_path, "training", "open/Acme/a", "sh", "-c", job(tmp_path), "workload=unet3d_h100"
    )
    assert code == 2
    assert "belongs to Other" in text
    assert not (tmp_path / "ran").exists()
