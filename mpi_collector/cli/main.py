"""Which verb, and its module. Nothing here imports numpy or MPI."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from mpi_collector._version import __version__
from mpi_collector.transport.launch.detect import detect, may_print

_EPILOG = """\
examples:
  mpirun -np 4 --hostfile hosts python -m mpi_collector --duration 600
  mpirun -np 4 --hostfile hosts python -m mpi_collector -- ./benchmark --size 10G
  python -m mpi_collector --timeseries-interval 1 -- fio job.fio      # this host alone
  python -m mpi_collector stop                                        # end the run from another shell

"collect" is the verb when none is given. Every verb has --help.
"""

_LIFE_CYCLE = ("training", "checkpointing", "kvcache", "vectordb")
_OF_RANKS = ("collect", "recover")  #: verbs that the ranks of a launch do together
_OF_ANYBODY = ("stop", "mark")  #: a rank of somebody's program may have its own reason


def _verbs() -> dict[str, Callable[[Sequence[str]], int]]:
    from functools import partial

    from mpi_collector.cli import (
        benchmark,
        check,
        collect,
        compare,
        control,
        export,
        recover,
        report,
        snapshot,
        sources,
        summary,
    )

    life_cycle = {verb: partial(benchmark.main, verb) for verb in _LIFE_CYCLE}
    own = {
        "snapshot": snapshot.main,
        "check": check.main,
        "stop": control.stop,
        "mark": control.mark,
        "recover": recover.main,
        "summary": summary.main,
        "report": report.main,
        "compare": compare.main,
        "export": export.main,
        "sources": sources.main,
    }
    return {"collect": collect.main, **life_cycle, **own}


def _of_one_rank(verb: str, words: Sequence[str]) -> int | None:
    """The exit code of a rank that has nothing to do; None for one that has."""
    launch = detect()
    if launch is None or launch.size == 1 or verb in (*_OF_RANKS, *_OF_ANYBODY):
        return None
    if verb in _LIFE_CYCLE and not {"-h", "--help"} & set(words):
        if launch.rank == 0:
            print(f"mpi_collector: {verb} starts COMMAND once, from the launch node, and not on each of {launch.size} ranks: "
                  f"leave the launcher ({launch.launcher}) out, or record with collect", file=sys.stderr)  # fmt: skip
        return 2
    return None if launch.rank == 0 else 0


def _have_streams() -> None:
    """Those that we were started without: words of ours go nowhere then, and not into some file that got the number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - as long as the process


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    _have_streams()
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:  # before anything was started, or of a verb that has nothing to save
        return 130


def _run(words: list[str]) -> int:
    verbs = _verbs()
    if words and words[0] in verbs:
        code = _of_one_rank(words[0], words[1:])
        if code is not None:
            return code
        return verbs[words[0]](words[1:])
    if words and words[0] in ("-h", "--help", "help"):
        if may_print():
            print(
                f"usage: mpi_collector [{'|'.join(verbs)}] [OPTIONS] [-- COMMAND ...]\n\n{_EPILOG}",
                end="",
            )
        return 0
    if words and words[0] == "--version":
        if may_print():
            print(f"mpi_collector {__version__}")
        return 0
    if words and not words[0].startswith("-"):
        if may_print():
            print(f"mpi_collector: there is no verb {words[0]!r}; there are {', '.join(verbs)}. "
                  "A COMMAND to record goes behind --", file=sys.stderr)  # fmt: skip
        return 2
    return verbs["collect"](words)
