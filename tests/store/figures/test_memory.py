"""Figures of memory."""

from __future__ import annotations

from derived_host import derived, host


def test_bytes_at_the_end_of_the_interval() -> None:
    kb = {
        "MemTotal": [1000, 1000],
        "MemFree": [900, 500],
        "Buffers": [10, 20],
        "Cached": [50, 80],
        "Dirty": [1, 2],
    }
    d = derived(host({f"meminfo.{k}": v for k, v in kb.items()}, [0, 1]))
    assert d.series["memory_used_bytes"].values.tolist() == [400 * 1024]
    assert d.series["page_cache_bytes"].values.tolist() == [100 * 1024]
    assert d.series["dirty_bytes"].mean == 2048
    assert d.memory_bytes == 1000 * 1024


def test_used_is_what_free_says() -> None:
    """procps 4: total without what is available; before Linux 3.14 nothing says what is."""
    kb = {"MemTotal": [1000] * 2, "MemFree": [100] * 2, "Buffers": [10] * 2, "Cached": [500] * 2}
    old = {**kb, "SReclaimable": [40] * 2}
    new = {**old, "MemAvailable": [700] * 2}
    for columns, used in ((kb, 390), (old, 350), (new, 300)):
        d = derived(host({f"meminfo.{k}": v for k, v in columns.items()}, [0, 1]))
        assert d.series["memory_used_bytes"].mean == used * 1024
