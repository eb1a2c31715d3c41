"""The command line: finds the verb and its module. Nothing here imports numpy or MPI."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import NoReturn

from mpi_collector._version import __version__
from mpi_collector.benchmark.exit_codes import FAILED, INTERRUPTED, MISTAKE, OK
from mpi_collector.benchmark.inherited import note_inherited
from mpi_collector.cli.last_resort import run_job_alone
from mpi_collector.cli.result import flush_stdout, standard_output
from mpi_collector.cli.standard_error import queued_stderr
from mpi_collector.cli.working_directory import refuse_without_directory
from mpi_collector.transport.launch.detect import Launch, detect, may_print
from mpi_collector.transport.limits import notice_child_exits

_EPILOG = """\
examples:
  mpirun -np 4 --hostfile hosts python -m mpi_collector --duration 600
  mpirun -np 4 --hostfile hosts python -m mpi_collector -- ./benchmark --size 10G
  python -m mpi_collector --timeseries-interval 1 -- fio job.fio  # this host alone
  python -m mpi_collector stop                                    # end the run from another shell

"collect" is the verb when none is given. Every verb has --help.
"""

Verb = Callable[[Sequence[str]], int]  #: takes the words behind the verb, returns the exit code

_LIFE_CYCLE = ("training", "checkpointing", "kvcache", "vectordb")
_HELP = ("-h", "--help", "help")
_OF_RANKS = ("collect", "recover")  #: verbs that the ranks of a launch do together
_OF_ANYBODY = ("stop", "mark")  #: verbs that every rank of somebody's program may use


#: module of ``mpi_collector.cli`` and function of every verb
_VERBS = {
    "collect": ("collect", "main"),
    **dict.fromkeys(_LIFE_CYCLE, ("benchmark", "main")),
    "mlpstorage": ("mlpstorage", "main"),
    "snapshot": ("snapshot", "main"),
    "check": ("check", "main"),
    "stop": ("control", "stop"),
    "mark": ("control", "mark"),
    "recover": ("recover", "main"),
    "top": ("top", "main"),
    "summary": ("summary", "main"),
    "why": ("why", "main"),
    "probe": ("probe", "main"),
    "report": ("report", "main"),
    "compare": ("compare", "main"),
    "export": ("export", "main"),
    "sources": ("sources", "main"),
}


def all_verbs() -> dict[str, Verb]:
    """Return every verb by its name."""
    return {name: _load(name) for name in _VERBS}


def _load(name: str) -> Verb:
    """Import the module of a verb; those of the others cost time at every start."""
    module, function = _VERBS[name]
    verb: Callable[..., int] = getattr(import_module(f"mpi_collector.cli.{module}"), function)
    return partial(verb, name) if name in _LIFE_CYCLE else verb


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    note_inherited()
    _replace_missing_streams()
    notice_child_exits()
    with queued_stderr():
        try:
            return _run(list(sys.argv[1:] if argv is None else argv))
        except KeyboardInterrupt:  # before anything started, or in a verb with nothing to save
            return INTERRUPTED
        except Exception:  # noqa: BLE001 - reported while stderr is one that cannot block
            traceback.print_exc()
            return FAILED
        finally:
            flush_stdout()


def program() -> NoReturn:
    """Be the program: run the command line of this process, and end with its exit code."""
    code = main()
    if any(t is not threading.main_thread() and not t.daemon for t in threading.enumerate()):
        os._exit(code)  # the interpreter would wait for a thread that nobody has ended
    sys.exit(code)


def _replace_missing_streams() -> None:
    """Open /dev/null for each standard stream that this process was started without.

    Otherwise a message of ours could land in a file that got the stream's number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - as long as the process


def _run(words: list[str]) -> int:
    first = words[0] if words else ""
    try:
        verb = (
            _load(first) if first in _VERBS else _load("collect") if _means_collect(first) else None
        )
    except Exception as e:  # noqa: BLE001 - an installation that is broken, whatever it is
        return run_job_alone(words, e)
    if (refused := refuse_without_directory(words)) is not None:
        return refused
    if verb is not None and first in _VERBS:
        code = _code_without_work(first, words[1:])
        return verb(words[1:]) if code is None else code
    if verb is not None:
        return verb(words)
    if first in _HELP:
        usage = f"usage: mpi_collector [{'|'.join(_VERBS)}] [OPTIONS] [-- COMMAND ...]"
        _print_once(f"{usage}\n\n{_EPILOG.rstrip()}")
        return OK
    if first == "--version":
        _print_once(f"mpi_collector {__version__}")
        return OK
    if may_print():
        print(
            f"mpi_collector: there is no verb {first!r}; choose from {', '.join(_VERBS)}. "
            "A COMMAND to record goes after --",
            file=sys.stderr,
        )
    return MISTAKE


def _means_collect(first: str) -> bool:
    """Return whether words that begin with ``first``, which is no verb, are those of collect."""
    return first not in (*_HELP, "--version") and (not first or first.startswith("-"))


def _print_once(text: str) -> None:
    """Print on stdout, on one rank of a launch."""
    if may_print():
        with standard_output() as out:
            print(text, file=out)


def _code_without_work(verb: str, words: Sequence[str]) -> int | None:
    """Return the exit code of a rank that has nothing to do for ``verb``; None for one that has."""
    launch = detect()
    if launch is None or launch.size == 1 or verb in (*_OF_RANKS, *_OF_ANYBODY):
        return None
    if verb in (*_LIFE_CYCLE, "mlpstorage") and not {"-h", "--help"} & set(words):
        _refuse_life_cycle(verb, launch)
        return MISTAKE
    return None if launch.rank == 0 else OK


def _refuse_life_cycle(verb: str, launch: Launch) -> None:
    """Tell, on rank 0, that a benchmark verb is not started as ranks."""
    if launch.rank == 0:
        print(
            f"mpi_collector: {verb} starts COMMAND once, from the launch node, and not on each of "
            f"{launch.size} ranks: leave the launcher ({launch.launcher}) out, or record with "
            "collect",
            file=sys.stderr,
        )
