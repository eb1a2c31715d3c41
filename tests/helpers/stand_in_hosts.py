"""Hosts that are processes of this machine: a program named ssh runs the command in namespaces of its own.

Each has its own network, hence another identity, and its own /dev/shm, as another host has.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

#: what ``ssh [OPTIONS] -- HOST COMMAND`` does; a host named ... .invalid does not exist
_SSH = """#!/bin/sh
[ "$1" = -V ] && {{ echo OpenSSH_9.2p1 >&2; exit 0; }}
for word; do [ "$word" = -G ] && exit 0; done
while [ "$1" != -- ]; do shift; done
case $2 in *.invalid) echo "ssh: Could not resolve hostname $2: Name or service not known" >&2; exit 255;; esac
[ -e "{directory}/$2.down" ] && {{ echo "ssh: connect to host $2 port 22: No route to host" >&2; exit 255; }}
exec unshare {options} sh -c '
    readlink /proc/self/ns/net > "$0" && mount -t tmpfs tmpfs /dev/shm && exec sh -c "$1"
' "{directory}/$2.$$.namespace" "$3"
"""


def unshare_options() -> str:
    return "-nm" if os.getuid() == 0 else "-rnm"


def missing() -> str:
    """Why there can be no such hosts here, "" when there can."""
    try:
        words = ["unshare", unshare_options(), "mount", "-t", "tmpfs", "tmpfs", "/dev/shm"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as e:
        return f"no unshare: {e}"
    return f"no namespaces: {done.stderr.strip()}" if done.returncode else ""


class StandInHosts:
    """The hosts that have been reached so far; ``bin``: where their ssh is."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.bin = directory / "bin"
        self.bin.mkdir()
        program = self.bin / "ssh"
        program.write_text(_SSH.format(directory=directory, options=unshare_options()))
        program.chmod(0o755)
        python = self.bin / "python3"  # what $PATH has may be a wrapper that takes seconds
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)

    def processes(self, host: str = "*") -> list[int]:
        """What runs on ``host``, or on all of them."""
        wanted = {p.read_text().strip() for p in self._directory.glob(f"{host}.*.namespace")}
        found = []
        for name in os.listdir("/proc"):
            with suppress(OSError):
                if name.isdigit() and os.readlink(f"/proc/{name}/ns/net") in wanted:
                    found.append(int(name))
        return found

    def power_off(self, host: str) -> None:
        """End everything on ``host`` at once, and let it be reached no more."""
        (self._directory / f"{host}.down").touch()
        self._signal(host, signal.SIGKILL)

    def freeze(self, host: str) -> None:
        """Let ``host`` answer nothing any more, its connections stay."""
        self._signal(host, signal.SIGSTOP)

    def _signal(self, host: str, number: int) -> None:
        for pid in self.processes(host):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def close(self) -> None:
        self._signal("*", signal.SIGKILL)
