"""Another user was first with the name of our directory of spools: the run is recorded, and can be reached and recovered."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from other_user import NOBODY, as_user, needs_root, shared_directory

import mpi_collector
from mpi_collector.cli import recover
from mpi_collector.cli.control import mark, stop
from mpi_collector.node.spool.directory import RunDirectory, find_spools, user_directory

pytestmark = needs_root


@pytest.mark.parametrize("owner", [0, 65533])
def test_a_user_whose_name_is_taken(owner: int) -> None:
    """By root or by another user: a real user gets another name, private and found again."""

    def work() -> None:
        directory = RunDirectory(str(shared), "run")
        os.close(directory.open())
        assert "must belong to this user alone" in directory.elsewhere
        assert RunDirectory(str(shared), "run").path == directory.path
        assert [d.path for d in RunDirectory.all_in(str(shared))] == [directory.path]

    with shared_directory() as shared:
        (shared / f"mpi_collector-{NOBODY}").mkdir(mode=0o755)
        os.chown(shared / f"mpi_collector-{NOBODY}", owner, owner)
        as_user(NOBODY, work)


def test_a_directory_that_is_not_ours_to_write() -> None:
    """Without a place for a spool it says so: the recording is in plain memory."""

    def work() -> None:
        from mpi_collector.node.errors import SpoolError

        with pytest.raises(SpoolError, match=f"{shared}.*Permission denied"):
            RunDirectory(str(shared), "run").open()

    with shared_directory(0o755) as shared:
        as_user(NOBODY, work)


def test_a_whole_run(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Recorded, marked, asked to stop, killed and recovered."""
    with shared_directory() as shared:
        taken = user_directory()
        as_user(NOBODY, lambda: os.mkdir(shared / taken, 0o700))
        places = ["--spool-dir", str(shared), "--results-dir", str(tmp_path / "results")]
        words = f"{sys.executable} -m mpi_collector collect --timeseries-interval 0.05 --sources loadavg"
        with subprocess.Popen(
            [*shlex.split(words), *places, "--", "sleep", "60"], stderr=subprocess.PIPE, text=True
        ) as run:
            try:
                deadline = time.monotonic() + 60
                while not find_spools(str(shared)):
                    assert run.poll() is None and time.monotonic() < deadline
                    time.sleep(0.05)
                time.sleep(1.0)
                assert mark([*places, "here"]) == 0
                assert stop(places) == 0
                (directory,) = RunDirectory.all_in(str(shared))
                assert Path(directory.stop_path).exists()
            finally:
                run.send_signal(signal.SIGKILL)
                assert run.stderr is not None
                said = run.stderr.read()
        assert f"the spool is in {directory.path}" in said
        assert "not crash-proof" not in said
        deadline = time.monotonic() + 30
        while any(s["alive"] for s in find_spools(str(shared))):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert recover.main([directory.run, "--transport", "local", *places]) == 0
        with mpi_collector.load(tmp_path / "results") as recording:
            (host,) = recording.values()
            assert len(host.tick) > 5
            assert [m.name for m in recording.marks] == ["here"]
        # nothing is left but what the other user has made
        assert [p.name for p in shared.iterdir()] == [taken]
        # the process that ends COMMAND takes its marker along
        while list((tmp_path / "results").glob(".*")):
            assert time.monotonic() < deadline + 30
            time.sleep(0.05)
    assert "Traceback" not in capfd.readouterr().err
