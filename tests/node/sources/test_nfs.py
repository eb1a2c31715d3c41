"""NFS mounts: every number of the captures, mounts that share a file system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from nodekit import (
    FIXTURES,
)
from sampled_tree import Tree, sampled
from source_texts import TEXTS
from sourcekit import decoded, recorded

from mpi_collector.node.row.decode import RowDecoder, make_layout
from mpi_collector.node.row.layout import MISSING
from mpi_collector.node.sources import (
    BY_NAME,
    nfs,
)


def mountstats(name: str = "before") -> str:
    return (FIXTURES / "mountstats" / name).read_text()


def nfs_of(text: str, source: object = None, first: str | None = None) -> dict[str, int]:
    """{column without "nfs.": value}."""
    source = source or BY_NAME["nfs"]()
    layout = make_layout([source], [(first or text).encode()])
    row, _ = RowDecoder([source], layout, lambda event: None).decode([text.encode()], 0)
    return {
        c.name[4:]: v
        for c, v in zip(layout.columns(), row)
        if c.device is not None and v != MISSING and c.source == "nfs"
    }


OPERATIONS = "READ WRITE COMMIT GETATTR LOOKUP ACCESS OPEN CREATE REMOVE SETATTR READDIR".split()
OF_AN_OPERATION = (
    "ops transmissions timeouts sent_bytes received_bytes queue_ms rtt_ms execute_ms errors".split()
)
OF_BYTES = (
    "normal_read_bytes normal_write_bytes direct_read_bytes direct_write_bytes server_read_bytes "
    "server_write_bytes read_pages write_pages"
).split()


def test_mountstats_every_number() -> None:
    """Of every mount: bytes, transports (all connections summed), operations, the rare ones as OTHER."""
    found = nfs_of(mountstats())
    wanted: dict[str, int] = {}
    place = ""
    sends = {"tcp": 7, "rdma": 7, "udp": 4}

    def add(name: str, word: str) -> None:
        wanted[f"{place}.{name}"] = wanted.get(f"{place}.{name}", 0) + int(word)

    for line in mountstats().splitlines():
        words = line.split()
        if line.startswith("device"):
            place = words[4] if "nfs" in line.rpartition("fstype")[2] else ""
        if not place or not words:
            continue
        if words[0] == "bytes:":
            for name, word in zip(OF_BYTES, words[1:]):
                add(name, word)
        elif words[0] == "xprt:":
            for i, name in enumerate(("sends", "receives", "bad_xids")):
                add(f"xprt_{name}", words[sends[words[1]] + i])
        elif words[0].endswith(":") and words[0][:-1].isupper():
            op = {"OPEN_NOATTR": "OPEN"}.get(words[0][:-1], words[0][:-1])
            for name, word in zip(OF_AN_OPERATION, words[1:]):
                add(f"{op if op in OPERATIONS else 'OTHER'}_{name}", word)
    assert {k.rpartition(".")[0] for k in found} == {
        "/mnt/v3",
        "/mnt/v41",
        "/mnt/old",
        "/mnt/rdma",
        "/mnt/udp",
        "/mnt/the\\040same",
    }
    assert found == wanted
    assert found["/mnt/v41.xprt_sends"] == 938505 + 938401 + 938300 + 938200
    assert found["/mnt/v41.OPEN_errors"] == 394
    assert "/mnt/old.READ_errors" not in found  # before Linux 5.3 there is no such word


def nfs_below(root: Path, stats: str, mountinfo: str | None) -> dict[str, int]:
    """{column without "nfs.": value} of one sample, opened and read."""
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/mountstats").write_text(stats)
    if mountinfo is not None:
        (root / "proc/self/mountinfo").write_text(mountinfo)
    return {k[4:]: v for k, v in recorded("nfs", root).items()}


def infos(**numbers: str) -> str:
    """Lines of mountinfo: MAJOR:MINOR of every place below /mnt."""
    return "".join(
        f"{n} 1 {number} / /mnt/{place.replace('_', chr(92) + '040')} rw - nfs4 s:/ rw\n"
        for n, (place, number) in enumerate(numbers.items())
    )


def test_a_file_system_in_two_places_counts_once(tmp_path: Path) -> None:
    """Its number tells, not its counters: two others that did the same are two."""
    numbers = {
        "v3": "0:41",
        "v41": "0:42",
        "old": "0:43",
        "rdma": "0:44",
        "udp": "0:45",
        "the_same": "0:42",
    }
    once = nfs_below(tmp_path / "once", mountstats(), infos(**numbers))
    assert once == {k: v for k, v in nfs_of(mountstats()).items() if "same" not in k}
    for mountinfo in (infos(**numbers | {"the_same": "0:46"}), None):
        assert nfs_below(tmp_path / str(mountinfo is None), mountstats(), mountinfo) == nfs_of(
            mountstats()
        )


def test_a_mount_over_another_keeps_the_name(tmp_path: Path) -> None:
    text = mountstats("linux-6.1/before")
    at = text.index("device 127.0.0.1:/b mounted")
    over = text[at:].replace("/mnt/b\\040place", "/mnt/v42", 1)
    hidden = nfs_below(tmp_path / "a", text[:at], None)["/mnt/v42.READ_ops"]
    shown = over.replace("\t        READ: ", "\t        READ: 9", 1)
    found = nfs_below(
        tmp_path / "b", text[:at] + shown, infos(v42="0:50", v41="0:51", v40="0:52", v3="0:53")
    )
    assert found["/mnt/v42.READ_ops"] != hidden
    assert {k.rpartition(".")[0] for k in found} == {
        "/mnt/v42",
        "/mnt/v41",
        "/mnt/v40",
        "/mnt/v3",
        "/mnt/again",
        "/mnt/bound",
    }


def test_exports_of_a_server_that_did_the_same_are_not_one(tmp_path: Path) -> None:
    """A real kernel's five file systems, on which the same was done; one is in three places."""
    found = nfs_below(tmp_path, mountstats("linux-6.1/after"), mountstats("linux-6.1/mountinfo"))
    assert {k.rpartition(".")[0] for k in found} == {
        "/mnt/v3",
        "/mnt/v40",
        "/mnt/v41",
        "/mnt/v42",
        "/mnt/b\\040place",
    }
    assert len({v for k, v in found.items() if k.endswith("normal_read_bytes")}) == 1


def test_a_nfs_mount_comes_and_goes() -> None:
    NFS = TEXTS["nfs"].text
    gone = NFS[: NFS.index(b"device srv:/vol")] + NFS[NFS.index(b"device proc") :]
    assert not [k for k in decoded("nfs", NFS, gone).cells if k.startswith("/mnt/data")]
    more = NFS + NFS.replace(b"/mnt/data", b"/mnt/more").replace(b"5000 6000", b"5001 6000")
    assert decoded("nfs", NFS, more).cells["/mnt/more.READ_ops"] == 10


def mount(place: str, version: int, read: int, operations: str = "") -> str:
    """A mount in mountstats that has read so many bytes from its server."""
    return (
        f"device srv:{place} mounted on {place} with fstype nfs4 statvers=1.1\n"
        f"\topts:\trw,vers={version}\n\tbytes:\t{read} 0 0 0 {read} 0 {read >> 12} 0\n"
        "\tRPC iostats version: 1.1  p/v: 100003/4 (nfs)\n\tper-op statistics\n"
        f"\t        READ: {read >> 20} {read >> 20} 0 100 {read} 5 {read >> 18} 400 0\n{operations}\n"
    )


NO_NFS = (
    "device rootfs mounted on / with fstype rootfs\ndevice proc mounted on /proc with fstype proc\n"
)


def test_a_mount_that_comes_later(tmp_path: Path) -> None:
    """Nothing is on NFS at the start."""
    tree = Tree(tmp_path / "root")
    at = "proc/self/mountstats"
    tree.write(at, NO_NFS)
    found = sampled(
        tree,
        tmp_path / "results",
        "nfs",
        lambda: tree.write(at, NO_NFS + mount("/mnt/a", 4, 1 << 20)),
        lambda: tree.write(at, NO_NFS + mount("/mnt/a", 4, 101 << 20)),
    )
    assert found.moved("nfs_read_bytes_per_s") == pytest.approx(100 << 20, rel=1e-3)
    assert found.figures["nfs_read_rtt_ms"].mean == pytest.approx(4.0)
    assert [r for r in found.reasons if "nfs" in r] == []


def test_more_mounts_than_there_is_room_for(tmp_path: Path) -> None:
    """The first ones are recorded, and one reason names those that are not."""
    tree = Tree(tmp_path / "root")
    at = "proc/self/mountstats"
    tree.write(at, NO_NFS)
    mounts = "".join(mount(f"/mnt/{n}", 4, 1 << 20) for n in range(30))
    found = sampled(tree, tmp_path / "results", "nfs", lambda: tree.write(at, NO_NFS + mounts))
    assert found.known("nfs./mnt/3.READ_ops")
    (reason,) = [r for r in found.reasons if "nfs" in r and "room" in r]
    assert "device /mnt/4" in reason


def test_another_version_that_is_mounted_later(tmp_path: Path) -> None:
    """NFS 4 has operations that NFS 3 has not, and newer kernels count errors."""
    tree = Tree(tmp_path / "root")
    at = "proc/self/mountstats"
    first = mount("/mnt/v3", 3, 1 << 20).replace(" 400 0\n", " 400\n")
    opened = "\t        OPEN: 7 7 0 100 100 5 6 7 1\n"
    tree.write(at, first)
    found = sampled(
        tree,
        tmp_path / "results",
        "nfs",
        lambda: tree.write(at, first + mount("/mnt/v4", 4, 1 << 20, opened)),
    )
    assert found.known("nfs./mnt/v4.OPEN_errors")[-1] == 1
    assert [r for r in found.reasons if "nfs" in r] == []


_MOUNTING = """
import subprocess
from mpi_collector.node.sources.nfs import MountChanges
changes = MountChanges("/")
told = [changes.changed() for _ in range(5)]
subprocess.run(["mount", "-t", "tmpfs", "none", "/mnt"], check=True)
told.append(changes.changed())
told += [changes.changed() for _ in range(60)]
print(*map(int, told), sep="")
"""


@pytest.mark.skipif(
    subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0,
    reason="needs a mount namespace of its own",
)
def test_mountstats_is_looked_at_when_mounts_change() -> None:
    """At the first call, after a mount, and once in 64 calls; not otherwise."""
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", _MOUNTING],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "1" + "0" * 4 + "1" + "0" * 58 + "10"


def test_without_mountinfo_mountstats_is_read_each_time(tmp_path: Path) -> None:
    """An NFS mount that appears in a tree of files is seen at the next reading."""
    (tmp_path / "proc/self").mkdir(parents=True)
    path = tmp_path / "proc/self/mountstats"
    path.write_text("device proc mounted on /proc with fstype proc\n")
    reader = nfs.NfsReader(str(tmp_path))
    assert reader.read() == b""
    path.write_text(mountstats())
    assert b" with fstype nfs" in reader.read()
    reader.close()
