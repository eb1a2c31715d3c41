"""For all tests: runs write no page unless a test asks for it; drawing it takes longer than a run.

SIGHUP has its default action, also where the tests were started by nohup.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import installed
import pytest

os.environ.setdefault("MPI_COLLECTOR_REPORT", "never")
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs that pip installs, in a virtual environment of its own."""
    return installed.install(tmp_path_factory.mktemp("installed"))
