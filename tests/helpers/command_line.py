"""The command line in a process of its own, or in this one."""

from __future__ import annotations

import contextlib
import io
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


def in_process(*words: object) -> subprocess.CompletedProcess[str]:
    """Run ``mpi_collector WORDS`` as ``cli`` does, without a process of its own: much cheaper."""
    from mpi_collector.cli.main import all_verbs

    verb, *rest = map(str, words)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = all_verbs()[verb](rest)
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else 1
    return subprocess.CompletedProcess([*map(str, words)], code, out.getvalue(), err.getvalue())
