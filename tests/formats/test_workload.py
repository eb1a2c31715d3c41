"""What COMMAND says of its workload."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpi_collector.formats.workload import (
    nested,
    overrides_of,
    parameters_of,
    processes_of,
    typed_value,
    workload_of,
)

COMMAND = "mpirun -np 8 dlio_benchmark workload=unet3d_h100 ++workload.reader.batch_size=7 --x=1"


def test_overrides_are_those_of_the_workload() -> None:
    """Group choices, other packages of Hydra and options of the program are none."""
    words = "a=1 hydra.run.dir=/r +workload.b.c=x workload.d=2 --workload.e=3 ++workload.=4"
    assert overrides_of([*COMMAND.split(), *words.split()]) == {
        "reader.batch_size": 7,
        "b.c": "x",
        "d": 2,
    }
    assert overrides_of([]) == {}


def test_the_last_one_counts() -> None:
    words = "workload.a=1 workload.b=2 ++workload.a=3 ~workload.b workload.c=1 ~workload.c=1"
    assert overrides_of(words.split()) == {"a": 3}


def test_nested() -> None:
    flat = {"dataset.num_files_train": 6, "dataset.format": "npz", "epochs": 1}
    assert nested(flat) == {"dataset": {"num_files_train": 6, "format": "npz"}, "epochs": 1}
    assert nested({"a": 1, "a.b": 2}) == {"a": {"b": 2}}
    assert nested({"a.b": 2, "a": 1}) == {"a": 1}
    assert nested({}) == {}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("6", 6),
        ("-6", -6),
        ("1_000", 1000),
        ("007", "007"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("0.9", 0.9),
        ("1e-3", 0.001),
        ("1.", 1.0),
        ("inf", "inf"),
        ("nan", "nan"),
        ("1e999", "1e999"),
        ("True", True),
        ("false", False),
        ("null", None),
        ("yes", "yes"),
        ("", ""),
        ("'6'", "6"),
        ('"a b"', "a b"),
        ("/mnt/data=x", "/mnt/data=x"),
        ("s3://bucket/a:b", "s3://bucket/a:b"),
        ("[1,2.5, a]", [1, 2.5, "a"]),
        ("[]", []),
        ("[[1],{a:2}]", [[1], {"a": 2}]),
        ("{a:1,b: {c:x}}", {"a": 1, "b": {"c": "x"}}),
        ("['a,b',c]", ["a,b", "c"]),
        ("[1", "[1"),
        ("[1}", "[1}"),
        ("{a}", "{a}"),
        ("10.0.0.1", "10.0.0.1"),
    ],
)
def test_values_as_hydra_reads_them(text: str, value: Any) -> None:
    found = typed_value(text)
    assert (found, type(found)) == (value, type(value))


@given(st.text(alphabet="[]{}:,'\"0.eE-+_ a\n\\", max_size=40))
def test_every_text_is_a_value_of_json(text: str) -> None:
    json.dumps(typed_value(text), allow_nan=False)


def test_deep_lists_stay_text() -> None:
    assert "[" in json.dumps(typed_value("[" * 2000 + "]" * 2000))


@pytest.mark.parametrize(
    ("command", "workload"),
    [
        (COMMAND, ("unet3d", "h100")),
        ("python bench.py --model llama3-8b", ("llama3-8b", None)),
        ("python bench.py --model", (None, None)),
        ("true", (None, None)),
        ("mlpstorage open training unet3d run file -na 4 -at b200", ("unet3d", "b200")),
        ("mlpstorage training run --model unet3d -g h100", ("unet3d", "h100")),
    ],
)
def test_workload(command: str, workload: tuple[str | None, str | None]) -> None:
    assert workload_of(command.split()) == workload


@pytest.mark.parametrize(
    ("command", "count"),
    [
        (COMMAND, 8),
        ("srun -N2 -n4 ./x", 4),
        ("env A=1 /opt/bin/mpiexec -f h -n 4 ./x", 4),
        ("mpirun --np=4 ./x", 4),
        ("srun --ntasks 4 ./x", 4),
        ("./run a=b -n 9", 3),
        ("python train.py -n 9", 3),
        ("mpirun ./x", 3),
        ("", 3),
        ("mlpstorage open training unet3d run file --num-accelerators 4", 4),
        ("mlpstorage open kvcache run --hosts a b --npernode 4", 8),
        ("mlpstorage open vectordb run", 3),
    ],
)
def test_processes(command: str, count: int) -> None:
    """Those of the launcher's options, else one for each of three hosts."""
    assert processes_of(command.split(), 3) == count


def test_parameters_of_the_suites_command() -> None:
    """Those of --params and those that it makes of its other options; nested, typed, as it has them."""
    words = "mlpstorage open training unet3d run file --data-dir /mnt/data --params dataset.num_files_train=6 reader.prefetch=True"
    assert overrides_of(words.split()) == {
        "dataset.num_files_train": 6,
        "reader.prefetch": True,
        "dataset.data_folder": "/mnt/data/unet3d",
    }
    assert parameters_of(words.split()) == {
        "dataset": {"num_files_train": 6, "data_folder": "/mnt/data/unet3d"},
        "reader": {"prefetch": True},
    }
    words = (
        "mlpstorage closed checkpointing llama3-8b run file --checkpoint-folder /mnt/c -ncw 0 -np 8"
    )
    assert parameters_of(words.split()) == {
        "checkpoint": {"checkpoint_folder": "/mnt/c/llama3-8b", "num_checkpoints_write": 0}
    }


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ("open kvcache run", {"performance_profile": "throughput"}),
        ("kvcache run", {"performance_profile": "latency"}),
        (
            "whatif kvcache run -m tiny-1b --num-users=7 -d 30 --gpu-mem-gb 0 --cpu-mem-gb 4 --cache-dir /c "
            "--generation-mode none --performance-profile latency",
            {
                "model": "tiny-1b",
                "num_users": 7,
                "duration": 30,
                "gpu_mem_gb": 0.0,
                "cpu_mem_gb": 4.0,
                "cache_dir": "/c",
                "generation_mode": "none",
                "performance_profile": "latency",
            },
        ),
    ],
)
def test_the_eight_values_of_kv_cache(words: str, changed: dict[str, Any]) -> None:
    defaults = {
        "model": "llama3.1-8b",
        "num_users": 100,
        "duration": 60,
        "gpu_mem_gb": 16.0,
        "cpu_mem_gb": 32.0,
        "cache_dir": None,
        "generation_mode": "realistic",
    }
    found = parameters_of(["mlpstorage", *words.split()])
    assert found == {**defaults, **changed}
    assert len(found) == 8
