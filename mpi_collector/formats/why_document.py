"""Claims, their evidence, and the document of ``why --json``, which is only ever extended."""

from __future__ import annotations

from typing import Literal, TypedDict

Cause = Literal[
    "device",
    "network",
    "remote storage",
    "cpu",
    "one core",
    "cgroup",
    "memory",
    "write-back",
    "steal",
    "latency",
    "another host",
    "page cache",
    "nothing on the hosts",
]
Confidence = Literal["certain", "likely"]
CeilingKind = Literal["declared", "learned", "probed"]


class Evidence(TypedDict):
    """One measured value. ``figure``: a figure or column from which it can be computed again."""

    text: str
    figure: str
    value: float
    unit: str
    begin_ns: int
    end_ns: int


class Ceiling(TypedDict):
    """The most that a device or link can do, and how that is known."""

    value: float
    unit: str
    kind: CeilingKind


#: ``others``: how full other resources were; of the first claim on a host, else empty
Claim = TypedDict(
    "Claim",
    {
        "cause": Cause,
        "device": "str | None",
        "host": str,
        "phase": str,
        "begin_ns": int,
        "end_ns": int,
        "share_of_time": float,
        "confidence": Confidence,
        "ceiling": "Ceiling | None",
        "for": "list[Evidence]",
        "against": "list[Evidence]",
        "others": "list[Evidence]",
    },
)


class NotKnown(TypedDict):
    """A stretch about which nothing is claimed."""

    phase: str
    host: str
    reason: str


class CacheShare(TypedDict):
    """What the job asked for against what storage delivered. None: not known."""

    phase: str
    host: str
    asked_bytes: int | None
    delivered_bytes: int | None
    from_memory_share: float | None
    bound: float | None


class SlowHost(TypedDict):
    """A host that stands out of its peers in a phase."""

    host: str
    phase: str
    figure: str
    ratio: float
    z: float
    differs: list[str]


class WhyDocument(TypedDict):
    """The answer for a run."""

    run: str
    limited_by: Claim | None
    claims: list[Claim]
    not_known: list[NotKnown]
    cache: list[CacheShare]
    slow_hosts: list[SlowHost]
