"""Can this recording be trusted? One word and the reasons."""

from __future__ import annotations

from typing import Any

_LATE_SHARE = 0.5  #: of the interval: samples later than that describe another moment
_MISSED_SHARE = 0.01
_BOUND_SHARE = 0.1
_BOUND_NS = 5_000_000


def verdict(run: dict[str, Any]) -> dict[str, Any]:
    """``{"verdict": "complete"|"partial"|"invalid", "reasons": [...], figures...}`` of a run document.

    complete: every host, every tick, clocks known. partial: some of it is missing and named. invalid: no host gave samples.
    """
    facts: dict[str, dict[str, Any]] = run["facts"]
    reasons = [f"{k}: {why}" for k, why in run["hosts_partial"].items()]
    reasons += [f"rank {r} never answered" for r in run["missing_ranks"]]
    ticks = sum(f["ticks"] for f in facts.values())
    missed = sum(f["missed"] for f in facts.values())
    for key, f in facts.items():
        reasons += _host_reasons(key, f, run["interval_ns"])
    for key, bound in run["clock_bound_ns"].items():
        if key in facts and (
            bound is None or bound > max(_BOUND_NS, _BOUND_SHARE * run["interval_ns"])
        ):
            shown = "unknown" if bound is None else f"{bound / 1e6:.1f} ms"
            reasons.append(f"{key}: clock bound {shown}")
    rows = sum(f["samples"] for f in facts.values())
    word = "invalid" if not rows else "partial" if reasons else "complete"
    return {
        "verdict": word,
        "reasons": reasons,
        "hosts": len(facts),
        "hosts_requested": len(run["hosts_requested"]),
        "ticks": ticks,
        "missed": missed,
        "late_p99_ns": max((f["late_p99_ns"] or 0 for f in facts.values()), default=0),
        "clock_bound_ns": max(
            (b for k, b in run["clock_bound_ns"].items() if b is not None and k in facts), default=0
        ),
        "cpu_share_max": max((f["cpu_share"] or 0.0 for f in facts.values()), default=0.0),
        "crash_proof": not any(
            "not crash-proof" in w for ws in run["warnings"].values() for w in ws
        ),
    }


def _host_reasons(key: str, facts: dict[str, Any], interval_ns: int) -> list[str]:
    out = []
    due = facts["ticks"] + facts["missed"]
    if facts["missed"] > max(_MISSED_SHARE * due, 1):
        out.append(f"{key}: {facts['missed']} of {due} ticks missed")
    if not facts["complete"]:
        out.append(f"{key}: the recording breaks off at tick {facts['last_tick']}")
    if (facts["late_p99_ns"] or 0) > _LATE_SHARE * interval_ns:
        out.append(
            f"{key}: 1 % of the ticks were more than {facts['late_p99_ns'] / 1e6:.0f} ms late"
        )
    for event in facts["lost"]:
        out.append(f"{key}: no room for {event['what']} {event['name']} of {event['source']}")
    for source, counts in facts["statuses"].items():
        bad = ", ".join(f"{n} x {status}" for status, n in counts.items())
        out.append(f"{key}: {source}: {bad}")
    return out


def line(run: dict[str, Any]) -> str:
    """The verdict in one line."""
    v = run["verdict"]
    return (
        f"verdict: {v['verdict']} ({v['hosts']} of {v['hosts_requested']} hosts, {v['ticks']} ticks, {v['missed']} missed, "
        f"lateness p99 {v['late_p99_ns'] / 1e6:.2f} ms, clock bound {v['clock_bound_ns'] / 1e6:.2f} ms, "
        f"own cost {100 * v['cpu_share_max']:.3f} % of a core)"
    )
