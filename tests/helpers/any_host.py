"""Hosts with any counters: resets, wraps, gaps, late devices, rows not due, short last intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import synthetic as sy
from hypothesis import strategies as st

from mpi_collector.node.row.layout import MISSING, STOP_TICK
from mpi_collector.node.status import OK, SKIPPED

VALUES = st.integers(0, 2**40) | st.sampled_from([0, 7, 2**32 - 1, 2**63 - 1, -1, -5, MISSING])


_NETWORK = ("netdev.eth0.rx_bytes", "netdev.eth0.tx_bytes")
_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_CPU = tuple(f"stat.{cpu}.{mode}" for cpu in ("cpu", "cpu0") for mode in _MODES)


@st.composite
def hosts(draw: st.DrawFn) -> sy.SynthHost:
    """Return disks, sometimes an interface or CPUs, with any counters, late, gone, or not due at some rows."""
    rows = draw(st.integers(2, 9))
    gaps = draw(
        st.lists(st.sampled_from([0.5, 1.0, 1.0, 2.5]), min_size=rows - 1, max_size=rows - 1)
    )
    gaps[-1] = draw(st.sampled_from([0.001, 0.05, 0.3, 1.0]))
    times = sy.START_NS + np.round(np.append(0, np.cumsum(gaps)) * sy.S).astype(np.int64)
    tick = np.append(np.arange(rows - 1), STOP_TICK).astype(np.int64)
    columns: dict[str, Any] = {}
    for disk in ("sda", "sdb"):
        for name in ("sectors_read", "reads_completed", "time_reading_ms"):
            values = draw(st.lists(VALUES, min_size=rows, max_size=rows))
            if draw(st.booleans()):
                values = np.cumsum(np.abs(np.array(values) % 10**6)).tolist()
            late = draw(st.integers(0, rows - 1))
            values[:late] = [MISSING] * late
            columns[f"diskstats.{disk}.{name}"] = np.array(values, dtype=np.int64)
    others = draw(st.sampled_from([(), _NETWORK, _CPU]))
    for name in others:
        grown = draw(st.lists(st.integers(0, 300), min_size=rows, max_size=rows))
        values = np.cumsum(grown) + draw(st.sampled_from([0, 10**6, 2**62]))
        for at in draw(st.lists(st.integers(0, rows - 1), max_size=2)):
            values[at] = draw(VALUES)
        columns[name] = values.astype(np.int64)
    status = draw(st.lists(st.sampled_from([OK, OK, SKIPPED]), min_size=rows, max_size=rows))
    for name, values in columns.items():
        if name.startswith("diskstats."):
            values[np.array(status) == SKIPPED] = MISSING
    return sy.SynthHost(tick, times, columns, sources={"diskstats": np.array(status)})
