"""Runs of the suite that several tests judge."""

from __future__ import annotations

import pytest
from suite_runs import PARAMETERS, AdoptedRun


@pytest.fixture(scope="session", params=[True, False], ids=["january", "july"])
def adopted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AdoptedRun:
    """A run with our collectors: January's fails, on this host unnamed; July's names it, and has a page."""
    if request.param:
        more, options = ["--job-code", 1], ""
    else:
        asked = ["--timeseries-interval", 0.2, "--max-timeseries-samples", 3]
        more, options = [*asked, "--hosts", "localhost:2"], "--report auto"
    directory = tmp_path_factory.mktemp("adopted")
    return AdoptedRun.make(directory, request.param, *PARAMETERS, *more, options=options)


@pytest.fixture(scope="session")
def beside(tmp_path_factory: pytest.TempPathFactory) -> AdoptedRun:
    """A run with the suite's collectors, and ours around it."""
    return AdoptedRun.make(tmp_path_factory.mktemp("beside"), True, *PARAMETERS, options="--beside")
