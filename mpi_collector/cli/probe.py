"""``probe``: what storage, one core and memory can do, for ``why --ceilings``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mpi_collector.benchmark.console import print_message
from mpi_collector.benchmark.exit_codes import OK
from mpi_collector.cli.parser import make_parser
from mpi_collector.cli.result import explain_errors, new_file, standard_output

_EPILOG = """\
examples:
  mpi_collector probe /mnt/nvme -o ceilings.json
  mpi_collector why results --ceilings ceilings.json

It takes five seconds and reads and writes as fast as it can, past the page cache: not while a job
runs. Its file has no name and takes at most 8 GiB and a quarter of the free space.
"""


@explain_errors
def main(words: Sequence[str]) -> int:
    """Print what was measured as JSON; MISTAKE where the directory cannot be probed."""
    parser = make_parser("probe", __doc__, _EPILOG)
    parser.add_argument("directory", type=Path, metavar="DIR", help="on the storage under test")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="instead of stdout; never overwritten"
    )
    args = parser.parse_args(words)
    from mpi_collector.output.new_file import create
    from mpi_collector.why.probe import SECONDS, probe

    print_message(f"probing {args.directory}: {SECONDS:g} s")
    text = json.dumps(probe(args.directory), indent=1, allow_nan=False) + "\n"
    if args.output is None:
        with standard_output() as out:
            out.write(text)
    else:
        with new_file(args.output), create(args.output) as f:
            f.write(text.encode())
    return OK
