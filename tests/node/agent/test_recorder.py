"""The recorder of a host: how much memory its array may take."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mpi_collector.node.agent.recorder import Recorder
from mpi_collector.node.errors import SpoolError
from mpi_collector.node.options import SamplingOptions

MB = 1_000_000
MACHINE = b"MemTotal: 4000000 kB\nMemFree: 3000000 kB\nMemAvailable: %d kB\n"
V2 = {"sys/fs/cgroup/cgroup.controllers": b"cpu memory", "proc/self/cgroup": b"0::/job/step\n"}
V1 = {"proc/self/cgroup": b"4:memory:/job/step\n1:name=systemd:/\n"}
V1_AT = "sys/fs/cgroup/memory/job"


def limited(
    version: int, step: int | None, job: int | None, used: int = 0, cache: int = 0
) -> dict[str, bytes]:
    """Return the files of a cgroup below another one; limits in bytes, None: none."""
    v2 = version == 2
    base = "sys/fs/cgroup/job" if v2 else V1_AT
    names = (
        ("memory.max", "memory.current", "inactive_file")
        if v2
        else ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    )
    unlimited = b"max" if v2 else b"9223372036854771712"
    files = dict(V2 if v2 else V1)
    for at, limit in ((base, job), (f"{base}/step", step)):
        files[f"{at}/{names[0]}"] = unlimited if limit is None else b"%d\n" % limit
        files[f"{at}/{names[1]}"] = b"%d\n" % used
        files[f"{at}/memory.stat"] = b"anon 1\n%s %d\n" % (names[2].encode(), cache)
    return files


class Host:
    """A host whose memory is known from files, and the recorders on it."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._place = tmp_path
        self._monkeypatch = monkeypatch
        self._made: list[Recorder] = []

    def prepare(self, files: dict[str, bytes], available: int = 3 << 30, **options: Any) -> Any:
        """Return (size of the array in bytes, its rows, warnings)."""
        files = {
            "proc/loadavg": b"0.1 0.2 0.3 1/100 5\n",
            "proc/meminfo": MACHINE % (available >> 10),
            **files,
        }
        root = self._place / f"root{len(self._made)}"
        for name, content in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        self._monkeypatch.setenv("MPI_COLLECTOR_ROOT", str(root))
        spool_dir = self._place / f"spool{len(self._made)}"
        spool_dir.mkdir(mode=0o700)
        chosen = SamplingOptions(
            **{
                "max_samples": 1_000_000,
                "sources": "loadavg",
                "spool_dir": str(spool_dir),
                "max_spool_mb": 1e6,
                **options,
            }
        )
        recorder = Recorder(chosen, "run", "a", {})
        self._made.append(recorder)
        recorder.prepare()
        return recorder.spool.shape.size, recorder.spool.shape.rows - 1, recorder.warnings

    def close(self) -> None:
        for recorder in self._made:
            recorder.close(remove=True)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    made = Host(tmp_path, monkeypatch)
    yield made
    made.close()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("step", "job"), [(60 * MB, None), (None, 60 * MB), (60 * MB, 900 * MB), (900 * MB, 60 * MB)]
)
def test_the_smallest_cgroup_bounds_the_array(
    host: Host, version: int, step: int | None, job: int | None
) -> None:
    """Whichever of the cgroups above is the smallest: half of what it leaves is taken."""
    size, rows, warnings = host.prepare(limited(version, step, job))
    assert 29 * MB < size <= 30 * MB
    assert warnings == [
        f"the spool holds {rows} of 1000000 rows: half of the 60 MB that are free in the memory "
        "cgroup of this process"
    ]


@pytest.mark.parametrize("version", [1, 2])
def test_what_is_used_counts_and_dropped_cache_does_not(host: Host, version: int) -> None:
    size, _rows, _ = host.prepare(limited(version, 100 * MB, None, used=60 * MB, cache=20 * MB))
    assert 29 * MB < size <= 30 * MB


def test_plain_memory_is_bounded_too(host: Host) -> None:
    """Without a spool directory the array is in plain memory of the same cgroup."""
    size, rows, warnings = host.prepare(limited(2, 60 * MB, None), spool_dir="/nonexistent")
    assert 29 * MB < size <= 30 * MB
    assert "not crash-proof" in warnings[0] and "plain memory" in warnings[0]
    assert warnings[1].startswith(f"the spool holds {rows} of 1000000 rows: half of the 60 MB")


def test_the_memory_of_the_machine_bounds_it(host: Host) -> None:
    size, _rows, warnings = host.prepare({}, available=40 * MB)
    assert 19 * MB < size <= 20 * MB
    assert warnings[0].endswith("that are free in this host's memory")


def test_no_limit_and_unknown(host: Host) -> None:
    """No limit that is smaller, and files that are not there: nothing is said or taken away."""
    for files in (limited(2, None, None), limited(1, None, None), {"proc/meminfo": b""}):
        _size, rows, warnings = host.prepare(files, max_samples=5000)
        assert (rows, warnings) == (5000, [])


def test_no_room_at_all(host: Host) -> None:
    """The reason is named; that host is not recorded."""
    with pytest.raises(
        SpoolError,
        match="a spool of 16 rows needs .* may have .*memory cgroup of this process",
    ):
        host.prepare(limited(2, 1000, None))


V1_MEMORY = Path("/sys/fs/cgroup/memory")


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A memory cgroup of 200 MB."""
    group = V1_MEMORY / f"mpi_collector-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(200 * MB))
    except OSError as e:
        pytest.skip(f"no memory cgroup of version 1 can be made here: {e}")
    yield group
    group.rmdir()


def test_in_a_real_cgroup(tmp_path: Path, cgroup: Path) -> None:
    """An array of 2 GB was asked for: the job runs to its end, and is recorded."""
    join = f'echo $$ > {cgroup}/cgroup.procs; exec "$@"'
    options = "--max-timeseries-samples 20000000 --sources loadavg --max-spool-mb 4000".split()
    words = [*options, "--timeseries-interval", "0.1", "--results-dir", tmp_path / "results"]
    job = [sys.executable, "-c", "x = bytearray(60_000_000); import time; time.sleep(0.5)"]
    done = subprocess.run(
        [
            "sh",
            "-c",
            join,
            "sh",
            sys.executable,
            "-m",
            "mpi_collector",
            "collect",
            *map(str, words),
            "--",
            *job,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "that are free in the memory cgroup of this process" in done.stderr
    assert "verdict: complete" in done.stderr
