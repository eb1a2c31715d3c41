"""Whatever fails in us, the suite runs once, as without us."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sabotage import sabotaged
from selection import all_tests
from suite_standin import build

_FAIL = """
            def fail(*words, **more):
                raise ZeroDivisionError("broken on purpose")
"""

#: a way to fail: code that every Python runs first, and whether the suite is started without us
WAYS = {
    "the suite is not found": (
        f"""
        @on_import("mpi_collector.benchmark.suite_installation")
        def change(module):
            {_FAIL.strip()}
            module.find_suite = fail
        """,
        True,
    ),
    "the program around it cannot be loaded": (
        """
        @on_import("mpi_collector.suite.program")
        def change(module):
            raise SyntaxError("broken on purpose")
        """,
        True,
    ),
    "its classes cannot be replaced": (
        f"""
        @on_import("mpi_collector.suite.program")
        def change(module):
            {_FAIL.strip()}
            module._replace = fail
        """,
        True,
    ),
    "all verbs are broken": (
        """
        @on_import("mpi_collector.cli.benchmark")
        def change(module):
            raise SyntaxError("broken on purpose")
        """,
        True,
    ),
    "where it writes cannot be found out": (
        f"""
        @on_import("mpi_collector.suite.program")
        def change(module):
            {_FAIL.strip()}
            module._suite_run = fail
        """,
        False,
    ),
    "the recording does not begin": (
        f"""
        @on_import("mpi_collector.suite.recording")
        def change(module):
            {_FAIL.strip()}
            module.SuiteRecording.start = fail
        """,
        False,
    ),
    "the recording does not end": (
        f"""
        @on_import("mpi_collector.suite.recording")
        def change(module):
            {_FAIL.strip()}
            module.SuiteRecording.stop = fail
        """,
        False,
    ),
    "there is nothing to say": (
        f"""
        @on_import("mpi_collector.suite.program")
        def change(module):
            {_FAIL.strip()}
            module.print_run_summary = fail
        """,
        False,
    ),
}


#: without scripts/test --all: before the suite, within it, and at its end
_SOME = [
    "the program around it cannot be loaded",
    "where it writes cannot be found out",
    "the recording does not end",
]


@pytest.mark.parametrize("way", WAYS if all_tests() else _SOME)
def test_the_suite_runs(tmp_path: Path, way: str) -> None:
    code, unrecorded = WAYS[way]
    job_code = list(WAYS).index(way) % 2
    suite = build(tmp_path / "suite", january=False)
    fault = sabotaged(tmp_path / "fault", code)["PYTHONPATH"].split(":")[0]
    environ = {**suite.environ, "PYTHONPATH": f"{fault}:{suite.environ['PYTHONPATH']}"}
    words = ["open", "training", "unet3d", "run", "file", "--results-dir", "results"]
    done = subprocess.run(
        [sys.executable, "-m", "mpi_collector", "mlpstorage", "--spool-dir", ".", "--report", "never",
         "--", *words, "--job-code", str(job_code)],
        capture_output=True, text=True, timeout=120, env=environ, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == (6 if job_code else 0), done.stderr
    assert done.stdout.count("the job has run") == 1, done.stderr
    assert ("the job runs unrecorded" in done.stderr) == unrecorded
    assert "broken on purpose" in done.stderr
