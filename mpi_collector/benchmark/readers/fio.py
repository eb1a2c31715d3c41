"""fio: ``--output-format=json`` or ``json+``, and logs with ``log_unix_epoch=1``.

A job begins at ``job_start``, which newer versions have. Without it the last group of jobs ends at
the time of the file, and every group ends where the next one begins (``stonewall``). Logs
(``*_bw.log``, ``*_iops.log``, ``*_lat.log``) whose times count from the start of their job tell no
time of day, and are left alone.
"""

from __future__ import annotations

import json
import re
from typing import Any

from mpi_collector.benchmark.readers.base import MS, ReportedPhase, ReportFile, bandwidth_of

_LOG = re.compile(r"(.+)_(bw|iops|lat|clat)(?:\.(\d+))?\.log")
_LOG_FIGURES = {"bw": ("bytes_per_s", 1024.0), "iops": ("iops", 1.0)}
_LATENCY = ("latency_ms", 1e-6)
_DIRECTIONS = ("read", "write")
_EPOCH_MS = 10**12  #: times below count from the start of a job


def read(file: ReportFile) -> list[ReportedPhase]:
    """Return a phase per job, jobs of one name and group together, or one of a log."""
    log = _LOG.fullmatch(file.name)
    if log is not None:
        return _read_log(file.text, log)
    start = file.text.find("{")  # warnings may stand before it
    if '"fio version"' not in file.text[: start + 4096]:
        return []
    document, _ = json.JSONDecoder().raw_decode(file.text, start)
    ends_ns = int(document["timestamp_ms"]) * MS
    options = document.get("global options") or {}
    groups: dict[int, list[dict[str, Any]]] = {}
    for job in document["jobs"]:
        groups.setdefault(int(job.get("groupid", 0)), []).append(job)
    out = []
    for group in sorted(groups, reverse=True):
        phases = _group(groups[group], ends_ns, options)
        ends_ns = min((phase.begin_ns for phase in phases), default=ends_ns)
        out += phases
    return out


def _group(
    jobs: list[dict[str, Any]], ends_ns: int, options: dict[str, Any]
) -> list[ReportedPhase]:
    """Return the phases of jobs that run at the same time. ``ends_ns``: of the group."""
    named: dict[str, list[dict[str, Any]]] = {}
    for job in jobs:
        named.setdefault(str(job["jobname"]), []).append(job)
    longest_ns = max(_runtime_ns(job) for job in jobs)
    out = []
    for name, of_name in named.items():
        runtime_ns = max(_runtime_ns(job) for job in of_name)
        starts = [int(job["job_start"]) * MS for job in of_name if job.get("job_start")]
        begin_ns = min(starts) if starts else ends_ns - longest_ns
        rates: dict[str, float] = {}
        for direction in _DIRECTIONS:
            bandwidth = sum(float(job[direction]["bw_bytes"]) for job in of_name)
            if bandwidth:
                rates[bandwidth_of(direction)] = bandwidth
                rates[f"{direction}_iops"] = sum(float(job[direction]["iops"]) for job in of_name)
        asked = None
        if not any(_has_ramp(job, options) for job in of_name):
            asked = sum(int(job["read"]["io_bytes"]) for job in of_name)
        end_ns = begin_ns + runtime_ns
        out.append(ReportedPhase(f"fio {name}", begin_ns, end_ns, rates, asked))
    return out


def _has_ramp(job: dict[str, Any], options: dict[str, Any]) -> bool:
    """Return whether the job read before it counted."""
    return "ramp_time" in options or "ramp_time" in (job.get("job options") or {})


def _runtime_ns(job: dict[str, Any]) -> int:
    return max(int(job[direction]["runtime"]) for direction in (*_DIRECTIONS, "trim")) * MS


def _read_log(text: str, log: re.Match[str]) -> list[ReportedPhase]:
    rows = [[int(cell) for cell in line.split(",")[:3]] for line in text.splitlines() if line]
    if not rows or rows[0][0] < _EPOCH_MS:
        return []
    suffix, factor = _LOG_FIGURES.get(log[2], _LATENCY)
    rates = {}
    for n, direction in enumerate(_DIRECTIONS):
        values = [value for _, value, of in rows if of == n]
        if values:
            rates[f"{direction}_{suffix}"] = factor * sum(values) / len(values)
    # the time of a row is the end of what it is the mean of
    step_ms = rows[1][0] - rows[0][0] if len(rows) > 1 else 0
    begin_ms, end_ms = rows[0][0] - max(step_ms, 0), max(row[0] for row in rows)
    number = f" {log[3]}" if log[3] else ""
    return [ReportedPhase(f"fio {log[1]}{number}", begin_ms * MS, end_ms * MS, rates)]
