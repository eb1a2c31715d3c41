"""What the options of a verb that records mean for the sampling."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from mpi_collector.cli.working_directory import absolute
from mpi_collector.node.knobs import file_system_root
from mpi_collector.node.options import SamplingOptions

_ONLY_ONCE_S = 1e8  #: an interval that no run reaches the end of
_DIRECTORIES_MAX = 16
_PATH_MAX = 4096
#: devices and files of the kernel lie on no file system that holds data
_NO_DATA = re.compile(r"/(dev(?!/shm(/|$))|proc|sys)(/|$)")


def sampling_options(args: argparse.Namespace) -> SamplingOptions:
    """Return the options of the nodes.

    With --skip-timeseries the nodes take a first and a last row without columns: the snapshots come
    with these.
    """
    skip = args.skip_timeseries
    return SamplingOptions(
        interval_s=_ONLY_ONCE_S if skip else args.timeseries_interval,
        max_samples=args.max_timeseries_samples,
        when_full=args.when_full,
        sources="none" if skip else args.sources,
        directories=directories_of(args.results_dir, args.command),
        duration_s=getattr(args, "duration", None),
        spool_dir=args.spool_dir,
        max_spool_mb=args.max_spool_mb,
        keep_spools=args.keep_spools,
        keep_spool_days=args.keep_spool_days,
        # agents have another working directory
        rescue_dir=str(absolute(Path(args.rescue_dir))) if args.rescue_dir else None,
        start_timeout_s=args.start_timeout,
        gather_timeout_s=args.gather_timeout,
        replicate_s=args.replicate,
        live_s=live_interval_s(args),
        root=file_system_root(),
    )


def live_interval_s(args: argparse.Namespace) -> float:
    """Return the interval of live vectors, no shorter than that of samples; 0: there are none."""
    if not args.live or args.skip_timeseries:
        return 0.0
    return float(max(args.live, args.timeseries_interval))


def directories_of(results_dir: Path, command: Sequence[str]) -> tuple[str, ...]:
    """Return the results directory and those that COMMAND names: where the data lies, most likely.

    A directory may be a word of COMMAND or stand behind its "=". A file counts as the directory it
    is in. A path that does not exist here may exist on the hosts, and counts as it is.
    """
    found = {str(absolute(results_dir)): None}
    for word in _words(command[1:]):
        name, equals, value = word.partition("=")
        is_value = bool(equals)
        part = value if equals and not name.startswith("/") else word
        if directory := _directory(part, is_value):
            found[directory] = None
    return tuple(found)[:_DIRECTORIES_MAX]


def _words(command: Sequence[str]) -> Iterator[str]:
    """Yield the words of COMMAND, and those of a text for a shell (``sh -c 'fio ...; rm ...'``)."""
    for word in command:
        text = word.partition("=")[0]
        if not any(map(str.isspace, text)) or text.startswith("/") or os.path.isdir(word):
            yield word
            continue
        try:
            yield from shlex.split(re.sub(r"[;&|<>()]+", " ", word))
        except ValueError:  # a quotation mark is not closed
            yield from word.split()


def _directory(word: str, is_value: bool) -> str | None:
    """Return the directory that a word means, None when it means none."""
    if not 0 < len(word) < _PATH_MAX or "\0" in word or not (is_value or "/" in word):
        return None
    if os.path.isdir(word):
        return os.path.abspath(word)
    is_program = os.path.isfile(word) and os.access(word, os.X_OK)
    if not word.startswith("/") or is_program:
        return None
    path = os.path.normpath(word)
    if _NO_DATA.match(path):
        return None
    above = os.path.dirname(path)
    if os.path.isdir(above) and above != "/":
        return above
    return path if is_value else None
