"""The end of subprocesses of an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable

from mpi_collector.node.compat import mono_ns

REAPED_S = 0.005  #: how often to look whether a subprocess has ended
_KILLED_S = 2.0


async def end_process(
    process: asyncio.subprocess.Process, kill: Callable[[int, int], None] = os.killpg
) -> None:
    """Kill a subprocess; with os.killpg also what it started, which needs a session of its own."""
    with contextlib.suppress(ProcessLookupError):
        if process.returncode is None or kill is os.killpg:
            kill(process.pid, signal.SIGKILL)
    # close() would reap the process itself, and asyncio complain that its exit code is unknown
    deadline = mono_ns() + int(_KILLED_S * 1e9)
    while process.returncode is None and mono_ns() < deadline:
        await asyncio.sleep(REAPED_S)
    # without this, wait() waits for the end of the output, which other processes may hold open
    transport: asyncio.SubprocessTransport = getattr(process, "_transport")  # noqa: B009
    transport.close()
    if process.returncode is None:  # it hangs in the kernel
        return
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(process.wait(), _KILLED_S)
