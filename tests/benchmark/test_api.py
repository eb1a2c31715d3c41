"""``with mpi_collector.collect(...)``: inside a Python program, with and without MPI."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import mpi_collector

PROGRAM = textwrap.dedent(
    """
    import sys, time
    from mpi4py import MPI
    import mpi_collector
    comm = MPI.COMM_WORLD
    results, sampler = sys.argv[1:]
    options = dict(interval=0.05, results_dir=results, sampler=sampler, quiet=True)
    with mpi_collector.collect(comm, **options) as recorder:
        total = comm.allreduce(comm.rank)
        recorder.mark(f"rank {comm.rank}")
        time.sleep(0.5)
    assert total == comm.size * (comm.size - 1) // 2
    assert bool(recorder.files) == (comm.rank == 0)
    comm.Barrier()
    """
)


FAILING = textwrap.dedent(
    """
    import sys
    from mpi4py import MPI
    import mpi_collector
    from mpi_collector.benchmark import api
    comm = MPI.COMM_WORLD
    results, step, spool = sys.argv[1:]

    class Failing(api.ThreadRecorder):
        pass

    def fail(*args):
        raise RuntimeError("made to fail")

    if comm.rank == 0 and step != "refused":
        setattr(Failing, step, fail)
        api.SAMPLERS["thread"] = Failing
    seen = "no error"
    try:
        options = dict(interval=0.05, results_dir=results, sampler="thread", spool_dir=spool)
        with mpi_collector.collect(comm, **options) as recorder:
            recorder.mark("inside")
            comm.Barrier()
    except mpi_collector.ResultsError as e:
        seen = str(e)
    every = comm.gather(seen)
    if comm.rank == 0:
        print(*every, sep="\\n")
    """
)
IMPATIENT = textwrap.dedent(
    """
    import sys, time
    from mpi4py import MPI
    import mpi_collector
    from mpi_collector.benchmark import api
    api.PATIENCE_S = 0.5
    comm = MPI.COMM_WORLD
    results, spool = sys.argv[1:]
    options = dict(
        interval=0.05, results_dir=results, sampler="thread", spool_dir=spool, quiet=True
    )
    try:
        with mpi_collector.collect(comm, **options):
            if comm.rank == 1:
                raise KeyError("the own one")
            while not comm.Iprobe(1, 5):
                time.sleep(0.01)
    except KeyError as e:
        print(e, flush=True)
        comm.send(1, 0, 5)
    else:
        comm.recv(source=1, tag=5)
    """
)
_OPENMPI = "MPI_COLLECTOR_TEST_OPENMPI_PYTHON"
_MPICH = "MPI_COLLECTOR_TEST_MPICH_PYTHON"


def launch(variable: str, n: int) -> list[str]:
    python = os.environ.get(variable, "")
    mpirun = Path(python).parent / "mpirun"
    if not python or not mpirun.exists():
        pytest.skip(f"{variable} names no Python with a launcher beside it")
    extra = ["--oversubscribe", "--bind-to", "none"] if "OPENMPI" in variable else []
    return [str(mpirun), *extra, "-np", str(n), python]


@pytest.mark.mpirun
@pytest.mark.parametrize("variable", [_OPENMPI, _MPICH])
@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize("sampler", ["process", "thread"])
def test_inside_an_mpi_program(variable: str, n: int, sampler: str, tmp_path: Path) -> None:
    """One host is recorded once, however many ranks; the program's collectives still work."""
    (tmp_path / "program.py").write_text(PROGRAM)
    argv = [*launch(variable, n), str(tmp_path / "program.py"), str(tmp_path / "results"), sampler]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    with mpi_collector.load(tmp_path / "results") as run:
        assert len(run) == 1
        assert run.run["verdict"]["verdict"] in ("complete", "partial")
        assert run.run["verdict"]["ticks"] >= 5
        assert sorted(m["text"] for m in run.run["marks"]) == [f"rank {r}" for r in range(n)]


@pytest.mark.mpirun
@pytest.mark.parametrize(
    ("variable", "step"),
    [
        (_OPENMPI, "refused"),
        (_MPICH, "refused"),
        (_MPICH, "prepare"),
        (_MPICH, "start"),
        (_OPENMPI, "stop"),
    ],
)
def test_rank_0_that_cannot_record_keeps_nobody_waiting(
    variable: str, step: str, tmp_path: Path
) -> None:
    """An unwritable results directory raises on every rank; other failures are only reported."""
    (tmp_path / "program.py").write_text(FAILING)
    results = "/dev/null/results" if step == "refused" else str(tmp_path / "results")
    argv = [*launch(variable, 2), str(tmp_path / "program.py"), results, step, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    seen = done.stdout.splitlines()
    if step == "refused":
        assert len(seen) == 2
        assert all("cannot write the results directory /dev/null/results" in line for line in seen)
    else:
        assert seen == ["no error", "no error"]
        assert "warning: the recording failed: RuntimeError: made to fail" in done.stderr


@pytest.mark.mpirun
def test_an_exception_of_one_rank_comes_out(tmp_path: Path) -> None:
    """A rank that failed leaves the block although rank 0 waits for it in MPI."""
    argv = [*launch(_MPICH, 2), "-c", IMPATIENT, str(tmp_path / "results"), str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.stdout == "'the own one'\n", done.stderr
    assert done.returncode == 0, done.stderr
    with mpi_collector.load(tmp_path / "results") as run:
        assert len(run) == 1


@pytest.mark.parametrize("sampler", ["process", "thread"])
def test_without_mpi(sampler: str, tmp_path: Path) -> None:
    """Without a communicator this host is recorded; the program's own exception passes through."""
    with pytest.raises(ZeroDivisionError):
        with mpi_collector.collect(
            interval=0.02, results_dir=tmp_path, sampler=sampler, quiet=True
        ) as recorder:
            _ = 1 / 0
    assert {f.suffix for f in recorder.files} == {".npz", ".json"}
    with mpi_collector.load(tmp_path) as run:
        (host,) = run.values()
        assert 0 <= host.tick[0] < 10  # tick 0, unless the machine was busy
        assert host.tick[-1] == -1
        assert run.run["ended_by"] == "an exception (ZeroDivisionError)"


def test_the_work_of_the_program_is_not_our_cost(tmp_path: Path) -> None:
    """A sampling thread in a program that computes all the time."""
    with mpi_collector.collect(
        interval=0.1, results_dir=tmp_path, sampler="thread", sources="loadavg", quiet=True
    ):
        began = time.process_time()
        while time.process_time() - began < 1.5:
            pass
    with mpi_collector.load(tmp_path) as run:
        (facts,) = run.run["facts"].values()
        assert facts["cpu_ns"] is not None
        assert 0 < facts["cpu_ns"] - (facts["helpers_cpu_ns"] or 0) < 0.75e9


def test_stop_and_mark_from_another_shell(tmp_path: Path) -> None:
    """A mark is read at the end of the block; stop says that only the block ends the run, and leaves nothing."""
    places = ["--spool-dir", str(tmp_path / "spool"), "--results-dir", str(tmp_path / "results")]
    (tmp_path / "spool").mkdir()

    def verb(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "mpi_collector", words[0], *places, *words[1:]]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    with mpi_collector.collect(
        interval=0.1,
        results_dir=tmp_path / "results",
        spool_dir=str(tmp_path / "spool"),
        quiet=True,
    ):
        assert verb("mark", "from outside").returncode == 0
        done = verb("stop")
    assert done.returncode == 2
    assert "leaves its block mpi_collector.collect()" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    with mpi_collector.load(tmp_path / "results") as run:
        assert [m["text"] for m in run.run["marks"]] == ["from outside"]
    assert not list((tmp_path / "results").glob(".*"))


def test_arguments_are_checked() -> None:
    """An argument out of range is a ValueError before anything starts."""
    for wrong in (
        {"interval": 0.001},
        {"sampler": "fork"},
        {"when_full": "explode"},
        {"sources": "nope"},
        {"max_samples": 1},
        {"json": "yes"},
    ):
        with pytest.raises(ValueError, match="."):
            mpi_collector.collect(**wrong)  # type: ignore[arg-type]


def test_a_killed_child_leaves_its_spool(tmp_path: Path) -> None:
    """After kill -9 of the program the child ends by itself, and recover builds the files."""
    program = """
import sys, time, mpi_collector
results, spool = sys.argv[1:]
with mpi_collector.collect(interval=0.02, results_dir=results, spool_dir=spool):
    print("on", flush=True)
    time.sleep(60)
"""
    victim = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "r"), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert victim.stdout is not None
    assert victim.stdout.readline() == b"on\n"
    try:
        victim.stdout.close()
        victim.wait(0.5)
    except subprocess.TimeoutExpired:
        victim.kill()
        victim.wait()
    (run,) = (tmp_path / f"mpi_collector-{os.getuid()}").iterdir()
    argv = [
        sys.executable,
        "-m",
        "mpi_collector",
        "recover",
        run.name,
        "--spool-dir",
        str(tmp_path),
        "--results-dir",
        str(tmp_path / "saved"),
    ]
    for _ in range(50):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        if done.returncode == 0:
            break
        assert "alive" in done.stderr
    assert done.returncode == 0, done.stderr
    with mpi_collector.load(tmp_path / "saved") as recovered:
        (host,) = recovered.values()
        assert len(host) > 10
    assert not run.exists()
