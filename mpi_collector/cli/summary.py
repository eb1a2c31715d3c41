"""``summary``: the verdict and the figures of a recording."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mpi_collector.benchmark.exit_codes import OK
from mpi_collector.cli.options import add_recording_argument
from mpi_collector.cli.parser import make_parser
from mpi_collector.cli.result import explain_errors, standard_output

_EPILOG = """\
examples:
  mpi_collector summary results
  mpi_collector summary results --devices          # every disk, interface, mount, GPU and port
  mpi_collector summary run.npz --json
"""


@explain_errors
def main(words: Sequence[str]) -> int:
    """Print verdict and figures; MISTAKE when there is no readable recording."""
    parser = make_parser("summary", __doc__, _EPILOG)
    add_recording_argument(parser)
    parser.add_argument(
        "--devices", action="store_true", help="with the figures of every device; --json has them"
    )
    parser.add_argument("--json", action="store_true", help="for scripts, on stdout")
    args = parser.parse_args(words)
    from mpi_collector.report.summary import document, print_summary
    from mpi_collector.store.load import load

    with load(args.path) as recording, standard_output() as out:
        if args.json:
            json.dump(document(recording, devices=True), out, indent=1, allow_nan=False)
            print(file=out)
        else:
            print_summary(recording, out, most_hosts=None, devices=args.devices)
    return OK
