"""Ceilings that ``mpi_collector probe`` measured, as ``why --ceilings`` reads them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from mpi_collector.errors import RecordingError
from mpi_collector.node import strict_json
from mpi_collector.store.figures.disk import READ_BYTES, WRITE_BYTES

FORMAT = 1
_BYTES_MAX = 1 << 20
_VALUES_MAX = 1000
_RATES = (READ_BYTES.name, WRITE_BYTES.name, "random_reads_per_s")


class ProbeDocument(TypedDict):
    """What ``probe`` measured. ``device``: the block device below the directory, None: no such.

    ``random_read_ms``: time of one random read with nothing else in flight.
    """

    format: int
    host: str
    directory: str
    file_system: str
    device: str | None
    model: str
    streams: int
    block_bytes: int
    read_bytes_per_s: float
    write_bytes_per_s: float
    random_reads_per_s: float
    random_read_ms: float
    one_core_bytes_per_s: float
    memory_copy_bytes_per_s: float


@dataclass(frozen=True)
class DeviceCeiling:
    """The most that a device did when it was probed, on the host where that was."""

    host: str
    device: str
    model: str
    read_bytes_per_s: float
    write_bytes_per_s: float
    random_reads_per_s: float


def read_ceilings(path: Path) -> DeviceCeiling:
    """Return the ceilings in a file that ``probe`` made. RecordingError when it is none."""
    try:
        with path.open("rb") as file:
            text = file.read(_BYTES_MAX + 1)
        found = strict_json.loads(text.decode(), _VALUES_MAX) if len(text) <= _BYTES_MAX else None
    except OSError as e:
        raise RecordingError(f"{path}: {e.strerror}") from e
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not _is_probe(found):
        raise RecordingError(
            f"{path}: not a file of ceilings; make one with: mpi_collector probe DIR -o {path}"
        )
    if found["device"] is None:
        raise RecordingError(
            f"{path}: {found['directory']} lies on no block device ({found['file_system']}), "
            "so that it has no ceiling of a device; probe a directory of a local file system"
        )
    rates = {name: float(found[name]) for name in _RATES}
    return DeviceCeiling(found["host"], found["device"], found["model"], **rates)


def _is_probe(found: dict[str, Any]) -> bool:
    texts = ("host", "directory", "file_system", "model")
    return (
        found.get("format") == FORMAT
        and all(isinstance(found.get(name), str) for name in texts)
        and isinstance(found.get("device"), str | None)
        and all(_is_rate(found.get(name)) for name in _RATES)
    )


def _is_rate(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value > 0


def ceiling_of(
    ceilings: Sequence[DeviceCeiling], host: str, device: str, model: str
) -> DeviceCeiling | None:
    """Return the ceiling of a device of a host: its own, else that of the same model elsewhere."""
    same = [c for c in ceilings if c.device == device]
    own = [c for c in same if c.host == host]
    alike = [c for c in same if model and c.model == model]
    return next(iter([*own, *alike]), None)
