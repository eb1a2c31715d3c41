"""Retention removes the oldest spools of dead runs beyond the bounds and reports it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mpi_collector.node.agent.recorder import Recorder
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.row.layout import DeviceTable, Field, Layout
from mpi_collector.node.spool import marks
from mpi_collector.node.spool.claim import RunClaim
from mpi_collector.node.spool.directory import RunDirectory, find_spools, user_directory
from mpi_collector.node.spool.reader import open_reader
from mpi_collector.node.spool.retention import apply_retention
from mpi_collector.node.spool.writer import Spool

DAY = 86400.0
NOW = time.time()
LAYOUT = Layout(["a"], [DeviceTable("a", "", [Field("f", "", "gauge", "")], [""], 1)])


def spool(
    place: Path, run: str, days: float, last_row_days: float | None = None, **meta: Any
) -> Spool:
    """Return a spool made ``days`` ago; its writer lives until it is closed."""
    directory = RunDirectory(str(place), run).open()
    meta = {"layout": LAYOUT.to_dict(), "raw_bytes": [64], **meta}
    made = Spool.create(directory, "a", meta, [64], 2, 16)
    os.close(directory)
    payload = bytearray(8 * made.shape.row_words)
    wall_ns = int((NOW - (days if last_row_days is None else last_row_days) * DAY) * 1e9)
    payload[8:16] = wall_ns.to_bytes(8, "little")
    made.write_row(0, 0, bytes(payload))
    os.utime(made.path, (NOW - days * DAY, NOW - days * DAY))
    return made


def dead(place: Path, *runs: tuple[str, float]) -> int:
    """Bytes of each of these runs."""
    for run, days in runs:
        spool(place, run, days).close()
    return find_spools(str(place))[0]["bytes"] if runs else 0


def left(place: Path) -> list[str]:
    return [s["run"] for s in find_spools(str(place))]


def bounded(
    place: Path, runs: int = 0, days: float = 0, most: Any = None, up_days: float = 1000
) -> tuple[list[str], int]:
    said, held = apply_retention(str(place), "new", runs, days, most, NOW, up_days * DAY)
    return said, held


def test_by_number(tmp_path: Path) -> None:
    size = dead(tmp_path, *((f"run{k}", 2 + k) for k in range(6)))
    said, held = bounded(tmp_path, runs=4)
    assert left(tmp_path) == ["run0", "run1", "run2", "run3"]
    assert held == 4 * size
    assert (
        "removed run run4" in said[0] and "6 days old" in said[0] and "--keep-spools 4" in said[0]
    )
    assert "run5" in said[1]
    assert "4 runs that were never recovered" in said[2] and len(said) == 3


def test_by_age(tmp_path: Path) -> None:
    dead(tmp_path, ("old", 31), ("new1", 29))
    marks.append(str(tmp_path / user_directory() / "old" / ".marks"), marks.make("x"))
    said, _ = bounded(tmp_path, days=30)
    assert left(tmp_path) == ["new1"]
    assert not (tmp_path / user_directory() / "old").exists()
    assert "removed run old" in said[0] and "--keep-spool-days 30" in said[0]


def test_by_size(tmp_path: Path) -> None:
    """Dead runs take half of the limit at most; young ones stay and are reported."""
    size = dead(tmp_path, ("a", 4), ("b", 3), ("c", 2), ("d", 0.5))
    said, held = bounded(tmp_path, most=4 * size)
    assert left(tmp_path) == ["c", "d"]
    assert held == 2 * size
    assert [s.split(",")[0] for s in said[:2]] == ["removed run b", "removed run a"]
    _, held = bounded(tmp_path, most=1)
    assert left(tmp_path) == ["d"] and held == size


def test_what_stays(tmp_path: Path) -> None:
    """These stay: living, being recovered, young, of this run, no spools; a bound of 0."""
    living = spool(tmp_path, "living", 99)
    dead(tmp_path, ("claimed", 99), ("young", 0.9), ("new", 99))
    long = spool(tmp_path, "long", 99, last_row_days=0.1)  # began long ago, ended just now
    long.close()
    claimed = open_reader(str(tmp_path / user_directory() / "claimed" / "a"))
    (tmp_path / user_directory() / "link").symlink_to(tmp_path)
    said, _ = bounded(tmp_path, runs=1, days=1, most=1)
    assert left(tmp_path) == ["claimed", "living", "long", "new", "young"]
    assert len(said) == 1 and "will be removed" in said[0]
    del claimed
    living.close()
    assert bounded(tmp_path)[0] == []
    said, _ = bounded(tmp_path, days=1)
    assert left(tmp_path) == ["long", "new", "young"]


def unreadable(place: Path, run: str, days: float, content: bytes) -> Path:
    """A spool that this program cannot read."""
    path = place / user_directory() / run / "a"
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_bytes(content)
    os.utime(path, (NOW - days * DAY,) * 2)
    os.utime(path.parent, (NOW - days * DAY,) * 2)
    return path


def test_spools_that_cannot_be_read(tmp_path: Path) -> None:
    """Of another version, damaged, cut off: they go as others do, by the time of their last change."""
    made = spool(tmp_path, "x", 0)
    whole = bytes(made.view)
    made.close(remove=True)
    version = whole[:8] + bytes([whole[8] ^ 64]) + whole[9:]
    contents = {
        "version": version,
        "cut": whole[:-100],
        "damaged": b"x" * 5000,
        "zero": bytes(9000),
    }
    for name, content in contents.items():
        for days in (0.9, 20, 40):
            unreadable(tmp_path, f"{name}{days:g}", days, content)
    living = unreadable(tmp_path, "living", 50, contents["version"])
    with open(living, "rb") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        said, _ = bounded(tmp_path, days=30)
        assert left(tmp_path) == sorted(
            ["living", *(f"{n}{d}" for n in contents for d in ("0.9", "20"))]
        )
        assert sum("--keep-spool-days 30" in text for text in said) == len(contents)
    bounded(tmp_path, runs=1)
    assert left(tmp_path) == sorted(f"{n}0.9" for n in contents)


def test_what_holds_no_sample_goes_after_an_hour(tmp_path: Path) -> None:
    """Spools without a sample, empty files, directories without a spool; never what just began."""
    for name, minutes in (("young", 50), ("old", 70)):
        days = minutes / 60 / 24
        made = spool(tmp_path, f"{name}-none", days)
        made.mm[made.shape.rows_at : made.shape.rows_at + 8] = bytes(8)  # its only row's stamp
        made.close()
        unreadable(tmp_path, f"{name}-empty", days, b"")
        for kind in ("directory", "left"):
            unreadable(tmp_path, f"{name}-{kind}", days, b"").unlink()
        place = tmp_path / user_directory() / f"{name}-left"
        for file in (".stop", ".marks", "door", ".claim"):
            (place / file).write_text("{}" if file == "door" else "")
        for run in place.parent.iterdir():
            if run.name.startswith(name):
                os.utime(run, (NOW - days * DAY,) * 2)
    said, _ = bounded(tmp_path)
    there = sorted(p.name for p in (tmp_path / user_directory()).iterdir())
    assert there == ["young-directory", "young-empty", "young-left", "young-none"]
    assert sorted(said) == [
        f"removed run old-{n}, which had recorded nothing" for n in ("empty", "none")
    ]
    assert bounded(tmp_path)[0] == []


def test_a_run_that_died_unsampled_goes_at_once(tmp_path: Path) -> None:
    """Where its writer was on this host since its last boot, so that its lock says that it is dead."""

    def unsampled(run: str, identity: Any) -> Spool:
        made = spool(tmp_path, run, 0, identity=identity)
        made.mm[made.shape.rows_at : made.shape.rows_at + 8] = bytes(8)  # its only row's stamp
        return made

    unsampled("here", {"boot_id": "b"}).close()
    unsampled("elsewhere", {"boot_id": "c"}).close()
    unsampled("unknown", {"boot_id": None}).close()
    unsampled("odd", "b").close()
    spool(tmp_path, "sampled", 0, identity={"boot_id": "b"}).close()
    unreadable(tmp_path, "empty", 0, b"")  # its writer may be about to lock it
    living = unsampled("living", {"boot_id": "b"})
    there = sorted(["elsewhere", "empty", "living", "odd", "sampled", "unknown"])
    for boot_id, stays in ((None, sorted([*there, "here"])), ("b", there)):
        said, _ = apply_retention(str(tmp_path), "new", 0, 0, None, NOW, DAY, boot_id)
        assert left(tmp_path) == stays
    assert said == ["removed run here, which had recorded nothing"]
    living.close(remove=True)


@pytest.mark.parametrize("words", [["recover"], ["--sources", "loadavg", "--", "true"]])
def test_a_killed_start_leaves_no_spool(tmp_path: Path, words: list[str]) -> None:
    """A recorder is killed before its first sample: the next run, or recover, removes its spool."""
    code = """if True:
        import os, sys
        from mpi_collector.node.agent.recorder import Recorder
        from mpi_collector.node.host.identity import identity
        from mpi_collector.node.options import SamplingOptions
        options = SamplingOptions(sources="loadavg", spool_dir=sys.argv[1])
        Recorder(options, "host_20260105_120000-abcdef", "a", {"identity": identity()}).prepare()
        os.kill(os.getpid(), 9)
        """
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert left(tmp_path) == ["host_20260105_120000-abcdef"]
    mine = [sys.executable, "-m", "mpi_collector", *words]
    mine[3:3] = [] if words == ["recover"] else ["collect", "--report", "never"]
    at = mine.index("--") if "--" in mine else len(mine)
    mine[at:at] = ["--spool-dir", str(tmp_path), "--results-dir", str(tmp_path / "results")]
    done = subprocess.run(mine, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "removed run host_20260105_120000-abcdef, which had recorded nothing" in done.stderr
    assert left(tmp_path) == []


def test_what_is_in_use_stays(tmp_path: Path) -> None:
    """A run that another process claims, one whose writer lives though it has sampled nothing, ours."""
    living = spool(tmp_path, "living", 9)
    living.mm[living.shape.rows_at : living.shape.rows_at + 8] = bytes(8)
    dead(tmp_path, ("claimed", 99))
    unreadable(tmp_path, "empty", 9, b"")
    unreadable(tmp_path, "new", 9, b"").unlink()
    claims = [RunClaim([str(tmp_path)], run, "somebody") for run in ("claimed", "empty")]
    assert not [text for text in bounded(tmp_path, days=30)[0] if text.startswith("removed")]
    assert left(tmp_path) == ["claimed", "empty", "living"]
    for claim in claims:
        claim.release()
    assert len(bounded(tmp_path, days=30)[0]) == 2
    living.close(remove=True)
    assert [p.name for p in (tmp_path / user_directory()).iterdir()] == ["new"]


def test_unfinished_copies(tmp_path: Path) -> None:
    """A backup that was never finished goes after a day, beside spools or alone."""
    dead(tmp_path, ("beside", 0.1))
    unreadable(tmp_path, "alone", 2, b"").unlink()
    for run, days in (("beside", 0.9), ("beside", 1.1), ("alone", 1.1)):
        path = tmp_path / user_directory() / run / f".a.{int(days)}.part"
        path.write_text("half")
        os.utime(path, (NOW - days * DAY,) * 2)
    bounded(tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*a*") if p.is_file()) == [".a.0.part", "a"]
    assert not (tmp_path / user_directory() / "alone").exists()


def test_a_wrong_clock_makes_nothing_old(tmp_path: Path) -> None:
    """The host has been up for an hour: what its memory holds is not years old."""
    dead(tmp_path, ("a", 4000), ("b", 4000))
    bounded(tmp_path, runs=1, days=30, most=1, up_days=0.04)
    assert left(tmp_path) == ["a", "b"]


def test_a_warning_on_the_way(tmp_path: Path) -> None:
    dead(tmp_path, *((f"run{k}", 2) for k in range(3)))
    assert bounded(tmp_path, runs=6)[0] == []
    assert bounded(tmp_path, days=5)[0] == []
    (said,) = bounded(tmp_path, runs=5)[0]
    assert "3 runs" in said and "mpi_collector recover" in said
    assert len(bounded(tmp_path, days=3)[0]) == 1


@pytest.fixture
def recorders() -> Iterator[list[Recorder]]:
    made: list[Recorder] = []
    yield made
    for recorder in made:
        recorder.close(remove=True)


def test_at_the_start_of_a_run(tmp_path: Path, recorders: list[Recorder]) -> None:
    """A recorder says what it removed, and its own spool takes what is left of the limit."""
    up_days = time.clock_gettime(time.CLOCK_BOOTTIME) / DAY
    dead(tmp_path, ("young", 0.1))
    size = find_spools(str(tmp_path))[0]["bytes"]
    for run in range(2):
        options = SamplingOptions(
            interval_s=1,
            max_samples=10**6,
            sources="loadavg",
            spool_dir=str(tmp_path),
            max_spool_mb=8,
        )
        recorder = Recorder(options, f"run_{run}", "a", {})
        recorders.append(recorder)
        recorder.prepare()
        assert recorder.spool.shape.size <= 8e6 - size
        assert any("rows" in w for w in recorder.warnings)
    assert up_days >= 0 and "young" in left(tmp_path)
