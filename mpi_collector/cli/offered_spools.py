"""Spools that ``recover`` found: grouped by run, listed, looked at for living writers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from mpi_collector.benchmark.console import print_message
from mpi_collector.cli.result import standard_output
from mpi_collector.terminal_text import LINE_CHARACTERS, safe_text

Spools = dict[str, list[dict[str, Any]]]  #: host ("": this one) -> what ``find_spools`` gives


@dataclass(frozen=True)
class OfferedSpool:
    """A spool on a host. ``directory``: the --spool-dir or --rescue-dir that it is under."""

    host: str
    directory: str
    run: str
    key: str
    size_bytes: int
    mtime: float
    alive: bool


def runs_of(found: Spools, prefix: str, spool_dir: str) -> dict[str, list[OfferedSpool]]:
    """Group the spools of all hosts by run, of the runs whose names begin with ``prefix``.

    A backup on a file system of many hosts is offered by each of them, and counts once.
    """
    runs: dict[str, list[OfferedSpool]] = {}
    seen = set()
    for host, spools in found.items():
        for s in spools:
            spool = OfferedSpool(
                host, s["dir"], s["run"], s["key"], s["bytes"], s["mtime"], s["alive"]
            )
            file = (spool.directory, spool.run, spool.key, spool.size_bytes, spool.mtime)
            shared = spool.directory != spool_dir and file in seen
            seen.add(file)
            if spool.run.startswith(prefix) and not shared:
                runs.setdefault(spool.run, []).append(spool)
    return runs


def list_runs(runs: dict[str, list[OfferedSpool]]) -> None:
    """Print a line about each run."""
    with standard_output() as out:
        for run, spools in sorted(runs.items()):
            print(safe_text(_line(run, spools), keep=LINE_CHARACTERS), file=out)


def still_alive(run: str, spools: list[OfferedSpool]) -> bool:
    """Report whether a process still writes one of the spools of ``run``.

    Nothing is taken from the other hosts either: what recover removes there would be in two pieces.
    """
    alive = list(dict.fromkeys(spool.host or spool.key for spool in spools if spool.alive))
    if alive:
        print_message(
            f"{run} is still alive on {', '.join(alive)}: wait until it has ended (within a minute "
            "once its launcher has), or leave out the hosts where it hangs"
        )
    return bool(alive)


def _line(run: str, spools: list[OfferedSpool]) -> str:
    keys = list(dict.fromkeys(spool.key for spool in spools))
    size_mb = sum(spool.size_bytes for spool in spools) / 1e6
    age_h = (time.time() - max(spool.mtime for spool in spools)) / 3600
    alive = " (still alive)" if any(spool.alive for spool in spools) else ""
    hosts = f"{len(keys)} host{'s' if len(keys) != 1 else ''}"
    return f"{run}: {hosts}: {', '.join(keys)}; {size_mb:.1f} MB, {age_h:.1f} h old{alive}"
