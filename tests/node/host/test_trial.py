"""What is tried on a host before a recording, and how it fails."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mpi_collector.node.host.trial import (
    back_to,
    failures,
    files_failure,
    spool_failure,
    threads_failure,
)
from mpi_collector.transport.listener import listening

#: runs in a process of its own, with a limit or as another user
_IN_CHILD = """
import os, resource, sys
sys.path.insert(0, {repository!r})
from mpi_collector.node.host import trial
{before}
print(trial.{call})
"""
_REPOSITORY = str(Path(__file__).parents[3])


def in_child(before: str, call: str) -> str:
    text = _IN_CHILD.format(repository=_REPOSITORY, before=before, call=call)
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_host_that_is_fit(tmp_path: Path) -> None:
    """Nothing is wrong, and nothing of the trial stays."""
    assert failures(str(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_another_run_stays(tmp_path: Path) -> None:
    """The trial removes its own directory only."""
    spool = tmp_path / f"mpi_collector-{os.getuid()}" / "run" / "host"
    spool.parent.mkdir(parents=True)
    for directory in (spool.parent.parent, spool.parent):
        directory.chmod(0o700)
    spool.write_bytes(b"rows")
    assert spool_failure(str(tmp_path)) == ""
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [spool]


def test_no_place_for_a_spool(tmp_path: Path) -> None:
    """A directory that is missing, or is a file."""
    assert "none: No such file" in spool_failure(str(tmp_path / "none"))
    (tmp_path / "file").write_text("")
    assert "file: Not a directory" in spool_failure(str(tmp_path / "file"))


@pytest.mark.parametrize("taken", ["a link", "open to others"])
def test_the_name_is_taken(tmp_path: Path, taken: str) -> None:
    """Spools then lie in a directory of another name; nothing of the trial stays."""
    own = tmp_path / f"mpi_collector-{os.getuid()}"
    if taken == "a link":
        own.symlink_to("/tmp")
    else:
        own.mkdir(mode=0o755)
    assert spool_failure(str(tmp_path)) == ""
    assert list(tmp_path.iterdir()) == [own]


@pytest.mark.skipif(os.getuid() != 0, reason="mounts and changes its user")
def test_a_tmpfs_that_refuses(tmp_path: Path) -> None:
    """Read-only, full, without inodes, and one that the user may not write."""
    for options, said in {
        "ro": "Read-only file system",
        "size=4k": "No space left on device",
        "nr_inodes=3": "No space left on device",
    }.items():
        mounted = f"mount -t tmpfs -o {options} none {tmp_path} && exec {sys.executable} -c "
        text = _IN_CHILD.format(
            repository=_REPOSITORY, before="", call=f"spool_failure({str(tmp_path)!r})"
        )
        words = ["unshare", "-m", "sh", "-c", f'{mounted} "$0"', text]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert said in done.stdout, (options, done)
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent != Path("/tmp") and Path("/tmp") in parent.parents:
            parent.chmod(0o755)
    found = in_child("os.setuid(65534)", f"spool_failure({str(tmp_path)!r})")
    assert found.endswith(": Permission denied")


def test_limits() -> None:
    """Too few descriptors and too few threads; as a user with limits, since root has none."""
    soft = "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))"
    assert in_child(soft, "files_failure()").startswith(
        "128 files cannot be open at once: Too many"
    )
    assert files_failure() == ""
    assert threads_failure() == ""
    if os.getuid() == 0:
        few = "os.setuid(65533); resource.setrlimit(resource.RLIMIT_NPROC, (2, 2))"
        assert in_child(few, "threads_failure()").startswith("no 4 further threads can be started")


def test_descriptors_are_given_back() -> None:
    before = len(os.listdir("/proc/self/fd"))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert files_failure(10**6) != "" if limit[0] < 10**6 else True
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_way_back() -> None:
    """The address that answers, or none."""
    assert back_to(None) is None
    with listening() as door:
        if door is None:
            pytest.skip("this machine has no address")
        assert back_to(door) in door["addresses"]
        assert back_to({**door, "addresses": ["not an address", *door["addresses"]]})
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert back_to({"addresses": ["127.0.0.1", "::1"], "port": port}) is None
