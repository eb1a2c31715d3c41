"""Limits above a device, from columns that are made by hand: throttles and memory limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic as sy

from mpi_collector.node.host.snapshot import take
from mpi_collector.node.sources.cgroup import LIMITS
from mpi_collector.node.status import OK
from mpi_collector.store.recording import Recording
from mpi_collector.why.analysis import why

ROWS = 41
MODES = ("user", "nice", "system", "iowait", "irq", "softirq", "steal")


def answer(
    tmp_path: Path,
    columns: dict[str, float],
    io_max: tuple[str, ...] = (),
    of_job: tuple[str, ...] | None = None,
    **levels: float,
) -> Any:
    """What why says of a host of four idle CPUs. ``columns``: counters, per second; ``levels``: gauges.

    ``io_max``: of the recorder's cgroup; ``of_job``: of COMMAND's, where that is another one.
    """
    tick, times = sy.grid(ROWS)
    rates = {f"stat.cpu.{mode}": 0.0 for mode in MODES} | {"stat.cpu.idle": 400.0}
    rates |= {f"stat.cpu{n}.{mode}": 0.0 for n in range(4) for mode in MODES}
    rates |= {f"stat.cpu{n}.idle": 100.0 for n in range(4)}
    found = {name: sy.counter(rate, times) for name, rate in (rates | columns).items()}
    found |= {n.replace("__", "."): np.full(len(times), v, np.int64) for n, v in levels.items()}
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/diskstats").write_text(f"7 0 loop0{' 0' * 17}\n")
    snapshot: Any = take((), str(tmp_path))
    snapshot["cgroup_limits"]["io_max"] = list(io_max)
    job = {"job": np.full(len(tick), OK)} if any(c.startswith("job.") for c in found) else {}
    limits = {"type": LIMITS, "source": "cgroup", "tick": 1, **snapshot["cgroup_limits"]}
    events = [] if of_job is None else [limits | {"io_max": list(of_job)}]
    meta = {"snapshot": snapshot, "events": events}
    host = sy.SynthHost(tick, times, found, meta, sources=job)
    with Recording(sy.write(tmp_path / "run.npz", [("node1", host)])) as recording:
        return why(recording)


def limited_by(tmp_path: Path, *given: Any, **levels: float) -> Any:
    """What limits it."""
    return answer(tmp_path, *given, **levels)["limited_by"]


def disk(
    read: float,
    in_flight: float,
    block: float = 65536,
    name: str = "loop0",
    busy: float | None = None,
) -> dict[str, float]:
    """diskstats of a device in bytes per second. ``busy``: share of time with a request in flight."""
    requests = read / block
    found = {
        "diskstats.loop0.reads_completed": requests,
        "diskstats.loop0.sectors_read": read / 512,
        "diskstats.loop0.time_reading_ms": in_flight * 1e3,
        "diskstats.loop0.writes_completed": 0.0,
        "diskstats.loop0.sectors_written": 0.0,
        "diskstats.loop0.time_writing_ms": 0.0,
        "diskstats.loop0.time_doing_ios_ms": 1e3 * (min(in_flight, 1.0) if busy is None else busy),
        "diskstats.loop0.weighted_time_doing_ios_ms": in_flight * 1e3,
    }
    return {column.replace("loop0", name): rate for column, rate in found.items()}


@pytest.mark.parametrize("limit", ["rbps=5000000", "riops=77", "rbps=5000000 riops=900"])
def test_an_io_limit_of_the_cgroup(tmp_path: Path, limit: str) -> None:
    found = limited_by(tmp_path, disk(4.9e6, 0.03), (f"7:0 {limit}",))
    assert (found["cause"], found["device"]) == ("cgroup", "loop0")
    assert found["ceiling"]["kind"] == "declared"


@pytest.mark.parametrize(
    ("io_max", "of_job", "cause"),
    [
        ((), ("7:0 rbps=5000000",), "cgroup"),
        (("7:0 rbps=50000000",), ("7:0 rbps=5000000",), "cgroup"),
        (("7:0 rbps=5000000",), (), None),  # COMMAND has left it
    ],
)
def test_an_io_limit_of_commands_own_cgroup(
    tmp_path: Path, io_max: tuple[str, ...], of_job: tuple[str, ...], cause: str | None
) -> None:
    """COMMAND is put into a cgroup of its own: the recorder's limits are not its."""
    found = limited_by(tmp_path, disk(4.9e6, 0.03), io_max, of_job)
    assert (found["cause"] if found and found["cause"] == "cgroup" else None) == cause


def test_a_limit_of_a_loop_device_above_another_one(tmp_path: Path) -> None:
    """The device below carries the same bytes; the kernel counts those of the limit at the loop device."""
    columns = disk(4.9e6, 0.03) | disk(5.3e6, 0.05, name="vda")
    found = limited_by(tmp_path, columns, (), ("7:0 rbps=5000000",))
    assert (found["cause"], found["device"]) == ("cgroup", "loop0")


@pytest.mark.parametrize("limit", ["rbps=50000000", "riops=900", "wbps=100", "rbps=1000000"])
def test_a_limit_that_is_not_reached_or_not_of_the_device(tmp_path: Path, limit: str) -> None:
    found = limited_by(tmp_path, disk(4.9e6, 0.03), (f"7:0 {limit}",))
    assert found is None or found["cause"] != "cgroup"


@pytest.mark.parametrize(("in_flight", "cause"), [(0.03, "device"), (0.95, "latency")])
def test_one_task_that_waits(tmp_path: Path, in_flight: float, cause: str) -> None:
    """Without a request in flight it is held back above the device, by what is not recorded."""
    columns = disk(2e6, in_flight, 1 << 20) | {"pressure.io.some_us": 0.97e6}
    found = limited_by(tmp_path, columns, stat__procs_running=1, stat__procs_blocked=1)
    assert (found["cause"], found["device"]) == (cause, "loop0")


@pytest.mark.parametrize("pressure", [0.5, 0.98])
def test_one_task_held_back_is_seen_by_half_of_its_pressure(
    tmp_path: Path, pressure: float
) -> None:
    """A kernel that counts PSI per CPU gives one waiting task half of the time on two of them."""
    columns = disk(5e6, 0.1, 1 << 20) | {"pressure.io.some_us": pressure * 1e6}
    columns |= disk(5.1e6, 0.1, 1 << 20, "vda")  # on which the file of the loop device lies
    found = limited_by(tmp_path, columns, stat__procs_running=1, stat__procs_blocked=1)
    assert (found["cause"], found["device"]) == ("device", "loop0")
    assert found["ceiling"]["value"] == pytest.approx(5e6, rel=0.02)


def test_many_that_are_held_back_count_more_than_one_full_core(tmp_path: Path) -> None:
    columns = disk(5e6, 0.1, 1 << 20) | {"pressure.io.some_us": 0.99e6}
    columns |= {"stat.cpu.idle": 300.0, "stat.cpu.user": 100.0}
    columns |= {"stat.cpu0.idle": 0.0, "stat.cpu0.user": 100.0}
    found = limited_by(tmp_path, columns, stat__procs_running=1, stat__procs_blocked=6)
    assert found["cause"] == "device"


@pytest.mark.parametrize(
    ("in_flight", "busy", "cause"),
    [(0.47, 0.3, "nothing on the hosts"), (0.7, 0.3, "nothing on the hosts"), (0.8, 0.75, "latency")],
)  # fmt: skip
def test_a_reader_that_pauses_between_batches(
    tmp_path: Path, in_flight: float, busy: float, cause: str
) -> None:
    """Read-ahead has several requests in flight at once; the share of time with one counts."""
    columns = disk(20e6, in_flight, busy=busy) | {"pressure.io.some_us": 1e6 * busy}
    found = limited_by(tmp_path, columns, stat__procs_running=1, stat__procs_blocked=0)
    assert found["cause"] == cause


#: MB/s that nothing waits for: (requests in flight, share of time with one)
BURSTS = [(0.02, 0.0), (0.4, 0.02), (0.7, 0.04), (1.3, 0.05)]


@pytest.mark.parametrize(("in_flight", "busy"), BURSTS)
@pytest.mark.parametrize("written", [False, True])
def test_bursts_that_nothing_waits_for_are_not_known(
    tmp_path: Path, in_flight: float, busy: float, written: bool
) -> None:
    """A throttle above libaio and a program that pauses look alike."""
    columns = disk(20e6, in_flight, busy=busy) | {"pressure.io.some_us": 1e3 * in_flight}
    if written:
        swap = {"sectors_read": "sectors_written", "reads": "writes", "reading": "writing"}
        for a, b in swap.items():
            columns |= {c.replace(a, b): v for c, v in columns.items() if a in c} | {
                c: 0.0 for c in columns if a in c
            }
    found = answer(tmp_path, columns, stat__procs_running=1, stat__procs_blocked=0)
    assert found["limited_by"] is None
    assert "no task was seen waiting" in found["not_known"][0]["reason"]


def test_bursts_of_read_calls_with_pauses_are_the_program(tmp_path: Path) -> None:
    """Sixteen tasks that read together and then compute elsewhere: their waiting is counted."""
    columns = disk(20e6, 0.4, busy=0.025) | {"pressure.io.some_us": 0.025e6}
    found = limited_by(tmp_path, columns, stat__procs_running=1, stat__procs_blocked=0)
    assert found["cause"] == "nothing on the hosts"


def test_what_the_flusher_writes_is_nobodys_waiting(tmp_path: Path) -> None:
    columns = disk(0.0, 0.1, busy=0.05) | {
        "diskstats.loop0.sectors_written": 20e6 / 512,
        "diskstats.loop0.writes_completed": 80.0,
        "diskstats.loop0.time_writing_ms": 100.0,
        "vmstat.nr_written": 20e6 / 4096,
        "pressure.io.some_us": 0.0,
    }
    found = limited_by(tmp_path, columns, stat__procs_running=1, stat__procs_blocked=0)
    assert found["cause"] == "nothing on the hosts"


def test_read_calls_that_nobody_waited_for_are_the_program(tmp_path: Path) -> None:
    """Read-ahead was in time: the read calls of the job show that it is no libaio."""
    columns = disk(20e6, 0.02) | {"pressure.io.some_us": 0.0}
    columns |= {
        f"job.command.{call}_call_bytes": rate for call, rate in (("read", 20e6), ("write", 0.0))
    }
    levels = {
        "job__command__processes": 1,
        "job__command__not_files": 0,
        "job__command__left_out": 0,
    }
    found = limited_by(tmp_path, columns, stat__procs_running=1, stat__procs_blocked=0, **levels)
    assert found["cause"] == "nothing on the hosts"


@pytest.mark.parametrize("rotational", [False, True])
@pytest.mark.parametrize(("name", "cause"), [("vda", "device"), ("sda", None), ("nvme0n1", None)])
def test_a_deep_queue_of_a_virtual_drive(
    tmp_path: Path, name: str, cause: str | None, rotational: bool
) -> None:
    """Its own time at light load may be a tenth of the usual one, whatever it says of rotation."""
    fast = {"vda": 0.7, "sda": 0.1, "nvme0n1": 0.1}[name]
    columns = disk(45 / fast * 1e3 * 4096, 45.0, 4096, name) | {"pressure.io.some_us": 0.0}
    (tmp_path / f"sys/block/{name}/queue").mkdir(parents=True)
    (tmp_path / f"sys/block/{name}/queue/rotational").write_text(f"{rotational:d}\n")
    found = limited_by(tmp_path, columns, stat__procs_running=1, stat__procs_blocked=0)
    assert (found["cause"] if found else None) == cause


@pytest.mark.parametrize("hits", ["memory_limit_hits", "events_max"])
@pytest.mark.parametrize(("again", "cause"), [(0.6, "cgroup"), (0.0, "latency")])
def test_a_memory_limit(tmp_path: Path, hits: str, again: float, cause: str) -> None:
    """Reached by reading alone it does no harm; where evicted pages are read again it does."""
    columns = disk(300e6, 1.5) | {
        f"cgroup.memory.{hits}": 60_000.0,
        "vmstat.workingset_refault_file": again * 300e6 / 4096,
    }
    assert limited_by(tmp_path, columns)["cause"] == cause
