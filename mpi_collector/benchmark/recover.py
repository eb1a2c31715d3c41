"""A run's files from the spools that its dead processes left, on this host or on all of them over ssh or MPI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mpi_collector.benchmark.console import print_message
from mpi_collector.benchmark.suite_recorder import packed
from mpi_collector.errors import ResultsError
from mpi_collector.formats.run_document import RunDocument, marks_of, run_document
from mpi_collector.formats.suite_samples import time_series_head
from mpi_collector.formats.verdict import line
from mpi_collector.node.errors import SpoolError
from mpi_collector.node.table.facts import HostFacts
from mpi_collector.node.table.recovered import RecoveredSpool
from mpi_collector.output.files import release, reserve
from mpi_collector.output.sink import FileSink
from mpi_collector.transport.base import RecoveryTransport, Sink, write_members


class Place(Protocol):
    """Where a spool is. ``about``: what ``RecoveredSpool.about`` gives."""

    about: dict[str, Any]

    def take(self, sink: Sink) -> None: ...
    def drop(self) -> None: ...


class Here:
    """A spool of this host. ``place``: the directory it is under."""

    def __init__(self, place: str, run: str, key: str) -> None:
        self._spool = RecoveredSpool(place, run, key)
        self.about: dict[str, Any] = self._spool.about()

    def take(self, sink: Sink) -> None:
        sink.begin_host(self._spool.key)
        try:
            write_members(sink, packed(self._spool.table, self._spool.key, json=True))
        except Exception as e:
            sink.drop_host()
            if isinstance(e, OSError):  # our disk
                raise
            raise RuntimeError(f"{self._spool.path}: damaged: {type(e).__name__}: {e}") from e
        sink.end_host()

    def drop(self) -> None:
        self._spool.discard()


@dataclass
class There:
    """A spool of another host. A host holds one at a time: it is adopted again before it is taken or dropped."""

    root: RecoveryTransport
    host: str
    place: str
    run: str
    key: str

    def __post_init__(self) -> None:
        self.about: dict[str, Any] = self._adopt()

    def _adopt(self) -> dict[str, Any]:
        return self.root.adopt(self.host, self.place, self.run, self.key)

    def take(self, sink: Sink) -> None:
        self._adopt()
        self.root.take_adopted(self.host, sink)

    def drop(self) -> None:
        self._adopt()
        self.root.drop_adopted(self.host)


def recover_run(
    run: str,
    found: Iterable[tuple[str, Any]],
    results_dir: Path,
    keep: bool,
    missing: Mapping[str, str],
) -> int:
    """Write the files of ``run`` and remove the spools that are in them. 0, or 2 when nothing could be recovered.

    ``found``: (key, what makes its Place) in order; of two with one key (a copy that --replicate made) the longer one
    counts, and the other one when that cannot be read. ``missing``: {host: why nothing came from it}.
    """
    places: dict[str, list[Place]] = {}
    errors = dict(missing)
    for key, make in found:
        try:
            place = make()
        except (SpoolError, ValueError, RuntimeError, OSError) as e:
            errors[key] = str(e)
            print_message(str(e))
            continue
        places.setdefault(key, []).append(place)
    for of_one in places.values():
        of_one.sort(key=lambda p: -p.about["facts"]["samples"])
    errors = {k: why for k, why in errors.items() if k not in places}
    if not places:
        print_message(f"nothing of {run} can be recovered")
        return 2
    try:
        result = _write(run, places, errors, results_dir)
    except (ResultsError, OSError, RuntimeError) as e:
        print_message(f"{e}; the spools are kept")
        return 2
    for key in [] if keep else result["hosts"]:
        for place in places[key]:
            _drop(place)
    print_message(line(result["verdict"]))
    return 0


def _drop(place: Place) -> None:
    try:
        place.drop()
    except (SpoolError, RuntimeError, OSError) as e:
        print_message(f"warning: a spool stays: {e}")


def _write(
    run: str, places: Mapping[str, list[Place]], errors: dict[str, str], results_dir: Path
) -> RunDocument:
    """The run's document; its ``hosts`` are those that are in the files."""
    document = document_of(run, {k: of_one[0].about for k, of_one in places.items()}, errors)
    files = reserve(results_dir, document["benchmark"], {"run": run})
    sink = FileSink(files, json=True)
    try:
        taken = {}
        for key, of_one in places.items():
            about = _take(key, of_one, errors, sink)
            if about is not None:
                taken[key] = about
        document = document_of(run, taken, errors)
        # the suite has no word for a recovered run
        sink.finish(document, time_series_head(document, method="local"))
    except BaseException:
        sink.abandon()
        raise
    finally:
        release(files)
    for path in sorted(files.directory.glob(f"{files.stem}_*")):
        print_message(f"wrote {path}")
    return document


def _take(
    key: str, places: list[Place], errors: dict[str, str], sink: Sink
) -> dict[str, Any] | None:
    """What the first of ``places`` that can be read says of itself; None, and why in ``errors``, when none can."""
    for place in places:
        try:
            place.take(sink)
        except (
            RuntimeError
        ) as e:  # damaged, or a host that went away; FileSink has dropped what came of it
            errors[key] = str(e)
            print_message(f"{key}: {e}")
        else:
            errors.pop(key, None)
            return place.about
    return None


def document_of(
    run: str, about: Mapping[str, dict[str, Any]], errors: Mapping[str, str]
) -> RunDocument:
    """Return the run document as far as the spools know it: {key: what its spool says}, {key: why
    there is none}. RuntimeError when there is no spool."""
    first = next(iter(about.values()), None)
    if first is None:
        raise RuntimeError("no host is left")
    meta, grid = first["meta"], first["grid"]
    facts: dict[str, HostFacts] = {k: a["facts"] for k, a in about.items()}
    ends_ns = [a["end_ns"] for a in about.values() if a["end_ns"] is not None]
    return run_document(
        run=run,
        stem=meta.get("stem"),
        benchmark=meta["benchmark"],
        collection_method="recovered",
        ended_by="recover",
        hosts=about,
        hosts_requested=[*about, *errors],
        hosts_partial=errors,
        t0_ns=grid["t0_ns"],
        start_ns=grid["epoch_ns"],
        end_ns=max(ends_ns, default=grid["epoch_ns"]),
        interval_ns=grid["interval_ns"],
        capacity=grid["capacity"],
        options=meta["options"],
        warnings={},
        clock_bound_ns={k: a["clock_bound_ns"] for k, a in about.items()},
        facts=facts,
        marks=marks_of(facts),
    )
