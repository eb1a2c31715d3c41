"""The suite's own command line as COMMAND: both of its forms, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpi_collector.formats.suite_command import parse_suite, suite_command

#: of July and of January 2026
NEW = (
    "mlpstorage open training unet3d run file --hosts h1 h2,h3 --num-accelerators 4 -at b200 -cm 64 --results-dir /r "
    "-sn sut-1 --timeseries-interval 1 --debug --params dataset.num_files_train=6 reader.batch_size=7"
)
OLD = (
    "/venv/bin/mlpstorage training run --hosts=h1,h2 --model unet3d -cm 64 -g b200 -na 4 --open -rd /r "
    "--param dataset.num_files_train=6"
)


@pytest.mark.parametrize("command", [NEW, OLD])
def test_both_forms(command: str) -> None:
    found = suite_command(command.split())
    assert found is not None
    assert (found.mode, found.benchmark, found.command, found.model) == (
        "open",
        "training",
        "run",
        "unet3d",
    )
    assert (found.processes, found.arguments["accelerator_type"]) == (4, "b200")
    assert found.arguments["results_dir"] == "/r"
    assert found.hosts[:2] == ["h1", "h2"]
    assert found.params[0] == "dataset.num_files_train=6"
    assert found.positional == (command == NEW)
    assert found.records


@pytest.mark.parametrize(
    "command",
    [
        "uv run mlpstorage closed checkpointing llama3-8b run file",
        "nice -n 5 env A=1 /opt/mlpstorage checkpointing run -m llama3-8b",
        "python -m mlpstorage_py.main open checkpointing llama3-8b run file",
        "python3 -m mlpstorage.main checkpointing run --model llama3-8b",
    ],
)
def test_ways_to_start_it(command: str) -> None:
    found = suite_command(command.split())
    assert found is not None
    assert (found.benchmark, found.model) == ("checkpointing", "llama3-8b")


@pytest.mark.parametrize(
    "command",
    [
        "mpirun -np 4 dlio_benchmark ++workload.dataset.data_folder=/mnt/mlpstorage workload=unet3d_h100",
        "./ior -o /mnt/mlpstorage -w",
        "fio --directory /mnt/mlpstorage job.fio",
        "sh mlpstorage.sh",
        "",
    ],
)
def test_what_is_another_program(command: str) -> None:
    assert suite_command(command.split()) is None


@pytest.mark.parametrize(
    ("words", "records"),
    [
        ("open training unet3d run file", True),
        ("open training unet3d datagen file", False),
        ("open training unet3d run file --dry-run", False),
        ("training run --model unet3d --what-if", False),
        ("kvcache datasize", False),
        ("reports reportgen", False),
        ("--help", False),
    ],
)
def test_what_the_suite_records(words: str, records: bool) -> None:
    assert parse_suite(words.split()).records == records


def test_short_options_of_vectordb_are_others() -> None:
    """There -s is the address of the database, and -p its port."""
    found = parse_suite("open vectordb run -s 10.0.0.1 -p 19530 --vdb-engine milvus".split())
    assert (found.hosts, found.params, found.model) == ([], [], "milvus")


@given(
    st.lists(
        st.sampled_from(
            [
                "run",
                "open",
                "training",
                "--hosts",
                "-np",
                "-np=x",
                "a=b",
                "--params",
                "-",
                "--",
                "x",
                "",
            ]
        )
    )
)
def test_every_command_line_is_read(words: list[str]) -> None:
    """What is wrong with it, the suite says itself."""
    parse_suite(words)
