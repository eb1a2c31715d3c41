"""How ssh is called: the site's configuration stays in force, nothing ever prompts, no name becomes an option."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

_OPTIONS = (
    "BatchMode=yes", "ControlMaster=no", "ControlPath=none", "ClearAllForwardings=yes", "RequestTTY=no",
    "RemoteCommand=none", "ForwardAgent=no", "ForwardX11=no", "PermitLocalCommand=no", "ServerAliveInterval=10",
    "ServerAliveCountMax=3", "LogLevel=ERROR",
)  # fmt: skip
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@$-]{0,255}")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}|[0-9A-Fa-f:.]{2,45}(%[A-Za-z0-9_.-]{1,32})?")


class NameRefused(ValueError):
    """A host or user name that could be an option or shell text."""


def checked_host(name: str) -> str:
    """``name`` if it is a host name or an address and nothing else. NameRefused otherwise."""
    if not _HOST.fullmatch(name):
        raise NameRefused(f"{name!r} is no host name")
    return name


def checked_user(name: str) -> str:
    """``name`` if it is a plausible user name. NameRefused otherwise."""
    if not _USER.fullmatch(name):
        raise NameRefused(f"{name!r} is no user name")
    return name


def ssh_argv(host: str, user: str | None, timeout_s: float, command: str, extra: Sequence[str] = ()) -> list[str]:
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
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        out, _ = await asyncio.wait_for(process.communicate(), 10)
    except (OSError, asyncio.TimeoutError):
        return ()
    settings = dict(line.partition(" ")[::2] for line in out.decode("utf-8", "replace").lower().splitlines())
    return ("StrictHostKeyChecking=accept-new",) if settings.get("stricthostkeychecking") == "ask" else ()
