"""Hosts that wait for the slowest of them at barriers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from corpus.machine import Counters, Load, Machine, advance


def at_pace_of(machines: Sequence[Machine], load: Load) -> list[Load]:
    """Return the load of each host, with the time per request that it waits for the slowest one."""
    rates = [_rate(m, load) for m in machines]
    slowest = min(rates)
    population = load.threads * load.depth
    return [
        replace(load, wait_s=max(population / slowest - population / rate, 0.0)) for rate in rates
    ]


def _rate(machine: Machine, load: Load) -> float:
    """Return the requests per second of a host that waits for nobody."""
    counters = Counters(machine, np.random.default_rng(0))
    return float(np.mean([advance(counters, load, 0.2).rate for _ in range(50)]))
