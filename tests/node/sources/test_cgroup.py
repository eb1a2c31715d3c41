"""cgroups of version 1, version 2 and both."""

from __future__ import annotations

from nodekit import (
    FIXTURES,
)
from sourcekit import nonzero, recorded


def test_the_cgroup_of_a_slurm_job() -> None:
    """The job's, not the step's that the collector is in; names without a dot, pressure of interrupts too."""
    found = nonzero("cgroup", "slurm-v2")
    assert found["cpu.usage_us"] == 22831721029
    assert found["memory.memory_bytes"] == 217704693760
    assert found["memory.anon"] == 216812081152
    assert found["memory.pgmajfault"] == 339
    assert found["pressure.cpu_full_us"] == 347476074
    assert found["pressure.irq_full_us"] == 3707378
    every = recorded("cgroup", FIXTURES / "slurm-v2")
    assert {
        "cgroup.cpu.core_sched_force_idle_us",
        "cgroup.cpu.throttled_us",
        "cgroup.memory.events_oom_kill",
    } <= set(every)


def test_version_1_counts_what_is_below() -> None:
    """In the job's own cgroup nobody lives: its memory is that of its steps. One controller's folder may carry two names."""
    assert nonzero("cgroup", "slurm-v1") == {
        "cpu.usage_ns": 33146523011972, "memory.cache": 4096, "memory.rss": 311296, "memory.pgfault": 1899,
    }  # fmt: skip


def test_a_hybrid_host() -> None:
    """Version 2 without controllers beside version 1 with them, which counts."""
    found = nonzero("cgroup", "linux-6.18")
    at = FIXTURES / "linux-6.18/sys/fs/cgroup"
    assert found["cpu.usage_ns"] == int((at / "cpuacct/cpuacct.usage").read_text())
    assert found["memory.memory_bytes"] == int(
        (at / "memory/job/memory.usage_in_bytes").read_text()
    )
    assert found["memory.cache"] == 171020288
    assert "cpu.usage_us" not in found
