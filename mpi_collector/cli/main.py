"""Which verb, and its module. Nothing here imports numpy or MPI."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from mpi_collector import __version__
from mpi_collector.transport.launcher import speaks

_EPILOG = """\
examples:
  mpirun -np 4 --hostfile hosts python -m mpi_collector --duration 600
  mpirun -np 4 --hostfile hosts python -m mpi_collector -- ./benchmark --size 10G
  python -m mpi_collector --timeseries-interval 1 -- fio job.fio      # this host alone
  python -m mpi_collector stop                                        # end the run from another shell

"collect" is the verb when none is given. Every verb has --help.
"""


class QuietParser(argparse.ArgumentParser):
    """Exit code 2 on every rank, words from one of them only."""

    def error(self, message: str) -> NoReturn:
        if speaks():
            print(f"mpi_collector: {message}; see {self.prog} --help", file=sys.stderr)
        sys.exit(2)

    def print_help(self, file: object = None) -> None:
        if speaks():
            super().print_help(file)  # type: ignore[arg-type]


def _verbs() -> dict[str, Callable[[Sequence[str]], int]]:
    from functools import partial

    from mpi_collector.cli import benchmark, check, collect, compare, control, export, recover, report, snapshot, sources, summary

    life_cycle = {verb: partial(benchmark.main, verb) for verb in ("training", "checkpointing", "kvcache", "vectordb")}
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:  # before anything was started, or of a verb that has nothing to save
        return 130


def _run(words: list[str]) -> int:
    verbs = _verbs()
    if words and words[0] in verbs:
        return verbs[words[0]](words[1:])
    if words and words[0] in ("-h", "--help", "help"):
        if speaks():
            print(f"usage: mpi_collector [{'|'.join(verbs)}] [OPTIONS] [-- COMMAND ...]\n\n{_EPILOG}", end="")
        return 0
    if words and words[0] == "--version":
        if speaks():
            print(f"mpi_collector {__version__}")
        return 0
    if words and not words[0].startswith("-"):
        if speaks():
            print(f"mpi_collector: there is no verb {words[0]!r}; there are {', '.join(verbs)}. "
                  "A COMMAND to record goes behind --", file=sys.stderr)  # fmt: skip
        return 2
    return verbs["collect"](words)
