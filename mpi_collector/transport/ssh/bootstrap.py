"""The ``node`` package as one message that a bare Python reads from stdin.

Nothing is installed on a host.

The remote shell, whichever it is, gets one constant command: find a Python 3.6 or newer, and let it
read the rest.
"""

from __future__ import annotations

import json
import zlib
from functools import cache
from pathlib import Path

import mpi_collector.node
from mpi_collector.transport.failures import BEGIN_MARK

PACKAGE = "mpi_collector_node"

#: tried in this order; RHEL 8 has platform-python where no python3 is installed
_PYTHONS = (
    "python3",
    "/usr/libexec/platform-python",
    *(f"python3.{minor}" for minor in range(19, 5, -1)),
    "/usr/local/bin/python3",
)
NO_PYTHON = "mpi_collector: no python3, 3.6 or newer, on this host"

# What is called python3 may be 3.4, or a wrapper without an interpreter: this tells, without
# reading stdin.
_FIT = "import sys;sys.exit(sys.version_info<(3,6))"
# Reads eight digits, then as many bytes, and runs them. Contains no quote and nothing that a shell,
# csh included, expands.
_READ = (
    "import os,sys;"
    "r=lambda n:n and (lambda d:d+r(n-len(d)))(os.read(0,n) or sys.exit(1)) or bytes();"
    "exec(r(int(r(8))))"
)

# Runs first on the host: an importer for modules that exist only in memory, then the agent.
_LOADER = """
import sys, os, json, zlib, importlib.util, importlib.abc
def _exactly(n):
    out = b""
    while len(out) < n:
        more = os.read(0, n - len(out))
        if not more:
            sys.exit("the connection closed before the agent had arrived")
        out += more
    return out
class _Memory(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, sources):
        self.sources = sources
    def find_spec(self, name, path=None, target=None):
        if name in self.sources:
            return importlib.util.spec_from_loader(name, self, is_package=self.sources[name][0])
    def exec_module(self, module):
        source = self.sources[module.__name__][1]
        exec(compile(source, "<" + module.__name__ + ">", "exec"), module.__dict__)
    def get_source(self, name):
        return self.sources[name][1]
_head = json.loads(_exactly(int(_exactly(8))).decode())
sys.meta_path.insert(0, _Memory(json.loads(zlib.decompress(_exactly(_head["size"])).decode())))
from mpi_collector_node.agent import start
start.main(_head["run"], _head["key"], _head["orphan_s"])
"""


def remote_command() -> str:
    """Return the command for the remote shell.

    A constant: no host name, user name or option is part of it.
    """
    tries = " ".join(_PYTHONS)
    # isolated: nothing of the home directory, where the session begins, is taken for a module
    fit = f'$p -I -S -c "{_FIT}" </dev/null >/dev/null 2>&1'
    start = f'exec $p -u -I -c "{_READ}"'
    search = f"for p in {tries}; do if {fit}; then {start}; fi; done"
    script = f"echo {BEGIN_MARK}; {search}; echo {NO_PYTHON} >&2; exit 127"
    return f"exec sh -c '{script}'"  # whatever the login shell is


@cache
def _package() -> bytes:
    package = Path(mpi_collector.node.__file__).parent
    sources: dict[str, tuple[bool, str]] = {}
    for path in sorted(package.rglob("*.py")):
        parts = [PACKAGE, *path.relative_to(package).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        sources[".".join(parts)] = (path.name == "__init__.py", path.read_text(encoding="utf-8"))
    return zlib.compress(json.dumps(sources).encode(), 9)


def preamble(run: str, key: str, orphan_s: float) -> tuple[bytes, ...]:
    """Return what is written to a session before its first frame.

    That is the loader, the name of the agent, and the package.

    In two pieces, of which the second, large one is the same object for all hosts.
    """
    loader = _LOADER.encode()
    package = _package()
    head = json.dumps({"run": run, "key": key, "orphan_s": orphan_s, "size": len(package)}).encode()
    return b"%08d%b%08d%b" % (len(loader), loader, len(head), head), package
