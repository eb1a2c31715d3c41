"""The spools below a directory, without what lies beside them."""

from __future__ import annotations

from pathlib import Path


def spool_files(directory: Path, pattern: str = "mpi_collector-*/*") -> list[Path]:
    """Return the files in the run directories that ``pattern`` finds, in order."""
    found = directory.glob(f"{pattern}/[!.]*") if directory.is_dir() else ()
    return sorted(path for path in found if path.name != "door")
