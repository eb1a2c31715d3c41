"""Room on the local file systems that hold the results and the job's data, from space."""

from __future__ import annotations

import numpy as np

from mpi_collector.store.figures.base import Deriver, Subject, positive
from mpi_collector.store.figures.figure import NO_OUTLIERS, Group, NoChart

SPACE = Subject(order=155, group=Group.STORAGE, optional=True)
USED = SPACE.figure(
    "space_used_percent",
    "fullest file system",
    "%",
    "mean",
    "part of the room for users that is in use (Use% of df), on the fullest of the local file "
    "systems that hold the results or the job's data",
    outlier_floor=NO_OUTLIERS,
)
AVAILABLE = SPACE.figure(
    "space_available_bytes",
    "least room",
    "bytes",
    "mean",
    "room that is left for users, on the one of these file systems that has least of it",
    chart=NoChart("the part that is in use is drawn"),
    outlier_floor=NO_OUTLIERS,
)
INODES = SPACE.figure(
    "space_inodes_percent",
    "inodes in use",
    "%",
    "mean",
    "part of the inodes that is in use, on the one of these file systems where it is largest",
    chart=NoChart("the part of the room that is in use is drawn"),
    outlier_floor=NO_OUTLIERS,
)


@SPACE.computed_by
def derive_space(host: Deriver) -> None:
    """Add the figures of the file system that is worst off."""
    mounts = host.devices("space", "used_bytes")
    if not mounts:
        return
    level = {
        field: np.array([host.level(f"space.{mount}.{field}") for mount in mounts])
        for field in ("used_bytes", "available_bytes", "inodes", "inodes_used")
    }
    used, available = level["used_bytes"], level["available_bytes"]
    host.add(USED, np.fmax.reduce(100 * used / positive(used + available)))
    host.add(AVAILABLE, np.fmin.reduce(available))
    host.add(INODES, np.fmax.reduce(100 * level["inodes_used"] / positive(level["inodes"])))
