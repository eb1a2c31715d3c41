"""Figures of CPU time, on numbers that a reader can check in the head."""

from __future__ import annotations

import numpy as np
import pytest
from derived_host import cpu, derived, host


def test_guests_count_once() -> None:
    """guest is part of user: 50 busy of 100, whatever guest says."""
    modes = {
        "user": 30,
        "nice": 5,
        "system": 10,
        "idle": 40,
        "iowait": 6,
        "irq": 2,
        "softirq": 3,
        "steal": 4,
        "guest": 30,
    }
    d = derived(host(cpu(**{k: [7, 7 + v] for k, v in modes.items()}), [0, 1]))
    assert d.series["cpu_busy_percent"].mean == pytest.approx(50)
    assert d.series["cpu_iowait_percent"].mean == pytest.approx(6)
    assert d.series["cpu_steal_percent"].mean == pytest.approx(4)
    assert list(d.series) == ["cpu_busy_percent", "cpu_iowait_percent", "cpu_steal_percent"]


def test_falling_iowait_is_not_a_reset_of_everything() -> None:
    """iowait may decrease (proc(5)): it is unknown there and noted, the busy share is not."""
    columns = cpu(
        user=[0, 50, 100], nice=[0] * 3, system=[0] * 3, idle=[0, 50, 102], iowait=[9, 9, 7]
    )
    d = derived(host(columns, [0, 1, 2]))
    assert d.series["cpu_busy_percent"].values.tolist() == [50, 50]
    assert d.series["cpu_iowait_percent"].values[0] == 0
    assert np.isnan(d.series["cpu_iowait_percent"].values[1])
    assert any("stat cpu.iowait" in n for n in d.notes)


def test_old_kernel_without_iowait() -> None:
    """What the kernel did not print is absent, not 0."""
    d = derived(host(cpu(user=[0, 25], nice=[0, 0], system=[0, 0], idle=[0, 75]), [0, 1]))
    assert d.series["cpu_busy_percent"].mean == 25
    assert "cpu_iowait_percent" not in d.series


def test_number_of_cpus() -> None:
    columns = cpu(idle=[0, 1]) | {"stat.cpu0.idle": [0, 1], "stat.cpu11.idle": [0, 1]}
    assert derived(host(columns, [0, 1])).cpus == 2
