"""Ranks that send oddly (tests/helpers/odd_ranks.py): each costs at most the recording of its own host.

Half of the ways to be odd in one launch; all, over every MPI, with MPI_COLLECTOR_TEST_ALL.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from bed import environment, find_mpi
from odd_ranks import BEHAVIOURS, GOOD

import mpi_collector

_HELPERS = Path(__file__).parents[2] / "helpers"
_ALL = bool(os.environ.get("MPI_COLLECTOR_TEST_ALL"))
_NAMES = list(BEHAVIOURS)[:: 1 if _ALL else 2]
_TOGETHER = 11 if _ALL else 16
_GROUPS = [_NAMES[at : at + _TOGETHER] for at in range(0, len(_NAMES), _TOGETHER)]


@pytest.mark.mpirun
@pytest.mark.parametrize("names", _GROUPS, ids=lambda names: f"{names[0]}..{names[-1]}")
@pytest.mark.parametrize("name", ["openmpi", "mpich", "openmpi4"] if _ALL else ["openmpi"])
def test_odd_ranks_cost_their_own_recording(name: str, names: list[str], tmp_path: Path) -> None:
    """Rank 0 and an honest rank are recorded whole, and the error of every other one is its own."""
    mpi = find_mpi(name)
    if isinstance(mpi, str):
        pytest.skip(mpi)
    count = len(names) + 2
    place = ["-np", str(count)]
    if not mpi.hydra:
        place = ["--bind-to", "none", "--oversubscribe", *place]
    results = tmp_path / "results"
    spools = tmp_path / "spools"
    spools.mkdir()
    words = [
        str(_HELPERS / "odd_ranks.py"),
        ",".join(names),
        "--timeseries-interval",
        "0.1",
        "--json",
        "always",
    ]
    words += ["--results-dir", str(results), "--spool-dir", str(spools), "--gather-timeout", "20", "--", "sh", "-c",
              "sleep 1.5; exit 7"]  # fmt: skip
    paths = [str(Path(mpi_collector.__file__).parents[1]), str(_HELPERS)]
    done = subprocess.run(
        [mpi.mpirun, *place, mpi.python, *words],
        env=environment(PYTHONPATH=":".join(paths), MPI_COLLECTOR_REPORT="never"),
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    # Open MPI 5 sometimes crashes while it ends ranks, after it has said COMMAND's exit code
    assert done.returncode == 7 or done.returncode == -signal.SIGSEGV, done.stderr
    assert done.returncode == 7 or re.search(r"Exit code: +7\b", done.stderr), done.stderr
    (path,) = results.glob("*_timeseries.npz")
    with mpi_collector.load(path) as run:
        partial = run.run["hosts_partial"]
        for key in ("good-0", f"good-{count - 1}"):
            facts = run.run["facts"][key]
            assert facts["complete"] and facts["ticks"] >= 10
            assert run[key].values.shape[0] == facts["samples"]
            assert key not in partial
        wrong = {}
        for k, behaviour in enumerate(names, 1):
            expected = BEHAVIOURS[behaviour][1]
            keys = [
                key
                for key in run.run["hosts_requested"]
                if key in (f"odd-{behaviour}", f"rank-{k}")
            ]
            found = partial.get(keys[0], GOOD) if keys else GOOD
            if expected not in found or (expected != GOOD and keys[0] in run):
                wrong[behaviour] = f"{found} instead of {expected}"
        assert not wrong
        assert all("/" not in key for key in run)
    assert not Path("/run/odd").exists()
    samples = mpi_collector.load(results / path.name.replace(".npz", ".json"))
    assert set(samples) >= {"good-0", f"good-{count - 1}"}
