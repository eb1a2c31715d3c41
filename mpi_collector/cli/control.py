"""``stop``: end a run from another shell."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mpi_collector.cli.main import QuietParser
from mpi_collector.node.spool import user_directory
from mpi_collector.output.files import RUN_SUFFIX, held

_EPILOG = """\
examples:
  mpi_collector stop                                   # the only run that is on
  mpi_collector stop host_20260105_120000 --results-dir /shared/results
"""


def find_runs(results_dir: Path, spool_dir: Path) -> dict[str, list[Path]]:
    """{run name: [files to make to stop it]} of the runs that can be seen from here."""
    found: dict[str, list[Path]] = {}
    alive: set[str] = set()
    for marker in sorted(results_dir.glob(f".mpi_collector_*{RUN_SUFFIX}")):
        try:
            run = str(json.loads(marker.read_text())["run"])
        except (OSError, ValueError, KeyError):
            continue
        found.setdefault(run, []).append(marker.with_name(marker.name[: -len(RUN_SUFFIX)] + ".stop"))
        if held(marker):
            alive.add(run)
    base = spool_dir / user_directory()
    if base.is_dir():
        for directory in sorted(base.iterdir()):
            found.setdefault(directory.name, []).append(directory / "stop")
            if any(held(spool) for spool in directory.iterdir() if spool.name != "stop"):
                alive.add(directory.name)
    # what died left its marker; but if nothing seems alive, the locks may not be seen from here
    return {run: requests for run, requests in found.items() if run in alive or not alive}


def stop(words: Sequence[str]) -> int:
    """Ask a run to stop; 0 when the request was left, 2 when there is no such run or several."""
    parser = QuietParser(prog="mpi_collector stop", description=__doc__, epilog=_EPILOG, allow_abbrev=False,
                         formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("run", nargs="?", default="", help="name of the run, or its beginning")
    parser.add_argument("--results-dir", type=Path, default=Path("results"), metavar="DIR", help="where it writes to")
    parser.add_argument("--spool-dir", type=Path, default=Path("/dev/shm"), metavar="DIR", help="where it spools to")
    args = parser.parse_args(words)
    runs = {r: f for r, f in find_runs(args.results_dir, args.spool_dir).items() if r.startswith(args.run)}
    if len(runs) != 1:
        what = f"several runs match: {', '.join(runs)}; name one" if runs else "no such run; is --results-dir right?"
        print(f"mpi_collector: {what}", file=sys.stderr)
        return 2
    ((run, requests),) = runs.items()
    left = 0
    for request in requests:
        try:
            os.close(os.open(request, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))
            left += 1
        except OSError as e:
            print(f"mpi_collector: cannot make {request}: {e.strerror}", file=sys.stderr)
    if left:
        print(f"mpi_collector: asked {run} to stop", file=sys.stderr)
    return 0 if left else 2
