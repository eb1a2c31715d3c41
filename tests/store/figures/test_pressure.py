"""Figures of pressure stall information."""

from __future__ import annotations

import pytest
from derived_host import derived, growing


def test_share_of_time() -> None:
    rates = {"pressure.io.some_us": 250_000, "pressure.io.full_us": 9, "pressure.cpu.some_us": 0}
    series = derived(growing(rates)).series
    assert series["pressure_io_percent"].mean == pytest.approx(25)
    assert series["pressure_cpu_percent"].mean == 0
    assert "pressure_memory_percent" not in series
