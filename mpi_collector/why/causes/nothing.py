"""``nothing on the hosts``: all is known, and neither CPUs nor storage nor links are in use.

The application waits for something that is not recorded here: a GPU, a lock, a sleep, another
service.
"""

from __future__ import annotations

import numpy as np

from mpi_collector.formats.why_document import Claim
from mpi_collector.store.figures.cpu import BUSY
from mpi_collector.store.figures.disk import QUEUE_DEPTH
from mpi_collector.why.asynchronous import unseen_waits
from mpi_collector.why.causes.latency import LEAST_WAITED, storage_share
from mpi_collector.why.causes.one_core import is_of_others
from mpi_collector.why.claims import claim_of
from mpi_collector.why.job_cpu import job_cpu
from mpi_collector.why.stretch import Stretch

MOST_CPU = 0.6
MOST_ONE_CPU = 0.8
MOST_LINK = 0.6


def claim(stretch: Stretch) -> Claim | None:
    """Return the claim, None where a resource is in use or not known."""
    busy, busiest = stretch.cpu_busy, stretch.busiest_cpu
    if busy is None or not stretch.devices("diskstats", "sectors_read"):
        return None
    if unseen_waits(stretch) is not None:
        return None
    one = busy if busiest is None or is_of_others(job_cpu(stretch)) else busiest
    waited = storage_share(stretch)
    link = np.zeros(len(stretch))
    for activity in stretch.links:
        if activity.speed_bytes_per_s:
            used = np.maximum(activity.rx_bytes_per_s, activity.tx_bytes_per_s)
            link = np.maximum(link, used / activity.speed_bytes_per_s)
    holds = (busy < MOST_CPU) & (one < MOST_ONE_CPU) & (waited < LEAST_WAITED)
    holds &= link < MOST_LINK
    return claim_of(
        stretch,
        "nothing on the hosts",
        holds,
        "likely",
        [
            stretch.evidence(f"CPUs {100 * stretch.mean(busy):.0f} % busy", BUSY.name,
                             100 * stretch.mean(busy), "%"),
            stretch.evidence(
                f"a request in flight {100 * stretch.mean(waited):.0f} % of the time",
                QUEUE_DEPTH.name, 100 * stretch.mean(waited), "%"),
            stretch.evidence(f"the fullest link at {100 * stretch.mean(link):.0f} %", "netdev",
                             100 * stretch.mean(link), "%"),
        ],
    )  # fmt: skip
