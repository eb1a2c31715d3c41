"""For all tests: runs write no page unless a test asks for it; drawing it takes longer than a run.

SIGHUP has its default action, also where the tests were started by nohup.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hypothesis
import installed
import pytest

os.environ.setdefault("MPI_COLLECTOR_REPORT", "never")
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# ... and a background job of a shell SIGINT and SIGQUIT: what tests start inherits them
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what ranks run, ``test_*_on_ranks.py``; with ``--with-mpi`` (pytest-mpi) everything else."""
    if not collection_path.name.startswith("test_") or collection_path.suffix != ".py":
        return None
    of_ranks = collection_path.name.endswith("_on_ranks.py")
    return True if of_ranks != bool(config.getoption("with_mpi", False)) else None


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs that pip installs, in a virtual environment of its own."""
    return installed.install(tmp_path_factory.mktemp("installed"))


# how long an example takes depends on what else runs on the machine
hypothesis.settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any-machine")
