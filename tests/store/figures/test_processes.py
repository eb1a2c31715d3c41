"""The job's processes."""

from __future__ import annotations

import pytest
from derived_host import derived, host

TIMES = [0, 10, 20]


def command(name: str, user_ms: int, asked: int, threads: int) -> dict[str, list[int]]:
    grows = {"user_ms": user_ms, "system_ms": 0, "read_call_bytes": asked, "read_bytes": asked // 2}
    columns = {f"processes.{name}.{field}": [0, n, 2 * n] for field, n in grows.items()}
    return columns | {
        f"processes.{name}.threads": [threads] * 3,
        f"processes.{name}.rss_bytes": [10**9] * 3,
    }


def test_all_commands_together() -> None:
    """CPU in cores, bytes asked and moved, threads; processes without room have no figures."""
    columns = command("dlio", 25_000, 10**9, 8) | command("python.3", 5_000, 10**8, 2)
    columns |= {"processes.left_out.processes": [9, 9, 9]}
    series = derived(host(columns, TIMES)).series
    assert series["processes_cpu_cores"].mean == pytest.approx(3.0)
    assert series["processes_asked_read_bytes_per_s"].mean == pytest.approx(1.1e8)
    assert series["processes_moved_read_bytes_per_s"].mean == pytest.approx(5.5e7)
    assert series["processes_threads"].mean == 10
    assert series["processes_rss_bytes"].peak == 2e9
