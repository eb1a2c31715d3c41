"""The type of a summary: the figures of a recording as a document that JSON can hold.

A figure that was not recorded is absent; a value that is not known is None.
"""

from __future__ import annotations

from typing import Any, TypedDict

from mpi_collector.formats.verdict import Verdict
from mpi_collector.formats.why_document import Claim, NotKnown
from mpi_collector.node.table.facts import HostFacts


class FigureInfo(TypedDict):
    """What a figure is. ``across``: how hosts are combined, "sum" or "mean"."""

    label: str
    unit: str
    across: str
    doc: str


class ClusterValues(TypedDict):
    """A figure of all hosts. ``coverage``: share of the hosts' time in which it is known."""

    mean: float | None
    peak: float | None
    coverage: float | None


class HostValues(TypedDict):
    """A figure of one host."""

    mean: float | None
    peak: float | None
    minimum: float | None


class HostSpread(TypedDict):
    """A figure over the hosts by their means: the lowest, the median and the highest host."""

    minimum: float
    median: float
    maximum: float
    minimum_host: str
    maximum_host: str
    hosts: int


class OutlierValues(TypedDict):
    """A figure of a host that stands out. ``ratio``: value / median, None where the median is 0."""

    host: str
    figure: str
    value: float
    median: float
    ratio: float | None


class LimitValues(TypedDict):
    """A figure at its limit.

    ``share``: mean over the hosts of the share of time at or above ``at_least``. ``hosts``: how
    many hosts were there for a noticeable time.
    """

    figure: str
    at_least: float
    share: float
    hosts: int


class HostSummary(TypedDict):
    """One host. ``counted``, ``left_out``, ``counted_by`` have the keys ``block`` and ``net``.

    ``machine``: what the host is, {what: text}.
    """

    figures: dict[str, HostValues]
    cpus: int | None
    memory_bytes: float | None
    machine: dict[str, str]
    counted: dict[str, list[str]]
    left_out: dict[str, dict[str, str]]
    counted_by: dict[str, str]
    notes: list[str]


class DeviceName(TypedDict):
    """A device of a host."""

    name: str
    host: str


class DeviceSummary(TypedDict):
    """A device with figures of its own. ``kind``: disk, interface, mount, gpu or fabric.

    ``counted``: it is part of totals. ``why_not``: the reason if it is not, else None. ``absent``:
    when it was not there, as in the facts of a host.
    """

    host: str
    kind: str
    name: str
    counted: bool
    why_not: str | None
    absent: list[list[int | None]]
    figures: dict[str, HostValues]


class PhaseValues(TypedDict):
    """A figure of all hosts in a phase."""

    mean: float
    peak: float


class PhaseSummary(TypedDict):
    """All stretches of one name.

    ``stretches``: [begin, end], UTC ns, without overlap. ``bytes``: read and written, on disks, NFS
    and Lustre mounts; None where none is known. ``busiest``: the disk with the highest utilisation,
    ``busiest_cpu``: the CPU. ``limited_by``: the cause that limited it, see
    docs/why.md; None: not known.
    """

    name: str
    stretches: list[list[int]]
    duration_s: float
    bytes: float | None
    figures: dict[str, PhaseValues]
    busiest: DeviceName | None
    busiest_cpu: DeviceName | None
    limited_by: str | None


class SummaryDocument(TypedDict):
    """The summary of a recording. ``verdict``, ``facts``: those of the run document.

    ``limited_by``: what limited the run, None where it is not known; ``not_known``: why not, by
    phase and host.
    """

    format: int
    verdict: Verdict
    verdict_remarks: list[str]
    run: dict[str, Any]
    span_s: float
    figures: dict[str, FigureInfo]
    cluster: dict[str, ClusterValues]
    spread: dict[str, HostSpread]
    outliers: list[OutlierValues]
    limits: list[LimitValues]
    hosts: dict[str, HostSummary]
    devices: list[DeviceSummary]
    busiest: DeviceName | None
    busiest_cpu: DeviceName | None
    phases: list[PhaseSummary]
    limited_by: Claim | None
    not_known: list[NotKnown]
    notes: list[str]
    facts: dict[str, HostFacts]
