"""The verdict in one line."""

from __future__ import annotations

from mpi_collector.formats.verdict import Verdict


def line(verdict: Verdict) -> str:
    """Return the verdict and its figures in one line; a dash for what is not known."""
    late_ns, bound_ns = verdict["late_p99_ns"], verdict["clock_bound_ns"]
    called = f" ({verdict['lateness']})" if verdict.get("lateness") else ""
    late = "-" if late_ns is None else f"{late_ns / 1e6:.2f} ms{called}"
    bound = "-" if bound_ns is None else f"{bound_ns / 1e6:.2f} ms"
    return (
        f"verdict: {verdict['verdict']} "
        f"({verdict['hosts']} of {verdict['hosts_requested']} hosts, "
        f"{verdict['ticks']} ticks, {verdict['missed']} missed, "
        f"lateness p99 {late}, clock bound {bound}, own cost {_cost(verdict)})"
    )


def _cost(verdict: Verdict) -> str:
    cpu_ns, share = verdict.get("cpu_ns_max"), verdict["cpu_share_max"]
    launch_ns = verdict.get("launch_side_cpu_ns")
    cost = "-" if cpu_ns is None else f"{cpu_ns / 1e6:.1f} ms of CPU"
    if share is not None:
        cost = f"{100 * share:.3f} % of a core"
    if cost != "-" and verdict.get("cpu_counts") != "all":
        cost += ", recorders alone"
    return cost if launch_ns is None else f"{cost}, launch side {launch_ns / 1e6:.1f} ms of CPU"
