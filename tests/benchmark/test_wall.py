"""Ways for this program to fail: COMMAND runs once, with its own exit code, open files and environment.

Each way is code that breaks the program from within (helpers/sabotage.py), or something around it that is missing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sabotage import sabotaged
from selection import all_tests

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
        @on_import("mpi_collector.node.agent.recorder")
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
    "the poll fails": """
        @on_import("mpi_collector.transport.ranks.coordinator")
        def change(module):
            def poll(self):
                raise ValueError("broken on purpose")
            module.Coordinator.poll = poll
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
    "the environment of the launcher cannot be read": """
        @on_import("mpi_collector.benchmark.environment")
        def change(module):
            def fail(*words):
                raise UnicodeError("broken on purpose")
            for name in ("find_launcher_pid", "original_environment", "original_command"):
                setattr(module, name, fail)
        """,
}
_ALL = [(way, end) for way in WAYS for end in _ENDS]
#: without scripts/test --all: every way once, the ends in turn
_SOME = [(way, list(_ENDS)[n % len(_ENDS)]) for n, way in enumerate(WAYS)]


@pytest.mark.parametrize(("way", "end"), _ALL if all_tests() else _SOME)
def test_the_job_runs(tmp_path: Path, way: str, end: str) -> None:
    script = (
        f"echo ran >> ran; cat <&5; echo [$OPENBLAS_NUM_THREADS] [$VALUE]; sleep 1.2; {_ENDS[end]}"
    )
    options = ["--timeseries-interval", "0.1", "--report", "never", "--spool-dir", str(tmp_path)]
    argv = [sys.executable, "-m", "mpi_collector", *options, "--", "sh", "-c", script]
    environ = {**os.environ, **sabotaged(tmp_path / "fault", WAYS[way]), "VALUE": "of a user"}
    (tmp_path / "five").write_text("five\n")
    done = subprocess.run(
        ["sh", "-c", 'exec 5<five; exec "$@"', "sh", *argv],
        cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == _CODES[end], done.stderr
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert done.stdout == "five\n[] [of a user]\n"
