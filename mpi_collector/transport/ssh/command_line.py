"""The command line of ssh: the site's configuration applies, nothing prompts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

from mpi_collector.errors import HostNameError
from mpi_collector.transport.hosts.names import valid_host, valid_user
from mpi_collector.transport.session import end_process

#: ssh_config(5)
_OPTIONS = (
    "BatchMode=yes",
    "ControlMaster=no",
    "ControlPath=none",
    "ClearAllForwardings=yes",
    "RequestTTY=no",
    "RemoteCommand=none",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "ServerAliveInterval=10",
    "ServerAliveCountMax=3",
    "LogLevel=ERROR",
)
_CONFIG_S = 10.0
#: variables that make ssh ask in a window what it must not ask on a terminal
_WINDOW_VARIABLES = ("SSH_ASKPASS", "DISPLAY", "WAYLAND_DISPLAY")


def checked_host(name: str) -> str:
    """Return ``name`` if it is a host name or an address. Raise HostNameError otherwise."""
    if not valid_host(name):
        raise HostNameError(f"{name!r} is not a host name")
    return name


def checked_user(name: str) -> str:
    """Return ``name`` if it is a plausible user name. Raise HostNameError otherwise."""
    if not valid_user(name):
        raise HostNameError(f"{name!r} is not a user name")
    return name


def ssh_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of ssh, in which no program asks in a window.

    BatchMode is not passed on to the ssh that connects to a jump host.
    """
    kept = {k: v for k, v in environ.items() if k not in _WINDOW_VARIABLES}
    return {**kept, "SSH_ASKPASS_REQUIRE": "never"}


def ssh_argv(
    host: str, user: str | None, timeout_s: float, command: str, extra: Sequence[str] = ()
) -> list[str]:
    """Return the arguments of one ssh session that runs ``command`` on ``host``.

    command: a constant of ours, since the remote shell interprets it. extra: further ``-o``
    options.
    """
    argv = ["ssh", "-T", "-x", "-a"]
    for option in (*_OPTIONS, f"ConnectTimeout={max(1, round(timeout_s))}", *extra):
        argv += ["-o", option]
    if user is not None:
        argv += ["-l", checked_user(user)]
    return [*argv, "--", checked_host(host), command]


async def host_key_option(host: str, user: str | None) -> tuple[str, ...]:
    """Return the option ``accept-new`` where the site's configuration says ``ask``.

    BatchMode would turn ``ask`` into a refusal. A stricter site stays strict.
    """
    argv = ["ssh", "-G", *(["-l", checked_user(user)] if user else []), "--", checked_host(host)]
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), _CONFIG_S)
    except asyncio.TimeoutError:  # "Match exec" may run anything
        await end_process(process)
        return ()
    lines = out.decode("utf-8", "replace").lower().splitlines()
    settings = dict(line.partition(" ")[::2] for line in lines)
    if settings.get("stricthostkeychecking") != "ask":
        return ()
    return ("StrictHostKeyChecking=accept-new",)
