"""elbencho: ``--livecsv FILE``, a row per interval with the local time at its end."""

from __future__ import annotations

import csv
from datetime import datetime

from mpi_collector.benchmark.readers.base import (
    MIB,
    MS,
    ReportedPhase,
    ReportFile,
    bandwidth_of,
    local_ns,
)

_TIME, _PHASE, _ELAPSED, _RANK = "ISO Date", "Phase", "RuntimeMS", "Rank"
_UNSURE = 0.1  #: by which the mean of the rows' rates may differ from all bytes
_DIRECTIONS = {"READ": "read", "WRITE": "write", "RWMIX": ""}


def read(file: ReportFile) -> list[ReportedPhase]:
    """Return a phase per run of a phase of elbencho: where its elapsed time begins anew."""
    if not file.text.startswith(f"{_TIME},"):  # versions before 3 write no time of day
        return []
    rows = [r for r in csv.DictReader(file.text.splitlines()) if r.get(_RANK) == "Total"]
    last = datetime.fromisoformat(rows[-1][_TIME])
    runs: list[list[dict[str, str]]] = []
    for row in rows:
        before = runs[-1][-1] if runs else None
        if before is None or _differs(before, row):
            runs.append([])
        runs[-1].append(row)
    return [_phase(run, last, file.written_s) for run in runs]


def _differs(before: dict[str, str], row: dict[str, str]) -> bool:
    same = all(before[key] == row[key] for key in ("Label", _PHASE))
    return not same or int(row[_ELAPSED]) < int(before[_ELAPSED])


def _phase(rows: list[dict[str, str]], last: datetime, written_s: float) -> ReportedPhase:
    final = rows[-1]
    time = datetime.fromisoformat(final[_TIME])
    end_ns = local_ns(time, last, written_s) if time.tzinfo is None else _aware_ns(time)
    elapsed_ms = int(final[_ELAPSED])
    direction = _DIRECTIONS.get(final[_PHASE], "")
    rates = {}
    if direction:
        of_phase = [float(row["MiB/s"]) * MIB for row in rows]
        rates[bandwidth_of(direction)] = sum(of_phase) / len(of_phase)
        rates[f"{direction}_iops"] = sum(float(row["IOPS"]) for row in rows) / len(rows)
    label = f" {final['Label']}" if final["Label"] else ""
    name = f"elbencho {final[_PHASE].lower()}{label}"
    asked = _done_bytes(final, rates) if direction == "read" else None
    return ReportedPhase(name, end_ns - elapsed_ms * MS, end_ns, rates, asked)


def _done_bytes(final: dict[str, str], rates: dict[str, float]) -> int | None:
    """Return what was read until the last row; None where its rates say something else."""
    done = int(final.get("DoneBytes") or 0)
    by_rate = rates[bandwidth_of("read")] * int(final[_ELAPSED]) / 1e3
    return done if done and abs(by_rate - done) <= _UNSURE * done else None


def _aware_ns(time: datetime) -> int:
    return round(time.timestamp() * 1000) * MS
