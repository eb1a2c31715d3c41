"""Whose CPU time it was: COMMAND's, other programs', or nobody knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic as sy

from mpi_collector.node.host.snapshot import take
from mpi_collector.node.status import OK
from mpi_collector.store.recording import Recording
from mpi_collector.why.analysis import why

ROWS = 41
CPUS = 4
MODES = ("user", "nice", "system", "irq", "softirq", "iowait", "steal", "idle")
NOT_KNOWN = "whose CPU time it was is not known"


def judged(
    tmp_path: Path, running: int, job: float | None, of: str = "command",
    cgroup: tuple[str, str, float] | None = None, **modes: float,
) -> Any:  # fmt: skip
    """What is said of four CPUs. ``modes``: CPUs in a mode; ``job``: CPUs that the job used, None: not
    recorded; ``cgroup``: version and path of its cgroup, and CPUs that it used."""  # fmt: skip
    tick, times = sy.grid(ROWS)
    modes = {"idle": CPUS - sum(modes.values())} | modes
    columns = {f"stat.cpu.{m}": sy.counter(100 * modes.get(m, 0.0), times) for m in MODES}
    for n in range(CPUS):
        # whole CPUs first, so that one of four is one full CPU
        used = {m: min(max(modes.get(m, 0.0) - n, 0.0), 1.0) for m in MODES if m != "idle"}
        used["idle"] = max(1 - sum(used.values()), 0.0)
        columns |= {f"stat.cpu{n}.{m}": sy.counter(100 * c, times) for m, c in used.items()}
    columns["stat.procs_running"] = np.full(len(times), running, np.int64)
    columns["stat.procs_blocked"] = np.zeros(len(times), np.int64)
    columns["pressure.io.some_us"] = np.zeros(len(times), np.int64)
    columns |= {f"diskstats.sda.{f}": np.zeros(len(times), np.int64) for f in (
        "sectors_read", "sectors_written", "reads_completed", "writes_completed", "time_reading_ms",
        "time_writing_ms", "time_doing_ios_ms", "weighted_time_doing_ios_ms")}  # fmt: skip
    if job is not None:
        fields = ("read_call_bytes", "write_call_bytes", "not_files", "left_out", "system_ms")
        columns |= {f"job.{of}.{f}": np.zeros(len(times), np.int64) for f in fields}
        columns[f"job.{of}.processes"] = np.full(len(times), 2, np.int64)
        columns[f"job.{of}.user_ms"] = sy.counter(1000 * job, times)
    snapshot: Any = take((), str(tmp_path))
    if cgroup is not None:
        snapshot["cgroup_limits"] |= {"version": int(cgroup[0]), "path": cgroup[1]}
        columns["cgroup.cpu.usage_us"] = sy.counter(1e6 * cgroup[2], times)
    host = sy.SynthHost(
        tick, times, columns, {"snapshot": snapshot}, sources={"job": np.full(len(tick), OK)}
    )
    command = [sy.START_NS, int(times[-1])]
    path = sy.write(tmp_path / "run.npz", [("node1", host)], command_ns=command)
    with Recording(path) as recording:
        return why(recording)


@pytest.mark.parametrize("of", ["command", "user"])
def test_the_jobs_own(tmp_path: Path, of: str) -> None:
    found = judged(tmp_path, 8, 3.7, of, user=3.95)["limited_by"]
    assert (found["cause"], found["confidence"]) == ("cpu", "certain")
    assert "used 94 % of the CPU time in use" in found["for"][1]["text"]
    assert found["against"] == []


@pytest.mark.parametrize("running", [5, 9, 17])
def test_a_job_that_starves_beside_others(tmp_path: Path, running: int) -> None:
    """One thread of it gets its part."""
    found = judged(tmp_path, running, CPUS / running, user=3.98)["limited_by"]
    assert (found["cause"], found["confidence"]) == ("cpu", "likely")
    assert "COMMAND and what it started used" in found["for"][1]["text"]
    assert "other programs" in found["for"][1]["text"]


@pytest.mark.parametrize("job", [0.0, 0.01, 0.1])
def test_a_job_that_wants_no_cpu(tmp_path: Path, job: float) -> None:
    document = judged(tmp_path, 9, job, user=3.98)
    assert document["limited_by"] is None
    assert "mostly with other programs" in document["not_known"][0]["reason"]


@pytest.mark.parametrize(
    ("job", "modes"),
    [
        (None, {"user": 3.98}),
        (0.3, {"user": 0.3, "system": 3.6}),  # threads of the kernel, perhaps for the job
        (1.0, {"user": 2.5, "softirq": 1.4}),
    ],
    ids=str,
)
def test_nobody_knows_whose(tmp_path: Path, job: float | None, modes: dict[str, float]) -> None:
    found = judged(tmp_path, 9, job, **modes)["limited_by"]
    assert (found["cause"], found["confidence"]) == ("cpu", "likely")
    assert found["against"][0]["text"].startswith(NOT_KNOWN)


@pytest.mark.parametrize(
    ("cgroup", "confidence", "said"),
    [
        (("2", "/system.slice/slurmstepd.scope/job_7", 3.8), "certain", "the job's cgroup used 95 %"),
        (("2", "/user.slice", 0.5), "likely", "other programs 87 %"),
        (("2", "/", 3.98), "likely", NOT_KNOWN),  # everybody is in it
        (("1", "/job_7", 3.98), "likely", NOT_KNOWN),  # of which controller is not recorded
        (("1", "/job_7", 0.5), "likely", "other programs 87 %"),
    ],
    ids=str,
)  # fmt: skip
def test_by_the_cgroup(
    tmp_path: Path, cgroup: tuple[str, str, float], confidence: str, said: str
) -> None:
    found = judged(tmp_path, 9, None, cgroup=cgroup, user=3.99)["limited_by"]
    assert (found["cause"], found["confidence"]) == ("cpu", confidence)
    assert said in "; ".join(e["text"] for e in found["for"] + found["against"])


def test_tasks_of_a_scheduler_are_no_children_of_command(tmp_path: Path) -> None:
    """With srun as COMMAND its tasks are seen in the cgroup of the job alone."""
    path = "/slurm/job_7"
    found = judged(tmp_path, 9, 0.01, cgroup=("2", path, 3.9), user=3.98)["limited_by"]
    assert (found["cause"], found["confidence"]) == ("cpu", "certain")


@pytest.mark.parametrize(
    ("job", "modes", "cause", "confidence"),
    [
        (0.98, {"user": 1.0}, "one core", "certain"),
        (None, {"user": 1.0}, "one core", "likely"),
        (0.01, {"user": 1.0}, "nothing on the hosts", "likely"),  # another program's thread
        (0.1, {"softirq": 1.0}, "one core", "likely"),  # interrupts, of the job's packets perhaps
    ],
)
def test_one_core(
    tmp_path: Path, job: float | None, modes: dict[str, float], cause: str | None,
    confidence: str | None,
) -> None:  # fmt: skip
    found = judged(tmp_path, 2, job, **modes)["limited_by"]
    assert (found and found["cause"]) == cause
    assert (found and found["confidence"]) == confidence
