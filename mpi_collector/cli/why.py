"""``why``: what limited a run, with evidence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mpi_collector.benchmark.exit_codes import OK
from mpi_collector.cli.options import add_recording_argument
from mpi_collector.cli.parser import make_parser
from mpi_collector.cli.result import Mistake, explain_errors, standard_output

_EPILOG = """\
examples:
  mpi_collector why results
  mpi_collector why results --phase "epoch 2"
  mpi_collector why run.npz --json
  mpi_collector why results --ceilings ceilings.json    # see mpi_collector probe --help
"""


@explain_errors
def main(words: Sequence[str]) -> int:
    """Print what limited the run; OK also when nothing is known."""
    parser = make_parser("why", __doc__, _EPILOG)
    add_recording_argument(parser)
    parser.add_argument("--phase", metavar="NAME", help="only this phase")
    parser.add_argument("--host", metavar="HOST", help="only this host")
    parser.add_argument("--top", type=int, default=3, metavar="N", help="claims of each phase, 3")
    parser.add_argument(
        "--ceilings",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="what a device can do, measured with mpi_collector probe; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="for scripts, on stdout")
    args = parser.parse_args(words)
    from mpi_collector.report.text import TextWriter
    from mpi_collector.report.why_text import print_why
    from mpi_collector.store.load import load
    from mpi_collector.why.analysis import why
    from mpi_collector.why.ceilings import read_ceilings

    ceilings = [read_ceilings(path) for path in args.ceilings]
    with load(args.path) as recording, standard_output() as out:
        try:
            document = why(recording, phase=args.phase, host=args.host, ceilings=ceilings)
        except KeyError as e:
            raise Mistake(str(e.args[0])) from None
        if args.json:
            json.dump(document, out, indent=1, allow_nan=False)
            print(file=out)
        else:
            print_why(document, TextWriter(out), args.top)
    return OK
