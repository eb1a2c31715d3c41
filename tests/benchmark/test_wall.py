"""Ways for this program to fail: COMMAND runs once, with its own exit code, open files and environment.

Each way is code that breaks the program from within (helpers/sabotage.py), or something around it that is missing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bed import environment, find_mpi
from sabotage import sabotaged
from selection import all_tests
from stand_in_hosts import StandInHosts, missing

_ENDS = {"0": "exit 0", "7": "exit 7", "killed": "kill -9 $$"}
_CODES = {"0": 0, "7": 7, "killed": 137}

#: name of a way: code that every Python of ours runs first
WAYS = {
    "numpy cannot be imported": "import sys; sys.modules['numpy'] = None",
    "ctypes cannot be imported": "import sys; sys.modules['ctypes'] = None; sys.modules['_ctypes'] = None",
    "rich cannot be imported": "import sys; sys.modules['rich'] = None",
    "a module of ours is broken": """
        @on_import("mpi_collector.benchmark.collection")
        def change(module):
            raise SyntaxError("broken on purpose")
        """,
    "no thread can be started": """
        import threading
        def start(self):
            raise RuntimeError("can't start new thread")
        threading.Thread.start = start
        """,
    "no keeper can be started": """
        @on_import("mpi_collector.benchmark.keeper.client")
        def change(module):
            module._PROGRAM = "import nothing_of_this_name"
        """,
    "the snapshot fails": """
        @on_import("mpi_collector.node.agent.foreign_files")
        def change(module):
            def take(*words, **more):
                raise MemoryError
            module.take = take
        """,
    "the sampler dies": """
        @on_import("mpi_collector.node.sample.sampler")
        def change(module):
            def loop(self, grid):
                raise OSError(5, "broken on purpose")
            module.Sampler._loop = loop
        """,
    "the wait fails": """
        @on_import("mpi_collector.transport.ranks.coordinator")
        def change(module):
            def wakes(self):
                raise ValueError("broken on purpose")
            module.Coordinator.wakes = wakes
        """,
    "the stop fails": """
        @on_import("mpi_collector.benchmark.collection")
        def change(module):
            def save(self, ended_by):
                raise ZeroDivisionError("broken on purpose")
            module.Collection.save = save
        """,
    "everything at the end fails": """
        @on_import("mpi_collector.benchmark.collection")
        def change(module):
            def fail(self, *words):
                raise ZeroDivisionError("broken on purpose")
            for name in ("end", "give_up", "close", "write_page"):
                setattr(module.Collection, name, fail)
        """,
    "the summary fails": """
        @on_import("mpi_collector.cli.run_summary")
        def change(module):
            def fail(*words):
                raise KeyError("broken on purpose")
            module.print_run_summary = fail
        """,
    "the exit code cannot be had from the recording": """
        @on_import("mpi_collector.benchmark.recorded_job")
        def change(module):
            def fail(self, *words):
                raise ArithmeticError("broken on purpose")
            module.RecordedJob._finish = fail
            module.RecordedJob._go_on_unrecorded = fail
        """,
    "nothing can be reported": """
        @on_import("mpi_collector.benchmark.console")
        def change(module):
            def fail(*words):
                raise UnicodeError("broken on purpose")
            module.RunConsole.info = module.RunConsole.warn = fail
        """,
    "there is no memory": """
        @on_import("mpi_collector.node.spool.writer")
        def change(module):
            def fail(*words, **more):
                raise MemoryError
            module.Spool.create = fail
        """,
    "the results directory vanishes": """
        @on_import("mpi_collector.benchmark.keeper.directory")
        def change(module):
            import shutil
            opened = module.ResultsDirectory.open_sink
            def open_sink(self, *words):
                shutil.rmtree(self.files.results_dir)
                return opened(self, *words)
            module.ResultsDirectory.open_sink = open_sink
        """,
    "the disk is full": """
        @on_import("mpi_collector.output.npz")
        def change(module):
            def fail(*words, **more):
                raise OSError(28, "No space left on device")
            for name in [n for n in vars(module) if n.endswith("Writer")]:
                getattr(module, name).write = fail
        """,
    "the spool's directory is broken": """
        @on_import("mpi_collector.node.spool.directory")
        def change(module):
            def fail(*words, **more):
                raise PermissionError(13, "Permission denied")
            module.RunDirectory.open = fail
        """,
    "the environment of the launcher cannot be read": """
        @on_import("mpi_collector.benchmark.environment")
        def change(module):
            def fail(*words):
                raise UnicodeError("broken on purpose")
            for name in ("find_launcher_pid", "original_environment", "original_command"):
                setattr(module, name, fail)
        """,
}
#: ways of a launch over MPI
OF_LAUNCHES = {
    "a rank that is not rank 0 fails": """
        @on_import("mpi_collector.transport.ranks.worker_service")
        def change(module):
            def fail(self, *words, **more):
                raise ZeroDivisionError("broken on purpose")
            module.WorkerService.prepare = fail
            module.WorkerService.exit = fail
        """,
    "a rank that is not rank 0 cannot say so": """
        @on_import("mpi_collector.transport.ranks.worker")
        def change(module):
            def fail(self, *words, **more):
                raise ZeroDivisionError("broken on purpose")
            module.Worker._answer = fail
        """,
    "a rank that is not rank 0 cannot begin": """
        @on_import("mpi_collector.transport.ranks.worker")
        def change(module):
            def fail(self, *words, **more):
                raise ZeroDivisionError("broken on purpose")
            module.Worker.__init__ = fail
        """,
    "rank 0 cannot talk to the others": """
        @on_import("mpi_collector.transport.ranks.coordinator")
        def change(module):
            def fail(self, *words, **more):
                raise ZeroDivisionError("broken on purpose")
            module.Coordinator.meet = module.Coordinator.release_all = fail
        """,
    "the ranks cannot be spoken to": """
        @on_import("mpi_collector.transport.ranks.world")
        def change(module):
            def fail(self, *words, **more):
                raise ZeroDivisionError("broken on purpose")
            module.World.send = fail
        """,
}
#: of a launch of one rank: of several, those that can be opened would wait for the others for ever
OF_ONE_RANK = {
    "there is no mpi4py": "import sys; sys.modules['mpi4py'] = None",
    "mpi4py is broken": """
        @on_import("mpi4py")
        def change(module):
            raise ValueError("broken on purpose")
        """,
}
#: without ctypes there is no mpi4py
_ONE_RANK = {*OF_ONE_RANK, "ctypes cannot be imported"}
_EVERY = {**WAYS, **OF_LAUNCHES, **OF_ONE_RANK}
#: rank 0 cannot let the others go, and ends the launcher: docs/reliability.md
#: rank 0 cannot let the others go, and leaves without MPI_Finalize: Open MPI makes 1 of an exit code 0
_NO_FINALIZE = {
    ("openmpi", "rank 0 cannot talk to the others", "0"),
    ("openmpi", "the ranks cannot be spoken to", "0"),
}
_CODE_LOST = {
    ("mpich", "rank 0 cannot talk to the others"),
    ("mpich", "the ranks cannot be spoken to"),
}
_LAUNCHED = ("openmpi", "mpich", "ssh")
_ALL = [("alone", way, end) for way in WAYS for end in _ENDS] + [
    (launch, way, end)
    for launch in _LAUNCHED
    for way in (WAYS if launch == "ssh" else _EVERY)
    for end in _ENDS
]
#: without scripts/test --all: every second way alone, the ends in turn; some over MPI and ssh
_SOME = [
    *(("alone", way, list(_ENDS)[n % len(_ENDS)]) for n, way in enumerate(list(WAYS)[::2])),
    ("openmpi", "the exit code cannot be had from the recording", "7"),
    ("openmpi", "a rank that is not rank 0 cannot begin", "0"),
    ("mpich", "there is no mpi4py", "7"),
    ("ssh", "the stop fails", "killed"),
]


def launched(
    launch: str, place: Path, options: list[str], ranks: int, request: pytest.FixtureRequest
) -> tuple[list[str], dict[str, str]]:
    """The words in front of COMMAND that record it over ``launch``, and further variables."""
    mine = ["-m", "mpi_collector"]
    if launch == "alone":
        return [sys.executable, *mine, *options, "--"], {}
    if launch == "ssh":
        if why := missing():
            pytest.skip(why)
        hosts = StandInHosts(place)
        request.addfinalizer(hosts.close)
        verb = ["kvcache", "run", "--hosts", "a,b", "--transport", "ssh", "--start-timeout", "10"]
        path = f"{hosts.bin}:{os.environ['PATH']}"
        return [sys.executable, *mine, *verb, *options, "--"], {"PATH": path}
    mpi = find_mpi(launch)
    if isinstance(mpi, str):
        pytest.skip(mpi)
    near = [] if mpi.hydra else ["--bind-to", "none", "--oversubscribe"]
    return [mpi.mpirun, *near, "-np", str(ranks), mpi.python, *mine, *options, "--"], environment()


@pytest.mark.parametrize(("launch", "way", "end"), _ALL if all_tests() else _SOME)
def test_the_job_runs(
    tmp_path: Path, launch: str, way: str, end: str, request: pytest.FixtureRequest
) -> None:
    """Once, with its own exit code, environment and, where they reach it, open files."""
    read = "" if launch in ("openmpi", "mpich") else "cat <&5; "
    script = (
        f"echo ran >> ran; {read}echo [$OPENBLAS_NUM_THREADS] [$VALUE]; sleep 1.2; {_ENDS[end]}"
    )
    options = ["--timeseries-interval", "0.1", "--report", "never", "--spool-dir", str(tmp_path)]
    options += ["--gather-timeout", "5"]
    words, variables = launched(launch, tmp_path, options, 1 if way in _ONE_RANK else 2, request)
    fault = sabotaged(tmp_path / "fault", _EVERY[way])
    environ = {**os.environ, **variables, **fault, "VALUE": "of a user"}
    (tmp_path / "five").write_text("five\n")
    done = subprocess.run(
        ["sh", "-c", 'exec 5<five; exec "$@"', "sh", *words, "sh", "-c", script],
        cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    lost = (launch, way) in _CODE_LOST
    if not lost and (launch, way, end) not in _NO_FINALIZE:
        assert done.returncode == _CODES[end], done.stderr
    assert (tmp_path / "ran").read_text() == "ran\n", done.stderr
    said = f"{'five' + chr(10) if read else ''}[] [of a user]\n"
    # hydra reports ranks that it has ended on stdout
    assert done.stdout == said or (lost and done.stdout.startswith(said))
