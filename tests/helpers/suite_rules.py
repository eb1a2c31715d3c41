"""What the suite reads of a results directory, as a reader that follows its rules.

Below a results directory each directory with a ``summary.json`` or one ``*_metadata.json`` is a run, one with more is
skipped; of a run directory the checker takes the first file, sorted, whose name contains ``metadata``; metadata that
has four keys is complete, and no other file is read then; else DLIO's summary and Hydra's files are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

COMPLETE = ("benchmark_type", "run_datetime", "num_processes", "parameters")


def runs_below(results: Path) -> list[Path]:
    """The run directories that the report generator finds."""
    found = []
    for folder, _folders, files in os.walk(results):
        metadata = [f for f in files if f.endswith("_metadata.json")]
        if len(metadata) <= 1 and ("summary.json" in files or metadata):
            found.append(Path(folder))
    return found


def first_metadata(run: Path) -> Path:
    """The file that the checker takes."""
    return run / sorted(name for name in os.listdir(run) if "metadata" in name)[0]


def read_json(path: Path) -> Any:
    """Return the content of a YAML file that is JSON."""
    return json.loads(path.read_text())


def read_run(run: Path, read_yaml: Callable[[Path], Any] = read_json) -> dict[str, Any]:
    """What the report generator reads of a run; one without a metadata file is read, too."""
    names = [name for name in os.listdir(run) if "metadata" in name]
    metadata = json.loads(first_metadata(run).read_text()) if names else {}
    if all(key in metadata for key in COMPLETE):
        return {
            "metrics": metadata.get("metrics"),
            "parameters": metadata["parameters"],
            "model": metadata.get("model"),
        }
    summary = json.loads((run / "summary.json").read_text())
    config = read_yaml(run / "dlio_config" / "config.yaml")["workload"]
    model = config["model"]  # a mapping since DLIO 3
    overrides = read_yaml(run / "dlio_config" / "overrides.yaml")
    return {
        "metrics": summary["metric"],
        "parameters": config,
        "model": model["name"] if isinstance(model, dict) else model,
        "overrides": [word for word in overrides if word.startswith("++workload.")],
    }
