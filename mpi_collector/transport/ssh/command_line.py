"""The command line of ssh: the site's configuration applies, nothing prompts."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache

from mpi_collector.errors import HostNameError
from mpi_collector.transport.hosts.names import HostSpec, valid_host, valid_user
from mpi_collector.transport.subprocesses import end_process

#: ssh_config(5). A host that does not answer for two intervals is lost
_OPTIONS = (
    "BatchMode=yes",
    "ControlMaster=no",
    "ControlPath=none",
    "ClearAllForwardings=yes",
    "RequestTTY=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "ServerAliveInterval=4",
    "ServerAliveCountMax=1",
    "LogLevel=ERROR",
)
_CONFIG_S = 10.0
_VERSION_S = 5.0
_FIRST_WITH_ACCEPT_NEW = (7, 6)
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
    host: HostSpec, user: str | None, timeout_s: float, command: str, extra: Sequence[str] = ()
) -> list[str]:
    """Return the arguments of one ssh session that runs ``command`` on ``host``.

    user: on hosts that are not named with one. command: a constant of ours, since the remote shell
    interprets it. extra: further ``-o`` options.
    """
    argv = ["ssh", "-T", "-x", "-a"]
    for option in (*_OPTIONS, f"ConnectTimeout={max(1, round(timeout_s))}", *extra):
        argv += ["-o", option]
    return [*argv, *_destination(host, user), command]


def _destination(host: HostSpec, user: str | None) -> list[str]:
    """Return user, port and name of a host as arguments of ssh. Raise HostNameError."""
    user = host.user or user
    return [
        *(["-l", checked_user(user)] if user is not None else []),
        *(["-p", str(host.port)] if host.port is not None else []),
        "--",
        checked_host(host.name),
    ]


async def site_options(host: HostSpec, user: str | None) -> tuple[str, ...]:
    """Return the options that the site's own configuration of a host (``ssh -G``) makes necessary.

    BatchMode would turn StrictHostKeyChecking ``ask`` into a refusal: ``accept-new`` where ssh
    knows that. A stricter site stays strict. A configured RemoteCommand contradicts a command of
    ours; it is switched off only where there is one, since OpenSSH before 7.6 does not know the
    option, and IgnoreUnknown on the command line would replace that of the configuration.
    """
    process = await asyncio.create_subprocess_exec(
        *("ssh", "-G", *_destination(host, user)),
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
    options = []
    if settings.get("remotecommand", "none") != "none":
        options.append("RemoteCommand=none")
    if settings.get("stricthostkeychecking") == "ask" and accepts_new_keys():
        options.append("StrictHostKeyChecking=accept-new")
    return tuple(options)


@cache
def accepts_new_keys() -> bool:
    """Return whether ssh knows ``accept-new``: OpenSSH 7.6 and newer, and what is not OpenSSH."""
    try:
        done = subprocess.run(
            ["ssh", "-V"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_VERSION_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return True
    version = re.search(rb"OpenSSH_(\d+)\.(\d+)", done.stderr + done.stdout)
    return version is None or (int(version[1]), int(version[2])) >= _FIRST_WITH_ACCEPT_NEW
