"""The thread that looks for a stop request while the suite runs."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mpi_collector.suite.stop_watch import StopWatch
from mpi_collector.transport.base import Wakes
from mpi_collector.transport.door import Door, read_address, ring


def collection(stop: Path, wakes: Any = Wakes) -> Any:
    """What it looks at of a Collection."""
    keeper = SimpleNamespace(fd=-1, look=lambda: None, stop_requested=lambda: False)
    door = Door()
    return SimpleNamespace(
        keeper=keeper,
        door=door,
        open_door=door.open,
        run_directory=SimpleNamespace(stop_path=str(stop)),
        transport=SimpleNamespace(wakes=wakes),
    )


def test_a_request_is_handled_once(tmp_path: Path) -> None:
    handled = threading.Semaphore(0)
    (tmp_path / "stop").touch()
    watch = StopWatch(collection(tmp_path / "stop"), handled.release)
    assert handled.acquire(timeout=30)
    watch.end()
    assert watch.error is None
    assert not handled.acquire(blocking=False)


def test_a_ring_is_enough(tmp_path: Path) -> None:
    """Nothing else wakes it: a request that is made later is found when somebody rings."""
    handled = threading.Semaphore(0)
    watched = collection(tmp_path / "stop")
    watch = StopWatch(watched, handled.release)
    watched.door.write(str(tmp_path / "door"))
    address = read_address(tmp_path / "door")
    assert address is not None
    assert ring(address, 30)  # for a mark
    (tmp_path / "stop").touch()
    assert ring(address, 30)
    assert handled.acquire(timeout=30)
    watch.end()
    watched.door.close()


def test_the_end_without_a_request(tmp_path: Path) -> None:
    """Nothing is handled, and no descriptor stays."""
    before = os.listdir("/proc/self/fd")
    watched = collection(tmp_path / "stop")
    watch = StopWatch(watched, lambda: pytest.fail("none was made"))
    watch.end()
    watched.door.close()
    assert watch.error is None
    assert os.listdir("/proc/self/fd") == before


def test_a_failure_ends_the_looking_only(tmp_path: Path) -> None:
    def wakes() -> Wakes:
        raise ValueError("broken")

    watch = StopWatch(collection(tmp_path / "stop", wakes), lambda: pytest.fail("none was made"))
    watch.end()
    assert isinstance(watch.error, ValueError)
