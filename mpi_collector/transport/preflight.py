"""Every host looked at before the job, all at the same time: can it be reached, and has it what the ranks need?

Launchers say little about the one host that keeps a launch of hundreds from coming up, and they say it late.
"""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mpi_collector import __version__
from mpi_collector.transport.hosts import HostSpec
from mpi_collector.transport.session import end, printable
from mpi_collector.transport.sshargs import NameRefused, host_key_option, ssh_argv, ssh_environment

_DONE = "mpi_collector is here"


def ranks_command() -> str:
    """What a host is asked: this same interpreter, with this same package."""
    home = str(Path(__file__).resolve().parents[2])
    program = f"import sys; sys.path.append({home!r}); import mpi_collector, numpy, mpi4py; " \
              f"print({_DONE!r}, mpi_collector.__version__)"  # fmt: skip
    return f"exec {shlex.quote(sys.executable)} -c {shlex.quote(program)}"


def check_ranks(
    hosts: Sequence[HostSpec],
    user: str | None,
    fanout: int,
    timeout_s: float,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
    command: str = "",
) -> dict[str, str]:
    """{host: what is wrong and what to do} of those on which no rank of ours could start. Takes ``timeout_s`` per host."""
    return asyncio.run(_check_all(hosts, user, fanout, timeout_s, progress, command or ranks_command()))


def check_reachable(hosts: Sequence[HostSpec], user: str | None, fanout: int, timeout_s: float) -> dict[str, str]:
    """{host: what is wrong} of those to which ssh does not get through."""
    return asyncio.run(_check_all(hosts, user, fanout, timeout_s, _nothing, f"echo '{_DONE}' {__version__}"))


def _nothing(what: str, done: int, total: int) -> None:
    """Nobody watches."""


async def _check_all(
    hosts: Sequence[HostSpec],
    user: str | None,
    fanout: int,
    timeout_s: float,
    progress: Callable[[str, int, int], None],
    command: str,
) -> dict[str, str]:
    gate, found, done = asyncio.Semaphore(fanout), {}, 0

    async def one(host: HostSpec) -> None:
        nonlocal done
        async with gate:
            problem = await _check(host.name, user, timeout_s, command)
        if problem:
            found[host.name] = problem
        done += 1
        progress("checking", done, len(hosts))

    await asyncio.gather(*(one(h) for h in hosts))
    return {h.name: found[h.name] for h in hosts if h.name in found}


async def _check(host: str, user: str | None, timeout_s: float, command: str) -> str:
    pipe = asyncio.subprocess.PIPE
    try:
        extra = await host_key_option(host, user)
        argv = ssh_argv(host, user, timeout_s, command, extra)
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True, env=ssh_environment()
        )
    except NameRefused as e:
        return str(e)
    except OSError as e:
        return f"cannot start ssh: {e.strerror or e}"
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout_s)
    except asyncio.TimeoutError:
        await end(process)
        return f"no answer over ssh within {timeout_s:g} s; is it up? (--ssh-timeout)"
    return judge(process.returncode or 0, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def judge(code: int, out: str, err: str) -> str:
    """What an answer means; "" when all is well."""
    said = [line for line in out.splitlines() if line.startswith(_DONE)]
    if said:
        version = said[0][len(_DONE) :].strip()
        return "" if version == __version__ else f"has mpi_collector {printable(version)}, this host {__version__}"
    last = printable((err.strip().splitlines() or ["no reason given"])[-1])
    if code == 255:
        return f"cannot be reached over ssh: {last}"
    if code in (126, 127):
        return f"has no {sys.executable}: install the same environment there, or use --transport ssh"
    return f"{sys.executable} there cannot run mpi_collector ({last}): install the same environment, or use --transport ssh"
