"""``recover``: the files of a run from the spools that its dead processes left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mpi_collector.benchmark.console import print_message
from mpi_collector.benchmark.found_spools import FoundSpool, RecoverySource, Whose
from mpi_collector.errors import ResultsError
from mpi_collector.formats.run_document import RunDocument, marks_of, run_document
from mpi_collector.formats.suite_samples import time_series_head
from mpi_collector.formats.verdict_line import line
from mpi_collector.node.errors import SpoolError
from mpi_collector.node.table.facts import BROKEN_OFF, LAUNCHER_LOST, STOPPED, HostFacts
from mpi_collector.output.files import RunFiles, release, reserve
from mpi_collector.output.litter import remove_litter_of
from mpi_collector.output.placement import place
from mpi_collector.output.series import SHARDED_ABOVE, hosts_per_part
from mpi_collector.output.sink import FileSink
from mpi_collector.transport.base import Sink

_UNKNOWN = "recover"  #: of a run of which nobody has noted what ended it


def recover_run(
    run: str,
    found: Iterable[FoundSpool],
    results_dir: Path,
    keep: bool,
    missing: Mapping[str, str],
) -> int:
    """Write the files of ``run`` and, unless ``keep``, remove the spools that are in them.

    Of several spools with one key (the copies of --replicate and --rescue-dir) the one of the host
    itself is written, else the longest one, or the next one where that cannot be read. Nothing is
    removed that was not read, but copies of what was. missing: {host: why it has no spool}.
    Returns the exit code: 0, or 2 when nothing could be recovered.
    """
    errors = dict(missing)
    sources = _opened(found, errors)
    if not sources:
        print_message(f"nothing of {run} can be recovered")
        return 2
    try:
        document, written = _write_files(run, sources, errors, results_dir)
    except (ResultsError, OSError, RuntimeError) as e:
        print_message(f"{e}; the spools are kept")
        return 2
    remove_litter_of(results_dir, run)
    if not keep:
        for key, source in written.items():
            _discard(key, source, sources[key])
    print_message(line(document["verdict"]))
    return 0


def _opened(found: Iterable[FoundSpool], errors: dict[str, str]) -> dict[str, list[RecoverySource]]:
    """The spools that can be read, by key, the longest first; ``errors`` of keys without any."""
    sources: dict[str, list[RecoverySource]] = {}
    for spool in found:
        try:
            source = spool.open()
        except (SpoolError, ValueError, RuntimeError, OSError) as e:
            errors[spool.key] = str(e)
            print_message(str(e))
        else:
            sources.setdefault(spool.key, []).append(source)
    for key, copies in sources.items():
        copies.sort(key=lambda source: (source.whose, -source.about["facts"]["samples"]))
        errors.pop(key, None)
    return sources


def _discard(key: str, written: RecoverySource, copies: Iterable[RecoverySource]) -> None:
    """Remove what is in the files, and copies of it.

    What another host offers is a copy only where the host's own spool was written: else it might be
    the true one.
    """
    for source in copies:
        if source.host != written.host and not written.whose < source.whose == Whose.COPY:
            print_message(
                f"warning: {source.host} has a spool of {key}, too, which is not in the files; "
                "it stays"
            )
            continue
        try:
            source.discard()
        except (SpoolError, RuntimeError, OSError) as e:
            print_message(f"warning: a spool stays: {e}")


def _write_files(
    run: str,
    sources: Mapping[str, list[RecoverySource]],
    errors: dict[str, str],
    results_dir: Path,
) -> tuple[RunDocument, dict[str, RecoverySource]]:
    """Return the run document, and for each host what was written."""
    everything = recovered_document(
        run, {key: copies[0].about for key, copies in sources.items()}, errors
    )
    files = reserve(results_dir, everything["benchmark"], {"run": run})
    try:
        files = place(files)
        result = _write_hosts(run, sources, errors, files)
    finally:
        release(files)
    for path in sorted(files.directory.glob(f"{files.stem}_*")):
        print_message(f"wrote {path}")
    return result


def _write_hosts(
    run: str,
    sources: Mapping[str, list[RecoverySource]],
    errors: dict[str, str],
    files: RunFiles,
) -> tuple[RunDocument, dict[str, RecoverySource]]:
    sink = FileSink(files, json=True, hosts_each=hosts_per_part(len(sources), SHARDED_ABOVE))
    try:
        written: dict[str, RecoverySource] = {}
        for key, copies in sources.items():
            source = _write_first(key, copies, errors, sink)
            if source is not None:
                written[key] = source
        about = {key: source.about for key, source in written.items()}
        document = recovered_document(run, about, errors)
        # the suite knows no word for a recovered run
        sink.finish(document, time_series_head(document, method="local"))
    except BaseException:
        sink.abandon()
        raise
    return document, written


def _write_first(
    key: str, copies: list[RecoverySource], errors: dict[str, str], sink: Sink
) -> RecoverySource | None:
    """The first of ``copies`` that could be written; None, with an entry of ``errors``: none.

    What could not be read is no longer among ``copies``.
    """
    for source in list(copies):
        try:
            source.write_to(sink)
        except RuntimeError as e:
            copies.remove(source)
            errors[key] = str(e)
            print_message(f"{key}: {e}")
        else:
            errors.pop(key, None)
            return source
    return None


def recovered_document(
    run: str, about: Mapping[str, dict[str, Any]], errors: Mapping[str, str]
) -> RunDocument:
    """Return the run document as far as the spools know it.

    about: {key: ``RecoveredSpool.about``}. errors: {host: why it is missing}. RuntimeError when
    there is no spool.
    """
    first = next(iter(about.values()), None)
    if first is None:
        raise RuntimeError("no host could be recovered")
    meta = first["meta"]
    grid = first["grid"]
    facts: dict[str, HostFacts] = {key: a["facts"] for key, a in about.items()}
    ends_ns = [a["end_ns"] for a in about.values() if a["end_ns"] is not None]
    return run_document(
        run=run,
        stem=meta.get("stem"),
        benchmark=meta["benchmark"],
        collection_method="recovered",
        ended_by=(ended_by := _ended_by(facts)),
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
        clock_bound_ns={key: a["clock_bound_ns"] for key, a in about.items()},
        facts=facts,
        marks=marks_of(facts),
        end_known=ended_by != _UNKNOWN or not all(f["complete"] for f in facts.values()),
        hosts_in_run=max(a["grid"].get("hosts", 0) for a in about.values()),
    )


def _ended_by(facts: Mapping[str, HostFacts]) -> str:
    """Return what ended a run that its launcher did not end, or that it is not known."""
    reasons = {f["ended_by"] for f in facts.values()} - {STOPPED, BROKEN_OFF}
    return LAUNCHER_LOST if LAUNCHER_LOST in reasons else next(iter(sorted(reasons)), _UNKNOWN)
