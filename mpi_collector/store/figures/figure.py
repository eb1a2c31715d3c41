"""The declaration of a figure: what it is, and where and how it is shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Literal

Across = Literal["sum", "mean"]
DeviceKind = Literal["disk", "interface", "mount", "gpu", "fabric"]

#: difference from the median host below which a host is no outlier, by unit
OUTLIER_FLOORS = {
    "bytes/s": 1e6,
    "1/s": 10.0,
    "ms": 0.1,
    "bytes": 256 * 2**20,
    "requests": 1.0,
    "%": 10.0,
    "W": 20.0,
    "C": 5.0,
    "cores": 0.5,
    "threads": 16.0,
    "connections": 16.0,
    "bytes/J": 1e6,
}
NO_OUTLIERS = math.inf  #: outlier floor of a figure by which hosts are not compared


class Group(Enum):
    """The table in which a figure stands. The value completes "figures of ..."."""

    STORAGE = "storage"
    SYSTEM = "the hosts"
    GPU = "GPUs"
    ENERGY = "power and energy"
    JOB = "the job's processes and cgroup"
    KERNEL = "the kernel"


class Scope(Enum):
    """What a figure belongs to. Hosts that share it, as containers of one machine, count once."""

    KERNEL = "one kernel"
    NETWORK = "one network namespace"
    HOST = "each host"


class Scale(Enum):
    """The range of the value axis of a chart."""

    FROM_ZERO = "from zero to the greatest value"
    PERCENT = "from zero to 100 %, or to the greatest value where that is below 20 or above 100"


@dataclass(frozen=True)
class Chart:
    """A figure has a chart of its own on the page.

    ``order``: its place there, by default that of the figure in tables. ``heat``: the map of hosts
    over time offers it, too.
    """

    order: int | None = None
    heat: bool = False


DRAWN = Chart()  #: the default of a figure


@dataclass(frozen=True)
class NoChart:
    """A figure has no chart, for this reason."""

    reason: str


@dataclass(frozen=True)
class Column:
    """A column of a figure in the table of hosts. A slash in ``heading`` begins a new line."""

    heading: str
    value: Literal["mean", "peak"] = "mean"


@dataclass(frozen=True)
class Figure:
    """The declaration of a figure.

    ``name``: its key in documents and rules. ``label``, ``doc``: short name and meaning.
    ``across``: how hosts are combined: "sum", or "mean" with ``base.Series.weight`` as the weight.
    ``order``: place in tables, the lowest first. ``optional``: its absence is not worth a note.
    ``limit``: from this value on, the resource counts as saturated; None if it has no limit.
    ``outlier_floor``: smallest difference from the median host that makes an outlier; both are in
    ``unit``. ``undefined_when_idle``: a mean over requests, unknown where there were none, which is
    no gap in the recording. ``hidden_when_zero``: left out of tables where its peak is 0.
    ``scope``: in sums over hosts, what is added once. ``of_devices``: single devices have it, too.
    """

    name: str
    label: str
    unit: str
    across: Across
    doc: str
    order: int
    group: Group
    optional: bool
    chart: Chart | NoChart
    scale: Scale
    columns: tuple[Column, ...]
    limit: float | None
    outlier_floor: float
    undefined_when_idle: bool
    hidden_when_zero: bool
    scope: Scope
    of_devices: bool
