"""What is changed for us, and is for COMMAND as the user had it: the limit of open files, an ignored SIGCHLD."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import os, resource, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
from mpi_collector.benchmark.command import Command
from mpi_collector.transport.limits import raise_open_file_limit, inherited_restorer
assert raise_open_file_limit(-100) and inherited_restorer() is None
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


@pytest.mark.parametrize("verb", ["collect", "datagen", "unrecorded"])
def test_ignored_children(verb: str, tmp_path: Path) -> None:
    """Started with SIGCHLD ignored: COMMAND's exit code arrives, and COMMAND ignores it as it would without us."""
    command = ["awk", "/SigIgn/ {print} END {exit 7}", "/proc/self/status"]
    own = [sys.executable, "-m", "mpi_collector"]
    words = {
        "collect": [*own, "--results-dir", str(tmp_path / "r"), "--quiet", "--report", "never", "--"],
        "datagen": [*own, "kvcache", "datagen", "--"],
        "unrecorded": [*own, "kvcache", "run", "--results-dir", str(tmp_path / "r"), "--spool-dir", "/proc/x",
                       "--transport", "ssh", "--hosts", "256.example", "--ssh-timeout", "1", "--"],
    }[verb]  # fmt: skip
    for ignored in (False, True):
        handler = signal.SIG_IGN if ignored else signal.SIG_DFL
        done = subprocess.run(
            [*words, *command],
            preexec_fn=lambda handler=handler: signal.signal(signal.SIGCHLD, handler),
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "PATH": "/usr/bin:/bin"},
        )
        assert done.returncode == 7, done.stderr
        mask = int(done.stdout.split()[1], 16)
        assert bool(mask >> (signal.SIGCHLD - 1) & 1) == ignored
        assert not any(word in done.stderr for word in ("child process", "Exception", "Traceback"))
