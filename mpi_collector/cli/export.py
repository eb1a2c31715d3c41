"""``export``: a recording as csv, parquet, or the suite's JSON."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mpi_collector.benchmark.console import error_text, print_message
from mpi_collector.cli.parser import QuietParser

_EPILOG = """\
examples:
  mpi_collector export results --to csv                # of the newest run, beside its files
  mpi_collector export run.npz --to parquet --tidy -o run.parquet
  mpi_collector export results --to json               # the suite's file, when the run skipped it
"""
_ENDINGS = {"csv": "timeseries.csv", "parquet": "timeseries.parquet", "json": "timeseries.json"}


def main(words: Sequence[str]) -> int:
    """0, or 2 when there is no readable recording, a library is missing, or the file exists already."""
    parser = QuietParser(prog="mpi_collector export", description=__doc__, epilog=_EPILOG, allow_abbrev=False,
                         formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument(
        "path",
        type=Path,
        nargs="?",
        default=Path("results"),
        help="recording, or a results directory",
    )
    parser.add_argument("--to", choices=tuple(_ENDINGS), required=True, help="the format")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="file or directory; never overwritten"
    )
    parser.add_argument("--hosts", nargs="+", metavar="HOST", help="these hosts only")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument(
        "--wide",
        action="store_true",
        help="a row per host and time, a column per value (the default)",
    )
    shape.add_argument("--tidy", action="store_true", help="a row per value")
    args = parser.parse_args(words)
    from mpi_collector.errors import MissingLibraryError, RecordingError
    from mpi_collector.output.export import export
    from mpi_collector.store.load import load

    target = args.output
    try:
        with load(args.path) as recording:
            stem = (
                recording.path.name.removesuffix(".npz")
                .removesuffix(".json")
                .removesuffix("_timeseries")
            )
            target = target or recording.path.parent
            if target.is_dir():
                target = target / f"{stem}_{_ENDINGS[args.to]}"
            unknown = [h for h in args.hosts or () if h not in recording]
            if unknown:
                parser.error(
                    f"no host {', '.join(unknown)} in it; there are {', '.join(recording)}"
                )
            export(recording, args.to, target, args.hosts or list(recording), args.tidy)
    except FileExistsError:
        print_message(f"{target} exists already; choose another with -o")
        return 2
    except (RecordingError, MissingLibraryError, OSError) as e:
        print_message(error_text(e))
        return 2
    print_message(f"wrote {target}")
    return 0
