"""What this program does while it waits for the end of COMMAND: nothing but the ticks, and one look in 10 s."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_SECONDS = 25
_LOOK = re.compile(r'"results/\.mpi_collector_host_\w+\.stop"')


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_nothing_happens_between_ticks(tmp_path: Path) -> None:
    """By the system calls of the whole tree, from the first look of the keeper to the end of COMMAND."""
    (tmp_path / "spool").mkdir()
    words = ["--results-dir", "results", "--spool-dir", "spool", "--sources", "basic"]
    traced = ["strace", "-f", "-y", "-qq", "-s", "200", "-o", "trace"]
    done = subprocess.run(
        [*traced, sys.executable, "-m", "mpi_collector", *words, "--", "sleep", str(_SECONDS)],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if "PTRACE" in done.stderr:
        pytest.skip("may not trace: " + done.stderr)
    assert done.returncode == 0, done.stderr
    calls = (tmp_path / "trace").read_text().splitlines()
    main = calls[0].split()[0]
    first = next(n for n, call in enumerate(calls) if _LOOK.search(call))
    (command,) = {c.split()[0] for c in calls if re.search(r'execve\("\S*/sleep"', c)}
    last = next(n for n, c in enumerate(calls) if n > first and c.split()[0] == command)
    while_it_ran = calls[first:last]
    assert [c for c in while_it_ran if c.split()[0] == main] == []
    of_results = [c for c in while_it_ran if "results" in c]
    assert all(_LOOK.search(call) for call in of_results), of_results
    assert len(of_results) <= 1 + _SECONDS // 10
