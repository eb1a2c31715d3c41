"""The limit of open files: raised for many hosts, and as the user had it for COMMAND."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import os, resource, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
from mpi_collector.benchmark.command import Command
from mpi_collector.transport.limits import raise_open_file_limit, open_file_limit_restorer
assert raise_open_file_limit(-100) and open_file_limit_restorer() is None
print("within reach" if raise_open_file_limit(300) else "beyond", resource.getrlimit(resource.RLIMIT_NOFILE)[0], flush=True)
print("within reach" if raise_open_file_limit(10**7) else "beyond", resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard, flush=True)
command = Command(["sh", "-c", "ulimit -Sn"], dict(os.environ))
while command.exit_code() is None:
    pass
"""


def test_raised_for_us_and_not_for_command() -> None:
    resource = pytest.importorskip("resource")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if not 600 <= hard < 10**7:
        pytest.skip(f"the hard limit is {hard}")
    said = subprocess.run(
        [sys.executable, "-c", _PROGRAM], check=True, capture_output=True, text=True
    ).stdout
    assert said.splitlines() == ["within reach 556", "beyond True", "200"]
