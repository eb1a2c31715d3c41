"""``network``: an interface carries what its link can carry.

The ceiling is declared: the speed of the link in sysfs. Headers take 1 to 6 % of it, which counts
in the interface's own bytes.
"""

from __future__ import annotations

import numpy as np

from mpi_collector.formats.why_document import Claim
from mpi_collector.store.figures.tcp import RETRANSMITS
from mpi_collector.why.claims import claim_of
from mpi_collector.why.stretch import Stretch

FULL = 0.86  #: of the link speed
CERTAIN = 0.92


def claim(stretch: Stretch) -> Claim | None:
    """Return the claim on the fullest link, None where no speed is known or no link is full."""
    found = []
    for link in stretch.links:
        speed = link.speed_bytes_per_s
        if not speed:
            continue
        way = max(("rx", link.rx_bytes_per_s), ("tx", link.tx_bytes_per_s),
                  key=lambda w: stretch.mean(w[1]))  # fmt: skip
        share = way[1] / speed
        mean = stretch.mean(share)
        made = claim_of(
            stretch,
            "network",
            share >= FULL,
            "certain" if mean >= CERTAIN else "likely",
            [
                stretch.evidence(
                    f"{link.name}: {100 * mean:.0f} % of {speed / 125e6:g} Gb/s "
                    f"({'received' if way[0] == 'rx' else 'sent'})",
                    f"netdev.{link.name}.{way[0]}_bytes", stretch.mean(way[1]), "bytes/s"),
                *_retransmits(stretch),
            ],
            device=link.name,
            ceiling={"value": speed, "unit": "bytes/s", "kind": "declared"},
        )  # fmt: skip
        if made is not None:
            found.append((mean, made))
    return max(found, key=lambda f: f[0])[1] if found else None


def _retransmits(stretch: Stretch) -> list:  # type: ignore[type-arg]
    again, sent = stretch.rate("tcp.Tcp.RetransSegs"), stretch.rate("tcp.Tcp.OutSegs")
    if again is None or sent is None or not stretch.mean(sent) > 0:
        return []
    share = 100 * stretch.mean(again) / stretch.mean(sent)
    if not np.isfinite(share) or share < 0.01:
        return []
    return [stretch.evidence(f"TCP retransmits {share:.2f} %", RETRANSMITS.name, share, "%")]
