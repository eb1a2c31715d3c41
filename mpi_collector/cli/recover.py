"""``recover``: the files of a run whose processes died, from the spools they left."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mpi_collector.cli.main import QuietParser
from mpi_collector.node.spool import user_directory

_EPILOG = """\
examples:
  mpi_collector recover                          # list what there is on this host
  mpi_collector recover host_20260105_120000     # build its files, then remove its spools
"""


def spools(base: Path) -> dict[str, list[Path]]:
    """{run: spool files} under the user's spool directory."""
    if not base.is_dir():
        return {}
    others = ("stop", "marks")
    return {d.name: sorted(f for f in d.iterdir() if f.name not in others) for d in sorted(base.iterdir()) if d.is_dir()}


def main(words: Sequence[str]) -> int:
    """0 when everything asked for was recovered (or listed), 2 when there is nothing or a run is still alive."""
    parser = QuietParser(prog="mpi_collector recover", description=__doc__, epilog=_EPILOG, allow_abbrev=False,
                         formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("run", nargs="?", default="", help="name of the run, or its beginning; none: list the runs")
    parser.add_argument("--results-dir", type=Path, default=Path("results"), metavar="DIR", help="where the files go")
    parser.add_argument("--spool-dir", type=Path, default=Path("/dev/shm"), metavar="DIR", help="where the spools are")
    parser.add_argument("--keep", action="store_true", help="do not remove the spools")
    args = parser.parse_args(words)
    found = {r: f for r, f in spools(args.spool_dir / user_directory()).items() if r.startswith(args.run)}
    if not args.run:
        for run, files in found.items():
            print(f"{run}: {len(files)} host{'s' if len(files) != 1 else ''}: {', '.join(f.name for f in files)}")
        return 0
    if not any(found.values()):
        print(f"mpi_collector: no spool of {args.run} under {args.spool_dir} on {os.uname().nodename}", file=sys.stderr)
        return 2
    from mpi_collector.benchmark.recover import recover_run

    codes = [recover_run(run, files, args.results_dir, args.keep) for run, files in found.items() if files]
    return max(codes)
