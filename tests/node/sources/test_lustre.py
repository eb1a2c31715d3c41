"""Lustre client and LNet: every number of the captures, and what a kernel shows to root alone."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from nodekit import (
    FIXTURES,
)
from sampled_tree import Tree, sampled
from sourcekit import plant, recorded

from mpi_collector.node.read.probe import Probe
from mpi_collector.node.sources import (
    select,
)
from mpi_collector.node.status import ABSENT, DENIED


@pytest.mark.parametrize("base", ["proc/fs/lustre", "sys/kernel/debug/lustre", "sys/fs/lustre"])
def test_lustre(tmp_path: Path, base: str) -> None:
    """Counts and sums of every line."""
    wanted = {}
    for name in ("llite-2.12", "llite-2.15", "osc-2.12", "mdc-2.15"):
        kind, version = name.split("-")
        target = tmp_path / base / kind / f"lfs{version}-ffff8a"
        target.mkdir(parents=True)
        text = (FIXTURES / "lustre" / name).read_text()
        (target / "stats").write_text(text)
        for line in text.splitlines():
            words = line.split()
            if words[2:3] == ["samples"]:
                device = f"lustre.{kind}/lfs{version}-ffff8a.{words[0]}"
                wanted[f"{device}_samples"] = int(words[1])
                if len(words) > 6:
                    wanted[f"{device}_sum"] = int(words[6])
    found = recorded("lustre", tmp_path)
    assert found == wanted
    assert found["lustre.osc/lfs2.12-ffff8a.read_bytes_sum"] == 6895163247966
    assert found["lustre.mdc/lfs2.15-ffff8a.req_waittime_sum"] == 1493


def test_lustre_for_root_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since 2.12 its statistics are under debugfs: there is Lustre, and this user may not read it. Elsewhere it is not there."""
    real = os.listdir

    def listdir(path: str) -> list[str]:
        if "kernel/debug" in str(path):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr("mpi_collector.node.sources.lustre.os.listdir", listdir)
    probe = Probe(select("lustre"), str(tmp_path))
    assert probe.absent == {"lustre": ABSENT}
    (tmp_path / "sys/fs/lustre").mkdir(parents=True)
    probe = Probe(select("lustre"), str(tmp_path))
    assert probe.absent == {"lustre": DENIED}
    assert "root" in probe.reasons["lustre"]


def test_lnet(tmp_path: Path) -> None:
    """A table of its own: a target has no columns of LNet's."""
    plant(tmp_path, "lnet")
    (tmp_path / "proc/fs/lustre/osc/lfs-OST0000").mkdir(parents=True)
    (tmp_path / "proc/fs/lustre/osc/lfs-OST0000/stats").write_text(
        (FIXTURES / "lustre/osc-2.12").read_text()
    )
    found = recorded("lustre", tmp_path)
    lnet = {k.rpartition(".")[2]: v for k, v in found.items() if k.startswith("lustre.lnet")}
    names = ("msgs_alloc msgs_max errors send_count recv_count route_count drop_count send_length recv_length route_length "
             "drop_length")  # fmt: skip
    line = (0, 1172, 0, 195805494, 204125982, 0, 16957, 216828482753, 708781379083, 0, 3268048)
    assert lnet == dict(zip(names.split(), line))
    assert not [k for k in found if "OST0000.send_count" in k or "lnet.read_bytes" in k]


def stats(read: int = 0, written: int = 0) -> str:
    """A client's ``stats``: it lists the calls that were made."""
    lines = ["snapshot_time             1705320000.123456789 secs.nsecs"]
    if read:
        lines.append(f"read_bytes {read >> 20} samples [bytes] 4096 1048576 {read} {read << 20}")
    if written:
        lines.append(f"write_bytes {written >> 20} samples [bytes] 4096 1048576 {written} 9")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("base", ["proc/fs/lustre", "sys/kernel/debug/lustre"])
def test_a_client_that_was_idle_at_the_start(tmp_path: Path, base: str) -> None:
    """Its files have no lines of reads and writes yet; the rates are known from where they appear."""
    tree = Tree(tmp_path / "root")
    at = f"{base}/llite/lfs-ffff8a/stats"
    tree.write(at, stats())
    tree.write(f"{base}/osc/lfs-OST0000-osc-ffff8a/stats", stats())
    found = sampled(
        tree,
        tmp_path / "results",
        "lustre",
        lambda: tree.write(at, stats(1 << 20, 2 << 20)),
        lambda: tree.write(at, stats(101 << 20, 52 << 20)),
    )
    assert found.known("lustre.llite/lfs-ffff8a.read_bytes_sum")[-1] == 101 << 20
    assert found.moved("lustre_read_bytes_per_s") == pytest.approx(100 << 20, rel=1e-3)
    assert found.moved("lustre_write_bytes_per_s") == pytest.approx(50 << 20, rel=1e-3)
    assert [r for r in found.reasons if "lustre" in r] == []


def test_a_mount_that_comes_later(tmp_path: Path) -> None:
    """The module is loaded, and nothing is mounted at the start."""
    tree = Tree(tmp_path / "root")
    (tmp_path / "root/proc/fs/lustre").mkdir(parents=True)
    at = "proc/fs/lustre/llite/lfs-ffff8a/stats"
    found = sampled(
        tree,
        tmp_path / "results",
        "lustre",
        lambda: tree.write(at, stats(1 << 20)),
        lambda: time.sleep(0.5),
        lambda: tree.write(at, stats(101 << 20)),
    )
    assert found.moved("lustre_read_bytes_per_s") == pytest.approx(100 << 20, rel=1e-3)
    assert [r for r in found.reasons if "room" in r] == []


def test_calls_that_this_version_does_not_know(tmp_path: Path) -> None:
    """One reason for all of them, when they appear after the start."""
    tree = Tree(tmp_path / "root")
    at = "proc/fs/lustre/llite/lfs-ffff8a/stats"
    tree.write(at, stats())
    unknown = "".join(f"novelty{n} 5 samples [usec] 1 2 9 9\n" for n in range(40))
    found = sampled(tree, tmp_path / "results", "lustre", lambda: tree.write(at, stats() + unknown))
    (reason,) = [r for r in found.reasons if "room" in r]
    assert "field novelty0_samples" in reason and "and 60 more" in reason
