"""What an exported file says of its recording: run, verdict, phases, clocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mpi_collector.store.recording import Recording

FORMAT = 1


def about_recording(recording: Recording, hosts: Sequence[str]) -> dict[str, Any]:
    """Return the run as a JSON object. Times: UTC ns."""
    run = recording.run
    bounds = run.get("clock_bound_ns", {})
    return {
        "format": FORMAT,
        "program": run.get("program"),
        "run": run.get("run"),
        "benchmark": run.get("benchmark"),
        "command": run.get("command"),
        "start_ns": run["start_ns"],
        "end_ns": run["end_ns"],
        "interval_ns": run["interval_ns"],
        "hosts": list(hosts),
        "hosts_partial": run["hosts_partial"],
        "clock_bound_ns": {key: bounds.get(key) for key in hosts},
        "verdict": run["verdict"],
        "phases": [
            {"name": p.name, "begin_ns": p.begin_ns, "end_ns": p.end_ns, "host": p.host}
            for p in recording.marks
        ],
    }
