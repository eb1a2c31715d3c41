"""Room on the file systems of the run's directories: which are asked, how often, what is left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import cli
from sampled_tree import Tree

import mpi_collector
from mpi_collector.node.sources.space import SpaceReader

S = 10**9


def reader(tmp_path: Path, mounts: str, *directories: str) -> SpaceReader:
    for line in mounts.splitlines():
        (tmp_path / line.split()[1].replace("\\040", " ").lstrip("/")).mkdir(
            parents=True, exist_ok=True
        )
    Tree(tmp_path).write("proc/mounts", mounts)
    return SpaceReader(str(tmp_path), directories)


def points(found: SpaceReader) -> set[str]:
    return {line.split()[0] for line in found.read().decode().splitlines()}


ROOT = "/dev/sda1 / ext4 rw 0 0\n"


@pytest.mark.parametrize(
    ("mounts", "directory", "point"),
    [
        (ROOT, "/home/u/results", "/"),
        (ROOT + "/dev/nvme0n1 /data xfs rw 0 0\n", "/data/set/1", "/data"),
        (ROOT + "/dev/nvme0n1 /data xfs rw 0 0\n", "/database", "/"),
        (ROOT + "/dev/sdb /my\\040data xfs rw 0 0\n", "/my data/x", "/my\\040data"),
        (ROOT + "tank/a /tank zfs rw 0 0\ntmpfs /tank/t tmpfs rw 0 0\n", "/tank/t/x", "/tank/t"),
        ("overlay / overlay rw 0 0\n", "/results", "/"),
    ],
)
def test_the_mount_of_a_directory(tmp_path: Path, mounts: str, directory: str, point: str) -> None:
    assert points(reader(tmp_path, mounts, directory)) == {point}


@pytest.mark.parametrize(
    "mounts",
    [
        ROOT + "srv:/v /mnt nfs4 rw 0 0\n",
        ROOT + "10.0.0.1@o2ib:/lfs /mnt lustre rw 0 0\n",
        ROOT + "auto.home /mnt autofs rw 0 0\n",
        ROOT + "gw /mnt fuse.sshfs rw 0 0\n",
        ROOT + "gpfs0 /mnt gpfs rw 0 0\n",
        ROOT + "srv:/v /mnt nfs4 rw 0 0\n/dev/nvme0n1 /mnt/scratch xfs rw 0 0\n",  # by way of NFS
        "srv:/root / nfs rw 0 0\n/dev/nvme0n1 /mnt xfs rw 0 0\n",
    ],
)
def test_what_may_not_answer_is_not_asked(tmp_path: Path, mounts: str) -> None:
    with pytest.raises(FileNotFoundError, match="local"):
        reader(tmp_path, mounts, "/mnt/scratch/results")


def test_values_are_those_of_df(tmp_path: Path) -> None:
    found = reader(tmp_path, ROOT, "/results").read().decode().split("\n")
    values = {line.split()[1]: int(line.split()[2]) for line in found}
    room = os.statvfs(tmp_path)
    assert values["size_bytes"] == room.f_blocks * room.f_frsize
    assert values["inodes"] == room.f_files
    free = (room.f_blocks - room.f_bfree) * room.f_frsize
    assert abs(values["used_bytes"] - free) < 1 << 30


def test_it_is_asked_every_ten_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is read; an unmounted file system is not that above it."""
    asked = []
    real = os.statvfs
    now = [0]

    def statvfs(path: str) -> os.statvfs_result:
        asked.append(now[0])
        return real(path)

    monkeypatch.setattr("mpi_collector.node.sources.space.os.statvfs", statvfs)
    Tree(tmp_path).write("proc/mounts", ROOT)
    found = SpaceReader(str(tmp_path), ["/"], clock=lambda: now[0] * S)
    for second in range(1, 60):
        now[0] = second
        found.read()
    assert asked == [1, 11, 21, 31, 41, 51]
    monkeypatch.setattr(found, "_number", lambda point: 99)
    now[0] = 100
    assert found.read() == b""


def test_a_run(tmp_path: Path) -> None:
    """The results directory of the command line, on this machine."""
    results = tmp_path / "results"
    done = cli(
        *(
            "collect",
            "--sources",
            "loadavg,space",
            "--timeseries-interval",
            "0.1",
            "--json",
            "never",
        ),
        *("--report", "never", "--results-dir", results, "--duration", "0.5"),
    )
    assert done.returncode == 0, done.stderr
    with mpi_collector.load(results) as run:
        (host,) = run.values()
        columns = [c for c in host.columns if c.startswith("space.")]
        if not columns:
            pytest.skip("the results are not on a local file system")
        figures = mpi_collector.store.figures.derive(host).series
    room = os.statvfs(results)
    used = room.f_blocks - room.f_bfree
    share = 100 * used / (used + room.f_bavail)
    assert figures["space_used_percent"].mean == pytest.approx(share, abs=2)
