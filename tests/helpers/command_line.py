"""The command line in a process of its own."""

from __future__ import annotations

import subprocess
import sys


def cli(*words: object) -> subprocess.CompletedProcess[str]:
    """Run ``mpi_collector WORDS``; output as text, any exit code."""
    return subprocess.run(
        [sys.executable, "-m", "mpi_collector", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
