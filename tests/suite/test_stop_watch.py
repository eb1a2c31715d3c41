"""The thread that looks for a stop request while the suite runs."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mpi_collector.suite.stop_watch import StopWatch


def collection(stop: Path, poll: Any = lambda: None) -> Any:
    """What it looks at of a Collection."""
    keeper = SimpleNamespace(
        fd=-1, look_for_stop=lambda every_s: None, stop_requested=lambda: False
    )
    directory = SimpleNamespace(stop_path=str(stop))
    return SimpleNamespace(
        keeper=keeper, run_directory=directory, transport=SimpleNamespace(poll=poll)
    )


def test_a_request_is_handled_once(tmp_path: Path) -> None:
    handled = threading.Semaphore(0)
    (tmp_path / "stop").touch()
    watch = StopWatch(collection(tmp_path / "stop"), handled.release)
    assert handled.acquire(timeout=30)
    watch.end()
    assert watch.error is None
    assert not handled.acquire(blocking=False)


def test_the_end_without_a_request(tmp_path: Path) -> None:
    """Nothing is handled, and no descriptor stays."""
    before = os.listdir("/proc/self/fd")
    watch = StopWatch(collection(tmp_path / "stop"), lambda: pytest.fail("none was made"))
    watch.end()
    assert watch.error is None
    assert os.listdir("/proc/self/fd") == before


def test_a_failure_ends_the_looking_only(tmp_path: Path) -> None:
    def poll() -> None:
        raise ValueError("broken")

    watch = StopWatch(collection(tmp_path / "stop", poll), lambda: pytest.fail("none was made"))
    watch.end()
    assert isinstance(watch.error, ValueError)
