"""The receive path of the kernel: packets that it dropped or deferred, from softnet."""

from __future__ import annotations

from mpi_collector.store.figures.base import Deriver, Subject
from mpi_collector.store.figures.figure import Group, NoChart

SOFTNET = Subject(order=135, group=Group.KERNEL, optional=True)
PROCESSED = SOFTNET.figure(
    "softnet_packets_per_s",
    "packets received by CPUs",
    "1/s",
    "sum",
    "packets that CPUs took from all interfaces, lo included",
    chart=NoChart("bytes of the interfaces are drawn"),
)
DROPPED = SOFTNET.figure(
    "softnet_drops_per_s",
    "packets dropped by CPUs",
    "1/s",
    "sum",
    "packets dropped because the backlog of a CPU was full (netdev_max_backlog)",
    hidden_when_zero=True,
    outlier_floor=1.0,
)
SQUEEZED = SOFTNET.figure(
    "softnet_squeezed_per_s",
    "receive budget used up",
    "1/s",
    "sum",
    "times that a CPU used up its budget with packets left (netdev_budget)",
    chart=NoChart("what is dropped is drawn"),
    hidden_when_zero=True,
)
FLOW_LIMITED = SOFTNET.figure(
    "softnet_flow_limited_per_s",
    "packets dropped by the flow limit",
    "1/s",
    "sum",
    "packets of the largest flows dropped by a CPU under load (net.core.flow_limit)",
    chart=NoChart("what is dropped is drawn"),
    hidden_when_zero=True,
    outlier_floor=1.0,
)
_COLUMNS = {
    "processed": PROCESSED,
    "dropped": DROPPED,
    "squeezed": SQUEEZED,
    "flow_limited": FLOW_LIMITED,
}


@SOFTNET.computed_by
def derive_softnet(host: Deriver) -> None:
    """Add the rates of what was recorded."""
    for column, figure in _COLUMNS.items():
        if f"softnet.{column}" in host.columns:
            host.add_rate(figure, host.growth(f"softnet.{column}"))
