"""Figures of TCP; test_sysstat compares with sar."""

from __future__ import annotations

import numpy as np
import pytest
from derived_host import derived, growing


def test_share_of_retransmits() -> None:
    series = derived(growing({"tcp.Tcp.RetransSegs": 3, "tcp.Tcp.OutSegs": 60})).series
    assert series["tcp_retransmit_percent"].mean == pytest.approx(5)


def test_nothing_sent() -> None:
    """A share of nothing is unknown."""
    series = derived(growing({"tcp.Tcp.RetransSegs": 0, "tcp.Tcp.OutSegs": 0})).series
    assert np.isnan(series["tcp_retransmit_percent"].mean)
