"""Find the numbers of a raw text that a source copies into its prepared text.

Why: a source that puts its text together in ``prepare`` does so in Python, line by line. Where it
only copies numbers (``Source.copies_numbers``), the raw texts can be followed by their digits as
those of a single kernel file are, and ``prepare`` is called for the texts that are decoded as a
whole.

Which number goes where is found by an experiment: every number of the raw text is replaced by one
that occurs nowhere else, and the prepared text shows where these are.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from mpi_collector.node.row.decode import Plan

#: in place of the = before a number: ends a token as a blank does, and aligns no number
_EDGE = b"\x0b"
_FIRST = 10**9  #: the first of the numbers of the experiment; no text has as many numbers
_NUMBER = re.compile(rb"(?<![^\s=])-?[0-9]{1,20}(?![^\s])")
_FREE = re.compile(rb"-?[0-9]{1,20}\Z|[0-9]+\.[0-9]+\Z")


def split_at_equals(raw: bytes) -> bytes:
    """Return a text of the same length in which ``=`` ends a token."""
    return raw.replace(b"=", _EDGE)


def plan_of_raw(prepare: Callable[[bytes], bytes], plan: Plan, raw: bytes) -> Plan | None:
    """Return the plan of ``split_at_equals(raw)``, given that of ``prepare(raw)``.

    None when the values are not numbers of ``raw``, each its own.
    """
    tokens = split_at_equals(raw).split()
    count = 0

    def numbered(_match: re.Match[bytes]) -> bytes:
        nonlocal count
        count += 1
        return b"%d" % (_FIRST + count - 1)

    marked = _NUMBER.sub(numbered, raw)
    places = {token: at for at, token in enumerate(split_at_equals(marked).split())}
    before, after = prepare(raw).split(), prepare(marked).split()
    if plan.problems or not plan.fits(before) or not plan.fits(after):
        return None
    value_at = [
        places[after[at]] if len(after[at]) == 10 and after[at] in places else -1
        for at in plan.value_at
    ]
    if -1 in value_at or len(set(value_at)) < len(value_at):
        return None
    if any(before[at] != tokens[own] for at, own in zip(plan.value_at, value_at)):
        return None
    free = {at for at, token in enumerate(tokens) if _FREE.match(token)}
    label_at = [at for at in range(len(tokens)) if at not in free]
    columns = np.concatenate([np.arange(a, b) for a, b, _f, _l in plan.runs] or [np.zeros(0, int)])
    return Plan(tokens, label_at, value_at, columns.tolist(), [])


def is_same(one: Plan, other: Plan) -> bool:
    """Return whether two plans take the same values out of texts of the same shape."""
    return (
        one.count == other.count
        and one.value_at == other.value_at
        and one.label_at == other.label_at
        and one.labels == other.labels
        and one.runs == other.runs
    )
