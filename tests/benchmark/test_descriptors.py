"""Programs with more than a thousand open files, where select gives up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mpi_collector

CROWD = """
import os, resource, sys
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
if hard < 2048:
    print("no room"); sys.exit()
resource.setrlimit(resource.RLIMIT_NOFILE, (2048, hard))
crowd = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
for fd in crowd:
    os.set_inheritable(fd, True)
"""
INSIDE = (
    CROWD
    + """
import mpi_collector, time
with mpi_collector.collect(interval=0.05, results_dir=sys.argv[1], sampler=sys.argv[2], quiet=True) as recorder:
    time.sleep(0.4)
print(recorder.verdict["verdict"])
"""
)
BESIDE = (
    CROWD
    + """
os.execv(sys.executable, [sys.executable, "-m", "mpi_collector", "--timeseries-interval", "0.05", "--results-dir",
                          sys.argv[1], "--report", "never", "--", "sh", "-c", "sleep 0.4; echo complete"])
"""
)
AGENT = (
    CROWD
    + """
import threading
from mpi_collector.node.agent.agent import Agent, AgentService
from mpi_collector.node.frames import FrameDecoder, encode
ours, theirs = os.pipe(), os.pipe()
agent = Agent(AgentService())
agent.attach(theirs[0], ours[1])
thread = threading.Thread(target=agent.serve)
thread.start()
os.write(theirs[1], encode({"do": "quit", "id": 1}))
thread.join(10)
messages, decoder = [], FrameDecoder()
while len(messages) < 2:
    messages += decoder.feed(os.read(ours[0], 65536))
print("complete" if messages[1][0] == {"id": 1} and min(*ours, *theirs) > 1023 else messages)
"""
)


@pytest.mark.parametrize(
    ("program", "words"), [(INSIDE, ["thread"]), (INSIDE, ["process"]), (BESIDE, []), (AGENT, [])],
    ids=["thread", "process", "collect", "agent"],
)  # fmt: skip
def test_above_a_thousand_files(tmp_path: Path, program: str, words: list[str]) -> None:
    """Inside such a program, beside it as a command that inherits them, and an agent between them: as ever."""
    home = str(Path(mpi_collector.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path), *words], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": home}, check=False)  # fmt: skip
    if done.stdout == "no room\n":
        pytest.skip("RLIMIT_NOFILE")
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["complete"]), done.stderr


def test_nobody_selects() -> None:
    """select with descriptors is used nowhere in the package; without any it is only a sleep."""
    for path in Path(mpi_collector.__file__).parent.rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert "select.select(" not in line or "select.select((), (), ()" in line, path
