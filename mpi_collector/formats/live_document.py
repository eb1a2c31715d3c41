"""The live document: a run while it is recorded, as ``top --once --json`` prints it."""

from __future__ import annotations

from typing import TypedDict

from mpi_collector.node.forms import (
    COUNT,
    FILE_NAME,
    INT64_MAX,
    MOMENT,
    NAME,
    REASON,
    Form,
    Items,
    Maybe,
    Real,
    Record,
    Table,
    Whole,
)

VERSION = 1
HOSTS_MOST = 2000  #: hosts with figures of their own in a document; the totals count all
_FIGURES_MOST = 64
_PHASES_MOST = 256


class LivePhase(TypedDict):
    """A phase that has begun and not ended; ``since_s``: from tick 0."""

    name: str
    since_s: float


class LiveFigure(TypedDict):
    """A figure of the hosts together.

    ``value``: their sum or mean, as ``across`` says; ``least``, ``most``: of a host; ``hosts``: how
    many have one. Null where no host has one.
    """

    label: str
    unit: str
    across: str
    value: float | None
    least: float | None
    most: float | None
    hosts: int


class LiveHost(TypedDict):
    """A host. ``age_s``: of its newest figures; null before the first. ``figures``: by name."""

    state: str
    tick: int
    missed: int
    age_s: float | None
    figures: dict[str, float | None]


class LiveDocument(TypedDict):
    """The document. ``live_s``: 0 without ``--live``, when no host has figures."""

    version: int
    run: str
    utc_ns: int
    elapsed_s: float
    interval_s: float
    live_s: float
    hosts: int
    sampling: int
    phases: list[LivePhase]
    figures: dict[str, LiveFigure]
    by_host: dict[str, LiveHost]


_VALUE: Form = Maybe(Real())
LIVE_DOCUMENT = Record(
    {
        "version": Whole(VERSION, VERSION),
        "run": FILE_NAME,
        "utc_ns": MOMENT,
        "elapsed_s": Real(),
        "interval_s": Real(),
        "live_s": Real(),
        "hosts": COUNT,
        "sampling": COUNT,
        "phases": Items(Record({"name": NAME, "since_s": Real()}), _PHASES_MOST),
        "figures": Table(
            Record(
                {
                    "label": NAME,
                    "unit": NAME,
                    "across": NAME,
                    "value": _VALUE,
                    "least": _VALUE,
                    "most": _VALUE,
                    "hosts": COUNT,
                }
            ),
            _FIGURES_MOST,
            NAME,
        ),
        "by_host": Table(
            Record(
                {
                    "state": REASON,
                    "tick": Whole(-1, INT64_MAX),
                    "missed": COUNT,
                    "age_s": _VALUE,
                    "figures": Table(_VALUE, _FIGURES_MOST, NAME),
                }
            ),
            HOSTS_MOST,
            FILE_NAME,
        ),
    }
)
