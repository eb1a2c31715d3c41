"""Text from hosts, other users and file systems is data on terminals, in tables and as paths."""

from __future__ import annotations

import csv
import json
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import synthetic as sy
from hypothesis import given
from hypothesis import strategies as st

import mpi_collector
from mpi_collector.benchmark.console import print_message
from mpi_collector.node.spool.directory import user_directory
from mpi_collector.output.csv import formula_safe
from mpi_collector.output.files import RUN_SUFFIX, announce, release, reserve
from mpi_collector.output.new_file import create
from mpi_collector.terminal_text import LINE_CHARACTERS, safe_text

EVIL = "\x1b[31mred\x1b]0;title\x07\u202eevil\r\x9b2J<script>alert(1)</script>"
BAD = set("\x1b\x07\u202e\r\x9b")


def cli(*words: object, **env: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "mpi_collector", *map(str, words)]
    home = str(Path(mpi_collector.__file__).parents[1])
    return subprocess.run(
        argv,
        env={**os.environ, "PYTHONPATH": home, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        errors="surrogateescape",
    )


# ---- terminals
@given(st.text())
def test_harmless(text: str) -> None:
    """Safe text is printable but for ends of lines; printable text does not change."""
    shown = safe_text(text, keep=LINE_CHARACTERS)
    assert all(c.isprintable() or c in "\n\t" for c in shown)
    assert shown == text or not text.replace("\n", "").replace("\t", "").isprintable()


def test_lines_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    print_message(f"{EVIL}\udcff: no room")
    said = capsys.readouterr().err
    assert said.startswith("mpi_collector: \\x1b[31mred")
    assert not set(said) & BAD
    assert said.count("\n") == 1


def test_a_host_that_answers_with_escapes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Errors and warnings of hosts are escaped on their way to the terminal."""
    from mpi_collector.benchmark.announcement import announce_recording
    from mpi_collector.benchmark.collection import Collection
    from mpi_collector.benchmark.console import RunConsole
    from mpi_collector.benchmark.plan import CollectPlan
    from mpi_collector.node.options import SamplingOptions
    from mpi_collector.transport.base import HostState

    class Answering:
        method = "ssh"
        missing_ranks: list[int] = []
        aliases: dict[str, str] = {}
        hosts = [
            HostState(
                EVIL,
                EVIL,
                {},
                {"warnings": [EVIL], "spool": EVIL, "columns": 1, "rows": 1},
                error=EVIL,
            )
        ]

    collection = Collection.reserve(
        CollectPlan(SamplingOptions(), tmp_path), RunConsole(verbose=True)
    )
    collection.attach(Answering())  # type: ignore[arg-type]
    announce_recording(collection)
    said = capsys.readouterr().err
    assert said.count("\\x1b[31mred") >= 4
    assert not set(said) & BAD


def test_sessions_relay_one_clean_line() -> None:
    """Of what ssh or a shell prints in place of an agent one clean line is reported."""
    import asyncio

    from mpi_collector.errors import SessionLostError
    from mpi_collector.transport.session import Session

    for where in (">&2", ""):
        session = Session(
            ["sh", "-c", f"printf 'banner\\n\\033]0;title\\007\\033[2Jno such thing' {where}"], ()
        )
        with pytest.raises(SessionLostError) as caught:
            asyncio.run(session.connect(10))
        assert "no such thing" in str(caught.value)
        assert str(caught.value).isprintable()


def test_runs_of_strange_names_are_listed(tmp_path: Path) -> None:
    """Names of runs in directories and markers are escaped by recover and stop."""
    run = tmp_path / user_directory() / EVIL.replace("/", "")
    run.mkdir(parents=True)
    (run / EVIL.replace("/", "")).write_bytes(b"x" * 100)
    listed = cli("recover", "--spool-dir", tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert "\\x1b[31mred" in listed.stdout and not set(listed.stdout) & BAD
    results = tmp_path / "results"
    results.mkdir()
    for number, text in enumerate(
        ['{"run": "a\\u001b[31m"}', '{"run": "b\\u001b[31m"}', "[]", "3", "[" * 100_000, "\udcff"]
    ):
        (results / f".mpi_collector_host_{number}{RUN_SUFFIX}").write_text(
            text, errors="surrogateescape"
        )
    os.mkfifo(results / f".mpi_collector_host_9{RUN_SUFFIX}")
    stopped = cli("stop", "--results-dir", results, "--spool-dir", tmp_path / "none")
    assert stopped.returncode == 2
    assert "several runs match: a\\x1b[31m" in stopped.stderr and not set(stopped.stderr) & BAD


def test_tables_of_hosts(capsys: pytest.CaptureFixture[str]) -> None:
    from mpi_collector.benchmark.host_check import CheckedHost, HostsCheck
    from mpi_collector.cli.check import print_check

    doc: dict[str, Any] = {
        "failures": [EVIL],
        "hazards": [EVIL],
        "python": EVIL,
        "wall_offset_ns": 0,
        "rtt_ns": 0,
        "free_bytes": 1,
        "shell": EVIL,
        "reached": None,
        "called": True,
    }
    odd = CheckedHost(EVIL, None, doc, EVIL, {EVIL: "1"})
    print_check(HostsCheck([CheckedHost(EVIL, EVIL, None, "", {EVIL: EVIL}), odd], EVIL))
    shown = capsys.readouterr().out
    assert "\\x1b" in shown and not set(shown) & BAD


# ---- spreadsheets
@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_cells_are_no_formulas(tmp_path: Path, start: str) -> None:
    """A host called ``=cmd|...`` is written whole, behind an apostrophe, in every shape of csv."""
    name = f"{start}cmd|' /C calc'!A0"
    assert formula_safe(name) == f"'{name}"
    host = sy.workload(1, 5)
    path = sy.write(tmp_path / "host_20260105_120000_timeseries.npz", [(name, host)])
    for shape in ([], ["--tidy"]):
        target = tmp_path / f"{len(shape)}.csv"
        done = cli("export", path, "--to", "csv", "-o", target, *shape)
        assert done.returncode == 0, done.stderr
        with target.open(newline="") as f:
            cells = [cell for row in csv.reader(f) for cell in row]
        assert f"'{name}" in cells and name not in cells


# ---- paths
def test_a_planted_symlink_is_not_followed(tmp_path: Path) -> None:
    """A symlink under the name of a new file is not followed, and no part of it is left."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name, target in (("a", victim), ("b", tmp_path / "not-there")):
        link = tmp_path / name
        link.symlink_to(target)
        with pytest.raises(FileExistsError), create(link) as f:
            f.write(b"theirs")
        assert link.is_symlink()
    assert victim.read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "victim"]


def test_a_marker_that_was_exchanged(tmp_path: Path) -> None:
    """A marker that was replaced by a symlink is not written through it."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    files = reserve(tmp_path / "results", "host", {"run": "a"})
    announce(files, {"run": "longer than it was before"})
    assert json.loads(files.marker.read_text()) == {"run": "longer than it was before"}
    announce(files, {"run": "b"})
    assert json.loads(files.marker.read_text()) == {"run": "b"}
    files.marker.unlink()
    files.marker.symlink_to(victim)
    announce(files, {"run": "c"})
    assert victim.read_text() == "mine"
    release(files)
    assert victim.exists() and not files.marker.is_symlink()


def test_planted_while_it_records(tmp_path: Path) -> None:
    """A file planted after the names were reserved is reported, and the spool is kept."""
    victim, results, shm = tmp_path / "victim", tmp_path / "results", tmp_path / "shm"
    victim.write_text("mine")
    shm.mkdir()

    def plant() -> None:
        for _ in range(500):
            for marker in results.glob(f".mpi_collector_*{RUN_SUFFIX}"):
                stem = marker.name[len(".mpi_collector_") : -len(RUN_SUFFIX)]
                (results / f"{stem}_timeseries.npz").symlink_to(victim)
                return
            time.sleep(0.01)

    thread = threading.Thread(target=plant)
    thread.start()
    done = cli(
        "--duration",
        "1",
        "--timeseries-interval",
        "0.2",
        "--results-dir",
        results,
        "--spool-dir",
        shm,
        "--report",
        "never",
    )
    thread.join()
    assert victim.read_text() == "mine"
    assert "cannot write" in done.stderr and "mpi_collector recover" in done.stderr
    assert len(list(shm.glob("*/*/*"))) == 1
    assert not list(results.glob("*.part"))
    recovered = cli("recover", "host_", "--spool-dir", shm, "--results-dir", tmp_path / "again")
    assert recovered.returncode == 0, recovered.stderr
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077, 0o000])
def test_the_umask_is_honoured(tmp_path: Path, mask: int) -> None:
    """Results have the umask's modes; spools and backups are private (test_directory, test_backup)."""
    pytest.importorskip("jinja2")
    old = os.umask(mask)
    try:
        done = cli(
            "--duration",
            "0.3",
            "--timeseries-interval",
            "0.1",
            "--results-dir",
            tmp_path / "results",
            MPI_COLLECTOR_REPORT="auto",
        )
    finally:
        os.umask(old)
    assert done.returncode == 0, done.stderr
    modes = {p.suffix: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "results").iterdir()}
    assert set(modes) == {".npz", ".json", ".html"}
    assert set(modes.values()) == {0o666 & ~mask}
    assert stat.S_IMODE((tmp_path / "results").stat().st_mode) == 0o777 & ~mask
