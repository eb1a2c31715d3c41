"""How ssh is called: the site's configuration stays in force, nothing ever prompts, no name becomes an option."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

from mpi_collector.errors import HostNameError
from mpi_collector.transport.hosts.names import valid_host, valid_user
from mpi_collector.transport.session import end

_OPTIONS = (
    "BatchMode=yes", "ControlMaster=no", "ControlPath=none", "ClearAllForwardings=yes", "RequestTTY=no",
    "RemoteCommand=none", "ForwardAgent=no", "ForwardX11=no", "PermitLocalCommand=no", "ServerAliveInterval=10",
    "ServerAliveCountMax=3", "LogLevel=ERROR",
)  # fmt: skip
_CONFIG_S = 10.0
#: with one of these ssh asks in a window what it must not ask on a terminal
_WINDOWS = ("SSH_ASKPASS", "DISPLAY", "WAYLAND_DISPLAY")


def checked_host(name: str) -> str:
    """``name`` if it is a host name or an address and nothing else. HostNameError otherwise."""
    if not valid_host(name):
        raise HostNameError(f"{name!r} is no host name")
    return name


def checked_user(name: str) -> str:
    """``name`` if it is a plausible user name. HostNameError otherwise."""
    if not valid_user(name):
        raise HostNameError(f"{name!r} is no user name")
    return name


def ssh_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """For ssh: BatchMode is not handed on to the ssh that leads to a jump host, which would ask in a window."""
    kept = {k: v for k, v in environ.items() if k not in _WINDOWS}
    return {**kept, "SSH_ASKPASS_REQUIRE": "never"}


def ssh_argv(
    host: str, user: str | None, timeout_s: float, command: str, extra: Sequence[str] = ()
) -> list[str]:
    """The argument vector of one ssh session that runs ``command`` (a constant of ours) on ``host``."""
    argv = ["ssh", "-T", "-x", "-a"]
    for option in (*_OPTIONS, f"ConnectTimeout={max(1, round(timeout_s))}", *extra):
        argv += ["-o", option]
    if user is not None:
        argv += ["-l", checked_user(user)]
    return [*argv, "--", checked_host(host), command]


async def host_key_option(host: str, user: str | None) -> tuple[str, ...]:
    """``accept-new`` where the site would ask, which BatchMode turns into a refusal; a stricter site stays strict."""
    argv = ["ssh", "-G", *(["-l", checked_user(user)] if user else []), "--", checked_host(host)]
    null, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=null, stdout=pipe, stderr=null, start_new_session=True
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), _CONFIG_S)
    except asyncio.TimeoutError:  # "Match exec" may run anything
        await end(process)
        return ()
    settings = dict(
        line.partition(" ")[::2] for line in out.decode("utf-8", "replace").lower().splitlines()
    )
    return (
        ("StrictHostKeyChecking=accept-new",)
        if settings.get("stricthostkeychecking") == "ask"
        else ()
    )
