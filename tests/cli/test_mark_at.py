"""Marks set on a finished recording, and moments on the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import synthetic as sy

import mpi_collector
from mpi_collector.cli.control import mark
from mpi_collector.cli.moment import parse_moment
from mpi_collector.errors import RecordingError
from mpi_collector.output.files import RUN_SUFFIX

NAME = "host_20260105_120000_timeseries.npz"
MARKS = "host_20260105_120000_marks.json"
NOON = sy.START_NS  #: 2026-01-05 12:00:00 UTC
S = sy.S


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return sy.cluster(tmp_path / NAME, 1, 30, marks=False)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2026-01-05T12:00:05Z", 5 * S),
        ("2026-01-05 12:00:05z", 5 * S),
        ("2026-01-05T12:00:05 UTC", 5 * S),
        ("20260105T120005Z", 5 * S),
        ("2026-01-05T12:00Z", 0),
        ("2026-01-05T13:00:05.123456789+01:00", 5 * S + 123456789),
        ("2026-01-05T06:30:05,5-0530", 5 * S + S // 2),
        ("2026-01-06T02:00:05+14", 5 * S),
        ("+5", 5 * S),
        ("+5.25s", 5 * S + S // 4),
        ("+0", 0),
    ],
)
def test_moments(text: str, ns: int) -> None:
    assert parse_moment(text, NOON) == NOON + ns


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026-01-05T12:00:05", "no time zone"),
        ("2026-01-05T12:00:05 CET", "neither Z nor"),
        ("2026-13-05T12:00:05Z", "no time"),
        ("2026-01-05T25:00Z", "no time"),
        ("2026-01-05T12:00:05+99:00", "no time"),
        ("0001-01-01T00:00:00+14:00", "no time"),
        ("12:00:05", "no time"),
        ("+", "no time"),
        ("+nan", "no time"),
        ("+1e3", "no time"),
        ("+٣", "no time"),
        ("5", "no time"),
        ("-5", "no time"),
        ("", "no time"),
    ],
)
def test_what_is_no_moment(text: str, why: str) -> None:
    if text.startswith("0001"):
        assert parse_moment(text, NOON) < 0  # before all recordings
        return
    with pytest.raises(ValueError, match=why):
        parse_moment(text, NOON)


def test_a_phase_afterwards(path: Path) -> None:
    """Begin and end, a moment, by file and by directory; they are phases like any others."""
    assert mark(["--at", "+5", "--begin", str(path), "slow \x1b[2J part"]) == 0
    assert mark(["--at", "2026-01-05T12:00:15Z", "--end", str(path), "slow \x1b[2J part"]) == 0
    assert mark(["--at", "+20", "--results-dir", str(path.parent), "warm"]) == 0
    assert json.loads((path.parent / MARKS).read_text()) == [
        {"name": "slow  [2J part", "edge": "begin", "at_ns": NOON + 5 * S},
        {"name": "slow  [2J part", "edge": "end", "at_ns": NOON + 15 * S},
        {"name": "warm", "edge": "point", "at_ns": NOON + 20 * S},
    ]
    with mpi_collector.load(path) as run:
        assert [(p.name, p.begin_ns - NOON, p.end_ns - NOON) for p in run.marks] == [
            ("slow  [2J part", 5 * S, 15 * S),
            ("warm", 20 * S, 20 * S),
        ]
        part = run.during("slow  [2J part")
        assert part["node001"].derived.span_s == pytest.approx(10, abs=0.01)
    assert not [n for n in os.listdir(path.parent) if n.endswith(".part")]


def test_a_recording_of_the_suite(tmp_path: Path) -> None:
    """Beside a ``*_timeseries.json``, too."""
    from mpi_collector.cli.export import main

    with mpi_collector.collect(
        interval=0.05, results_dir=tmp_path / "r", spool_dir=str(tmp_path), quiet=True
    ):
        pass
    source = next((tmp_path / "r").glob("*.npz"))
    target = tmp_path / "training_20260105_120000_timeseries.json"
    if main([str(source), "--to", "json", "-o", str(target)]) != 0:
        pytest.fail("no file of the suite")
    assert mark(["--at", "+0", str(target), "here"]) == 0
    with mpi_collector.load(target) as run:
        assert [p.name for p in run.marks] == ["here"]


@pytest.mark.parametrize("at", ["2026-01-05T11:59:50Z", "2026-01-05T12:00:45Z", "+45"])
def test_outside_of_the_recording(path: Path, capsys: pytest.CaptureFixture[str], at: str) -> None:
    assert mark(["--at", at, str(path), "x"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "recorded from 2026-01-05T12:00:00Z to 2026-01-05T12:00:29Z, 29.0 s" in said
    assert not (path.parent / MARKS).exists()


def test_at_the_edges(path: Path) -> None:
    """A time in whole seconds may lie just outside."""
    assert mark(["--at", "2026-01-05T11:59:59.5Z", str(path), "x"]) == 0
    with mpi_collector.load(path) as run:
        assert run.marks[0].begin_ns == NOON


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1]",
        b"\xff",
        b'[{"name": "x", "edge": "middle", "at_ns": 1}]',
        b'[{"name": "x", "edge": "point", "at_ns": -1}]',
        b'[{"name": "x", "edge": "point", "at_ns": 1.5}]',
        b'[{"name": "", "edge": "point", "at_ns": 1}]',
        b'[{"edge": "point", "at_ns": 1}]',
        b"[" * 100_000,
    ],
)
def test_a_damaged_file(path: Path, capsys: pytest.CaptureFixture[str], data: bytes) -> None:
    """It is said and left as it is; a file that was there is never replaced by less."""
    marks = path.parent / MARKS
    marks.write_bytes(data)
    with pytest.raises(RecordingError, match=MARKS):
        mpi_collector.load(path)
    assert mark(["--at", "+1", str(path), "x"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert marks.read_bytes() == data


def test_what_is_no_file(path: Path) -> None:
    """A pipe does not block."""
    os.mkfifo(path.parent / MARKS)
    with pytest.raises(RecordingError, match="not a regular file"):
        mpi_collector.load(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="not root: cannot give files away")
def test_marks_of_another_user(path: Path) -> None:
    """Where anybody may write, they neither count nor keep the recording from being read."""
    marks = path.parent / MARKS
    marks.write_text("[1]")
    os.chown(marks, 65534, 65534)
    path.parent.chmod(0o1777)
    with mpi_collector.load(path) as run:
        assert run.marks == []
    assert mark(["--at", "+1", str(path), "x"]) == 2  # never replaced


def test_a_new_run_takes_no_name_of_leftover_marks(tmp_path: Path) -> None:
    from mpi_collector.output.files import release, reserve

    (tmp_path / "host_20260105_120000_marks.json").write_text("[]")
    noon_s = 1_767_614_400
    files = reserve(tmp_path, "host", {}, noon_s)
    assert not (tmp_path / f"{files.stem}_marks.json").exists()
    release(files)


@pytest.mark.parametrize("boot", ["here", "elsewhere", None])
def test_a_dead_run_is_not_offered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], boot: str | None
) -> None:
    """A marker that no living process holds: dead where it was made, unknown of another host."""
    from mpi_collector.node.host.identity import boot_id

    about = {"run": "host_20260105_120000-abc", "pid": 1}
    if boot is not None:
        about["boot_id"] = boot_id() if boot == "here" else "another"
    marker = tmp_path / f".mpi_collector_host_20260105_120000{RUN_SUFFIX}"
    marker.write_text(json.dumps(about))
    places = ["--results-dir", str(tmp_path), "--spool-dir", str(tmp_path / "none")]
    code = mark(["text", *places])
    said = capsys.readouterr().err
    made = (tmp_path / ".mpi_collector_host_20260105_120000.marks").exists()
    if boot == "here":
        assert (code, made) == (2, False)
        assert "has ended without its files: mpi_collector recover makes them" in said
    else:
        assert (code, made) == (0, True)
