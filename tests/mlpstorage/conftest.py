"""Hosts for the suite's collectors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from stand_in_hosts import StandInHosts, missing


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInHosts]:
    """Other hosts than this one, reached by the ssh in $PATH."""
    if why := missing():
        pytest.skip(why)
    directory = tmp_path / "hosts"
    directory.mkdir()
    hosts = StandInHosts(directory)
    monkeypatch.setenv("PATH", f"{hosts.bin}:{os.environ['PATH']}")
    try:
        yield hosts
    finally:
        hosts.close()
