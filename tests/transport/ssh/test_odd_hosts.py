"""Hosts that answer oddly (tests/helpers/odd_hosts.py): each costs at most its own recording.

Whole runs of the program over its ssh transport. Several odd hosts share a run with a good one; with
MPI_COLLECTOR_TEST_ALL each has a run of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from odd_hosts import BEHAVIOURS, GOOD, NOTES, SHIM
from selection import all_tests

import mpi_collector

_HELPERS = Path(__file__).parents[2] / "helpers"
_PATH = [str(Path(mpi_collector.__file__).parents[1]), str(_HELPERS)]
_TOGETHER = 1 if all_tests() else 32
_NAMES = list(BEHAVIOURS)
_GROUPS = [_NAMES[at : at + _TOGETHER] for at in range(0, len(_NAMES), _TOGETHER)]
#: a program of this machine that starts dozens of agents on two cores
_LIMIT_S = 60.0
_MEMORY_KB = 400_000


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    """The socket of what forks the agents of odd hosts."""
    with tempfile.TemporaryDirectory() as directory:  # the name of a socket is short
        path = Path(directory) / "server"
        program = f"import sys; sys.path[:0] = {_PATH!r}; import odd_hosts; odd_hosts.serve({str(path)!r})"
        process = subprocess.Popen([sys.executable, "-ES", "-c", program])
        deadline = time.monotonic() + _LIMIT_S
        while not path.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        yield path
        process.kill()
        process.wait()


class Run:
    """A run of ``hosts`` around a job of one second."""

    def __init__(
        self,
        tmp_path: Path,
        server: Path,
        hosts: list[str],
        *words: str,
        meanwhile: Callable[[Run, subprocess.Popen[str]], None] = lambda run, process: None,
    ) -> None:
        (tmp_path / "bin").mkdir()
        program = tmp_path / "bin" / "ssh"
        program.write_text(SHIM.format(python=sys.executable, path=_PATH, server=str(server)))
        program.chmod(0o755)
        self.notes = tmp_path / "notes"
        self.notes.mkdir()
        self.results = tmp_path / "results"
        self.spools = tmp_path / "spools"
        self.spools.mkdir()
        argv = [sys.executable, "-m", "mpi_collector", "kvcache", "run", "--hosts", ",".join(hosts)]
        argv += [
            "--transport",
            "ssh",
            "--timeseries-interval",
            "0.1",
            "--spool-dir",
            str(self.spools),
        ]
        argv += ["--results-dir", str(self.results), "--ssh-fanout", "32", "--start-timeout", "10"]
        argv += [
            "--sources",
            "basic",
            "--gather-timeout",
            "5",
            *words,
            "--",
            "sh",
            "-c",
            "sleep 1.5; exit 7",
        ]
        environ = {
            **os.environ,
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "MPI_COLLECTOR_ORPHAN_S": "4",
            NOTES: str(self.notes),
        }
        began = time.monotonic()
        with subprocess.Popen(argv, env=environ, stderr=subprocess.PIPE, text=True) as process:
            meanwhile(self, process)
            _, self.said = process.communicate(timeout=180)
        self.took_s = time.monotonic() - began
        self.code = process.returncode

    def good_is_complete(self, key: str = "good") -> None:
        """The good host's members are in the recording, as it has sent them."""
        assert self.code == 7, self.said
        assert "Traceback" not in self.said
        (path,) = self.results.glob("*_timeseries.npz")
        heads = json.loads((self.notes / key).read_text())
        with zipfile.ZipFile(path) as z:
            there = {i.filename: (i.CRC, i.file_size) for i in z.infolist()}
            assert {
                h["name"] + ".npy": (h["crc"], h["size"]) for h in heads
            }.items() <= there.items()
            assert z.testzip() is None
        with mpi_collector.load(path) as run:
            facts = run.run["facts"][key]
            assert facts["complete"]
            assert facts["ticks"] >= 10
            assert len(run[key]) == facts["samples"]
            assert key not in run.run["hosts_partial"]
            self.partial = run.run["hosts_partial"]
            self.hosts = list(run)


@pytest.mark.parametrize("names", _GROUPS, ids=lambda names: f"{names[0]}..{names[-1]}")
def test_odd_hosts_cost_their_own_recording(tmp_path: Path, server: Path, names: list[str]) -> None:
    """The error is that of the odd host, the good one's recording is whole, the job's code is kept."""
    hosts = [f"odd-{name}" for name in names]
    run = Run(tmp_path, server, [*hosts[: len(hosts) // 2], "good", *hosts[len(hosts) // 2 :]])
    run.good_is_complete()
    wrong = {}
    for name in names:
        expected = BEHAVIOURS[name].said
        found = run.partial.get(f"odd-{name}", GOOD)
        if expected not in found or (f"odd-{name}" in run.hosts) != (expected == GOOD):
            wrong[name] = f"{found} instead of {expected}"
    assert not wrong
    assert run.took_s < _LIMIT_S


def test_sigterm_while_a_slow_host_is_waited_for(tmp_path: Path, server: Path) -> None:
    """It is given up; the others' tables are in the files, which come at once."""

    def end(run: Run, process: subprocess.Popen[str]) -> None:
        while process.poll() is None and not (run.notes / "good").exists():  # it has delivered
            time.sleep(0.1)
        process.terminate()

    run = Run(
        tmp_path, server, ["good", "odd-fetch-trickles"], "--gather-timeout", "150", meanwhile=end
    )
    run.good_is_complete()
    assert "given up" in run.partial["odd-fetch-trickles"]
    assert run.took_s < 100  # of 150 and more without the signal
