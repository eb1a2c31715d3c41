"""Hosts whose names differ behind the first dot only, and that all call themselves by what is before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bed import Bed, Mpi

import mpi_collector

NAMES = {"w.2.foo.net": 2, "w.1.foo.net": 1}  # asked in this order


@contextmanager
def alike(bed: Bed) -> Iterator[None]:
    """node1 and node2 by further names, with the hostname ``w``."""
    state = Path(f"/tmp/testbed-state-{bed.name}")
    before = {name: (state / name).read_text() for name in ("hosts", "known_hosts")}
    rows = [f"{bed.net}.{k} {name}\n" for name, k in NAMES.items()]
    keys = before["known_hosts"]
    for name, k in NAMES.items():
        keys = keys.replace(f"node{k},", f"{name},node{k},")
    try:
        (state / "hosts").write_text(
            before["hosts"] + "".join(rows)
        )  # in place: it is bind-mounted
        (state / "known_hosts").write_text(keys)
        with bed.renamed({1: "w", 2: "w"}):
            yield
    finally:
        for name, text in before.items():
            (state / name).write_text(text)


@pytest.mark.parametrize("verb", ["training", "kvcache"])
def test_addresses_decide(bed: Bed, mpi: Mpi, verb: str) -> None:
    """Every host's data under its own name, over each launcher and over ssh."""
    results = bed.directory("results")
    argv = [mpi.python, "-m", "mpi_collector", verb, "run", "--hosts", *NAMES, "--mpi-bin", mpi.mpirun,
            "--timeseries-interval", "0.2", "--results-dir", str(results), "--", "sleep", "1"]  # fmt: skip
    with alike(bed):
        job = bed.run(0, argv)
    assert job.process.returncode == 0, job.err
    assert f"transport: {'mpi' if verb == 'training' else 'ssh'}" in job.err
    assert "transport: ssh (the launch" not in job.err, job.err
    with mpi_collector.load(results) as run:
        assert run.run["hosts_requested"] == list(NAMES)
        assert run.run["verdict"]["verdict"] == "complete", job.err
        for name, k in NAMES.items():
            assert f"{bed.net}.{k}" in run[name].meta["identity"]["addresses"]
            assert run[name].meta["identity"]["hostname"] == "w"
