"""What becomes of a verb's result: readers that close stdout early, errors as one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import synthetic as sy

from mpi_collector.benchmark.exit_codes import MISTAKE, OK, RULE_HOLDS
from mpi_collector.cli.result import Mistake, explain_errors, new_file
from mpi_collector.errors import RecordingError


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "host_20260105_120000_timeseries.npz"
    return sy.cluster(path, 2, 12)


def with_closed_reader(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a verb whose stdout nobody reads."""
    script = (
        "import os, sys\n"
        "read, write = os.pipe()\n"
        "os.close(read)\n"
        "os.dup2(write, 1)\n"
        "from mpi_collector.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", script, *words],
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("verb", ["summary", "snapshot", "sources"])
def test_a_reader_that_has_gone_is_no_error(recording: Path, verb: str) -> None:
    """``VERB | head`` ends with OK and without a complaint."""
    words = {"summary": [str(recording)], "snapshot": ["--json"], "sources": ["loadavg"]}[verb]
    done = with_closed_reader(verb, *words)
    assert (done.returncode, done.stderr) == (OK, "")


def test_a_gate_decides_without_a_reader(recording: Path) -> None:
    """The exit code of compare does not depend on who reads its table."""
    rule = "read_bytes_per_s > 0.01"
    done = with_closed_reader("compare", str(recording), str(recording), "--fail-if", rule)
    assert done.returncode == RULE_HOLDS, done.stderr
    assert "read_bytes_per_s" in done.stderr


@pytest.mark.parametrize(
    "error",
    [
        Mistake("the reason; the remedy"),
        RecordingError("a: the reason"),
        OSError(2, "No such file", "a"),
    ],
)
def test_errors_are_one_line(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    """Errors of the package and of files become one message and MISTAKE."""

    @explain_errors
    def verb() -> int:
        raise error

    assert verb() == MISTAKE
    message = capsys.readouterr().err
    assert message.startswith("mpi_collector: ")
    assert message.count("\n") == 1
    assert "Errno" not in message


def test_other_exceptions_pass() -> None:
    """A fault of the program keeps its traceback."""

    @explain_errors
    def verb() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        verb()


def test_a_file_that_exists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is a mistake that names the file and -o; a new file is reported."""
    target = tmp_path / "a.csv"
    with pytest.raises(Mistake, match=r"a\.csv exists already; choose another with -o"):
        with new_file(target):
            raise FileExistsError
    with new_file(target):
        pass
    assert capsys.readouterr().err == f"mpi_collector: wrote {target}\n"
