"""Hosts from plain lists of numbers, and their figures after a round through a file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import synthetic as sy

from mpi_collector.store.figures import derive
from mpi_collector.store.figures.derived import Derived
from mpi_collector.store.load import load

NAME = "host_20260105_120000_timeseries.npz"
RATES_SECONDS = 10


def derived(host: sy.SynthHost) -> Derived:
    """Return the figures of one host, written to a file and read back."""
    with tempfile.TemporaryDirectory() as directory:
        path = sy.write(Path(directory) / NAME, [("node1", host)])
        with load(path) as recording:
            return derive(recording["node1"])


def host(
    columns: Mapping[str, Sequence[int]],
    times_s: Sequence[float],
    tick: Sequence[int] | None = None,
) -> sy.SynthHost:
    """Return a host with these values, sampled at these seconds after the start."""
    times = sy.START_NS + np.round(np.array(times_s) * sy.S).astype(np.int64)
    ticks = np.array(tick if tick is not None else range(len(times_s)), dtype=np.int64)
    return sy.SynthHost(ticks, times, {k: np.array(v, dtype=np.int64) for k, v in columns.items()})


def disk(name: str = "sda", **fields: list[int]) -> dict[str, list[int]]:
    """Return columns of diskstats."""
    return {f"diskstats.{name}.{k}": v for k, v in fields.items()}


def cpu(**modes: list[int]) -> dict[str, list[int]]:
    """Return columns of stat, all CPUs together."""
    return {f"stat.cpu.{k}": v for k, v in modes.items()}


def growing(rates: Mapping[str, float]) -> sy.SynthHost:
    """Return a host whose columns grow by so much per second, over ten intervals of a second."""
    tick, times = sy.grid(RATES_SECONDS + 1, stop_s=None)
    columns = {name: sy.counter(float(rate), times) for name, rate in rates.items()}
    return sy.SynthHost(tick, times, columns)
