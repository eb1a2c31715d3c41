"""Scheduler statistics of a real kernel."""

from __future__ import annotations

from sourcekit import nonzero


def test_schedstat() -> None:
    assert nonzero("schedstat", "schedstat-8cpu") == {
        "running_ns": 292515627291867 + 311850875106051,
        "waiting_ns": 318272754879 + 206689244562,
        "timeslices": 114358076 + 80935836,
    }
