"""Files of /proc that a process shows (lxcfs, FUSE) and that hang: COMMAND starts and ends when it would, with its own exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bed import environment, find_mpi, poll
from selection import all_tests

import mpi_collector
from mpi_collector.node.read.foreign_mounts import foreign_mounts, may_lie_on
from mpi_collector.node.sources import ALL

_HUNGFS = Path(__file__).parents[1] / "helpers" / "hungfs.py"
#: of which Open MPI's own mpirun needs none
_FILES = ("diskstats", "loadavg", "vmstat")
_ALL = [
    (launch, when)
    for launch in ("alone", "openmpi", "mpich")
    for when in ("from the start", "later")
]
_SOME = [("alone", "from the start"), ("alone", "later"), ("mpich", "later")]
_IN_ITS_PLACE = "for f in {files}; do {python} {hungfs} /proc/$f control text-$f > ready-$f 2>&1 & done; . ./start"


@contextmanager
def namespace(place: Path) -> Iterator[Path]:
    """A mount namespace with such files in /proc; ``start`` in ``place`` is the script that is run there once it exists."""
    control = place / "control"
    control.write_text("ok")
    for name in _FILES:
        (place / f"text-{name}").write_text(Path(f"/proc/{name}").read_text())
    (place / "start").write_text("while [ ! -e go ]; do sleep 0.1; done; exec sh go")
    script = _IN_ITS_PLACE.format(files=" ".join(_FILES), python=sys.executable, hungfs=_HUNGFS)
    process = subprocess.Popen(
        ["unshare", "-m", "sh", "-c", script], cwd=place, env=environment(), start_new_session=True
    )
    try:
        ready = [place / f"ready-{name}" for name in _FILES]
        poll("the files are there", 20, lambda: all(r.exists() and r.read_text() for r in ready))
        if any(r.read_text() != "ready\n" for r in ready):
            pytest.skip(f"no FUSE here: {ready[0].read_text()}")
        yield control
        assert process.wait(90) == 0
    finally:
        control.write_text("ok")
        os.killpg(process.pid, 9)
        process.wait()


def launch_words(launch: str) -> list[str]:
    mine = ["-m", "mpi_collector", "collect"]
    if launch == "alone":
        return [sys.executable, *mine]
    mpi = find_mpi(launch)
    if isinstance(mpi, str):
        pytest.skip(mpi)
    more = [] if mpi.hydra else ["--bind-to", "none", "--oversubscribe"]
    return [mpi.mpirun, *more, "-np", "2", mpi.python, *mine]


@pytest.mark.skipif(
    os.getuid() != 0 or not os.path.exists("/dev/fuse"), reason="no FUSE for this user"
)
@pytest.mark.parametrize(("launch", "when"), _ALL if all_tests() else _SOME)
def test_files_that_hang(tmp_path: Path, launch: str, when: str) -> None:
    """The sources that answer are recorded, the others are a reason of the verdict."""
    words = launch_words(launch)
    words += [
        "--timeseries-interval",
        "0.1",
        "--report",
        "never",
        "--quiet",
        "--spool-dir",
        "spool",
    ]
    (tmp_path / "spool").mkdir()
    job = ["sh", "-c", "'touch began; while [ ! -e end ]; do sleep 0.1; done; exit 7'"]
    with namespace(tmp_path) as control:
        control.write_text("hang" if when == "from the start" else "ok")
        (tmp_path / "new").write_text(f"{' '.join([*words, '--', *job])} 2> err; echo $? > code")
        (tmp_path / "new").rename(tmp_path / "go")
        poll("COMMAND runs", 60, (tmp_path / "began").exists)
        if when == "later":
            subprocess.run(["sleep", "1"], check=True)
            control.write_text("hang")
        subprocess.run(["sleep", "1"], check=True)
        (tmp_path / "end").touch()
        poll("it has ended", 60, lambda: (tmp_path / "code").exists())
        assert control.read_text() == "hang", "it had to end while they hang"
        said = (tmp_path / "err").read_text()
        assert (tmp_path / "code").read_text() == "7\n", said
        assert "Traceback" not in said
        with mpi_collector.load(tmp_path / "results") as run:
            (host,) = run.values()
            assert len(host.tick) > 5
            assert run.run["verdict"]["verdict"] == "partial"
            reasons = " ".join(run.run["verdict"]["reasons"])
            assert all(name in reasons for name in _FILES), reasons
            usual = {s.name for s in ALL if not s.may_block} - set(_FILES)
            assert usual.isdisjoint(run.run["facts"].popitem()[1]["statuses"])
            there = {column.split(".")[0] for column in host.columns}
            assert {"meminfo", "netdev", "stat"} <= there


def test_which_mounts_are_foreign(tmp_path: Path) -> None:
    """Only the table is read; a path is on a mount, not on one whose name begins alike."""
    table = tmp_path / "mountinfo"
    table.write_text(
        "22 27 0:21 / /proc rw - proc proc rw\n"
        "23 27 0:22 / /sys rw,relatime shared:7 - sysfs sysfs rw\n"
        "30 22 0:40 /proc/meminfo /proc/meminfo rw shared:9 master:1 - fuse.lxcfs lxcfs rw,user_id=0\n"
        "31 22 0:41 / /proc/fs/with\\040blank rw - fuse x rw\n"
        "32 23 0:42 / /sys/devices/system/cpu rw - fuse.lxcfs lxcfs rw\n"
        "33 22 0:43 / /proc/kcore rw - tmpfs tmpfs rw\n"
        "34 27 0:44 / /processes rw - fuse x rw\n"
        "35 27 0:45 / /home rw - nfs4 server:/home rw\n"
        "36 22 0:46 / /tree/proc/x rw - fuse x rw\n"
        "not a line\n\n"
    )
    found = foreign_mounts("/", str(table))
    assert found == ["/proc/meminfo", "/proc/fs/with blank", "/sys/devices/system/cpu"]
    assert foreign_mounts("/tree", str(table)) == ["/tree/proc/x"]
    assert foreign_mounts("/", str(tmp_path / "none")) == []


@pytest.mark.parametrize(
    ("mounts", "sources"),
    [
        ([], set()),
        (["/proc/meminfo"], {"meminfo"}),
        (["/proc/fs"], set()),
        (["/proc/net"], {"netdev", "tcp", "softnet"}),
        (["/proc/pressure/io"], {"pressure"}),
        (["/sys/devices/system/cpu"], {"cgroup", "numa", "queue"}),
    ],
)
def test_which_sources_may_hang(mounts: list[str], sources: set[str]) -> None:
    """Beside those that are always read in a thread: the others keep their fast path."""
    found = {s.name for s in ALL if may_lie_on(s().location(), "/", mounts)}
    assert found - {s.name for s in ALL if s.may_block} == sources
