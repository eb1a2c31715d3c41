"""Figures of Lustre mounts."""

from __future__ import annotations

import pytest
from derived_host import derived, growing


def test_mounts_count_and_targets_do_not() -> None:
    rates = {
        "lustre.llite/x.read_bytes_sum": 777,
        "lustre.llite/y.read_bytes_sum": 3,
        "lustre.osc/x-OST0.read_bytes_sum": 777,
        "lustre.llite/x.write_bytes_sum": 50,
    }
    series = derived(growing(rates)).series
    assert series["lustre_read_bytes_per_s"].mean == pytest.approx(780)
    assert series["lustre_write_bytes_per_s"].mean == pytest.approx(50)
