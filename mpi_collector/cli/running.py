"""Active runs: found by their marker beside the results and by their spools on this host."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mpi_collector.benchmark.environment import RUN_VARIABLE
from mpi_collector.benchmark.plan import CollectPlan
from mpi_collector.benchmark.suite_run import run_directories, suite_results
from mpi_collector.cli.result import Mistake
from mpi_collector.formats.live_document import LIVE_DOCUMENT
from mpi_collector.node.errors import FormError
from mpi_collector.node.host.identity import boot_id
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.regular_file import read_own
from mpi_collector.node.spool.directory import RunDirectory
from mpi_collector.output.files import RUN_SUFFIX, may_be_locked
from mpi_collector.transport.door import ask, read_address, ring

_MARKER_BYTES = 1 << 16


@dataclass
class FoundRun:
    """A run and the files by which it can be reached, that of the spool's directory last."""

    name: str
    stop_requests: list[Path] = field(default_factory=list)
    alive: bool = False  #: a process of it holds a lock that can be seen from here
    in_program: bool = False  #: a Python program records itself: its block ends the run
    elsewhere: bool = False  #: it was started on another host, whose locks may not be seen here

    @property
    def marks_file(self) -> Path:
        """Where marks go: beside the spool if this host has one, else beside the results."""
        request = self.stop_requests[-1]
        directory = _spool_directory(request)
        return request.with_suffix(".marks") if directory is None else Path(directory.marks_path)

    def ring(self, limit_s: float) -> bool:
        """Have the run look at its requests and marks; return whether it has heard that."""
        return any(ring(address, limit_s) for address in self._addresses())

    def live(self, limit_s: float) -> dict[str, Any] | None:
        """Return the live document of the run, checked; None when no door gives one in time."""
        for address in self._addresses():
            found = ask(address, limit_s)
            if found is not None:
                try:
                    LIVE_DOCUMENT.check(found)
                except FormError as e:
                    raise Mistake(f"{self.name} sent what this version cannot read: {e}") from e
                return found
        return None

    def _addresses(self) -> Iterator[dict[str, Any]]:
        """Yield the addresses of the doors that are known, that of this host first."""
        for request in reversed(self.stop_requests):
            directory = _spool_directory(request)
            path = request.with_suffix(".door") if directory is None else Path(directory.door_path)
            try:
                address = read_address(path, _owners(path))
            except OSError:  # the run has ended
                continue
            if address is not None:
                yield address


def _spool_directory(request: Path) -> RunDirectory | None:
    """Return the directory of spools that a request lies in; None: it lies beside the results."""
    directory = RunDirectory.of_spool(str(request))
    return directory if str(request) == directory.stop_path else None


def add_directory_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where to look for runs."""
    parser.add_argument(
        "--results-dir",
        type=Path,
        default=None,
        metavar="DIR",
        help=f"where the run writes its results (./{CollectPlan.results_dir})",
    )
    parser.add_argument(
        "--spool-dir",
        type=Path,
        default=Path(SamplingOptions.spool_dir),
        metavar="DIR",
        help="where it spools (%(default)s)",
    )


def find_runs(results_dir: Path, spool_dir: Path) -> dict[str, FoundRun]:
    """Return the runs that can be seen from here by name, those that are alive if any is.

    A run that died left its marker. But where no run seems alive, the locks may be on another host.
    """
    found: dict[str, FoundRun] = {}
    here = boot_id()
    for marker in _markers(results_dir):
        name, booted, in_program = _about(marker)
        if name:
            run = found.setdefault(name, FoundRun(name))
            run.stop_requests.append(
                marker.with_name(marker.name.removesuffix(RUN_SUFFIX) + ".stop")
            )
            run.alive |= may_be_locked(marker)
            run.in_program |= in_program
            run.elsewhere |= booted is None or booted != here
    for directory in RunDirectory.all_in(str(spool_dir)):
        run = found.setdefault(directory.run, FoundRun(directory.run))
        run.stop_requests.append(Path(directory.stop_path))
        spools = [Path(directory.spool_path(name)) for name in directory.spool_names()]
        run.alive |= any(may_be_locked(spool) for spool in spools)
    any_alive = any(run.alive for run in found.values())
    return {name: run for name, run in found.items() if run.alive or not any_alive}


def _markers(results_dir: Path) -> list[Path]:
    """Return the markers of runs in a results directory and one level down.

    Where there is none, those in run directories of the suite, which lie levels below.
    """
    name = f".mpi_collector_*{RUN_SUFFIX}"
    near = sorted([*results_dir.glob(name), *results_dir.glob(f"*/{name}")])
    return near or sorted(m for d in run_directories(results_dir) for m in d.glob(name))


def _owners(path: Path) -> tuple[int, ...]:
    """Return whose file ``path`` may be: root may end the runs of whose directory it is. OSError.

    That is beside this user and root.
    """
    return () if os.geteuid() else (os.stat(path.parent).st_uid,)


def _about(marker: Path) -> tuple[str, str | None, bool]:
    """Return the run that a marker names, the boot it was started in, and FoundRun.in_program.

    "" for a file that is no marker, or another user's.
    """
    try:
        about = json.loads(read_own(marker, _MARKER_BYTES, _owners(marker)))
        return str(about["run"]), about.get("boot_id"), about.get("in_program") is True
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", None, False


def find_one_run(args: argparse.Namespace, living: bool = False) -> FoundRun:
    """Return the run that a command line means; Mistake when that is none or several.

    ``living``: not one that is known to be dead.

    Inside COMMAND it is COMMAND's own run. With --results-dir it is a run that writes there; a
    directory that no run is seen to write to narrows nothing down.
    """
    found = find_runs(args.results_dir or CollectPlan.results_dir, args.spool_dir)
    if not found and args.results_dir is None:
        found = find_runs(suite_results(), args.spool_dir)
    runs = {name: run for name, run in found.items() if name.startswith(args.run)}
    if args.results_dir is not None:
        there = {
            name: run
            for name, run in runs.items()
            if any(args.results_dir in request.parents for request in run.stop_requests)
        }
        runs = there or runs
    own = os.environ.get(RUN_VARIABLE, "")
    if not args.run and own in runs:
        return runs[own]
    if living:
        dead = [name for name, run in runs.items() if not (run.alive or run.elsewhere)]
        runs = {name: run for name, run in runs.items() if name not in dead}
        if dead and not runs:
            raise Mistake(
                f"{', '.join(dead)} has ended without its files: mpi_collector recover makes them, "
                "then mark --at TIME FILE TEXT"
            )
    if not runs:
        raise Mistake("no such run; is --results-dir right?")
    if len(runs) > 1:
        raise Mistake(f"several runs match: {', '.join(runs)}; name one")
    return next(iter(runs.values()))
