"""Which sources of a host were read: at the start, in every row, and how often."""

from ..sources import ALIASES
from ..status import ABSENT, OK, SKIPPED, STATUS_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    from .table import SampleTable
else:
    TypedDict = dict  # Python 3.6 has none; at run time the documents are plain dicts


class SourceRows(TypedDict):
    """``due``: rows at which a source was due; ``bad``: of those, without an answer that is whole.

    ``at_stop``: so it was in the last of them.
    """

    due: int
    bad: int
    at_stop: bool


class MissingSource(TypedDict):
    """A source that could not be read at the start. ``named``: it was asked for by its name."""

    source: str
    status: str
    reason: str
    named: bool


def missing_sources(table: "SampleTable") -> "list[MissingSource]":
    """Return the sources that could not be read at the start, but those of a group that are absent.

    A group has what a host may have; what is asked for by name is expected. Those that came later
    are left out where they are recorded from then on, and are there where they are not.
    """
    options = table.meta.get("options") or {}
    words = str(options.get("sources", "")).replace(",", " ").split()
    named = {ALIASES.get(word, word) for word in (w.partition(":")[0] for w in words)}
    reasons = {k: str(v) for k, v in (table.meta.get("absent_reasons") or {}).items()}
    came = table.meta.get("came") or []
    reasons.update(
        (source, "it came during the run, and has columns only when --sources names it")
        for source in came
    )
    recorded = {name for name, status in statuses_since_there(table).items() if status}
    return [
        {
            "source": source,
            "status": STATUS_NAMES[status],
            "reason": reasons.get(source, ""),
            "named": source in named,
        }
        for source, status in (table.meta.get("absent") or {}).items()
        if (source in named or source in came or status != ABSENT) and source not in recorded
    ]


def late_sources(table: "SampleTable") -> "dict[str, int]":
    """Return {source: UTC ns of its first row} of sources that were not there at the start."""
    since = statuses_since_there(table)
    absent = table.meta.get("absent") or {}
    late = {n: len(s) for n, s in since.items() if n in absent and 0 < len(s) < len(table)}
    return {name: table.utc_ns()[-rows] for name, rows in late.items()}


def statuses_since_there(table: "SampleTable") -> "dict[str, list[int]]":
    """Return {source: its statuses, those left out at which it had yet to come}.

    None are left of a source that was not there at the start and was never read.
    """
    absent = table.meta.get("absent") or {}
    out = {}
    for name, status in zip(table.layout.sources, table.statuses()):
        first = 0
        if name in absent:
            was_there = (s not in (ABSENT, SKIPPED) for s in status)
            there = (n for n, found in enumerate(was_there) if found and OK in status)
            first = next(there, len(status))
        out[name] = list(status[first:])
    return out


def source_rows(table: "SampleTable") -> "dict[str, SourceRows]":
    """Return the rows of every source that was not read well in all of its rows."""
    out: "dict[str, SourceRows]" = {}
    for name, status in statuses_since_there(table).items():
        due = [s for s in status if s != SKIPPED]
        bad = len(due) - due.count(OK)
        if bad:
            out[name] = {"due": len(due), "bad": bad, "at_stop": due[-1] != OK}
    return out


def slowed_sources(table: "SampleTable") -> "dict[str, int]":
    """Return {source: at every so many ticks it was read, at worst} of throttled sources."""
    out: "dict[str, int]" = {}
    for event in table.events:
        if event["type"] == "slowed":
            out[event["source"]] = max(event["every"], out.get(event["source"], 0))
    return out
