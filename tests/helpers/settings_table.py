"""The table of docs/when-it-does-not-start.md: settings of launchers and what becomes of them."""

from __future__ import annotations

from mpi_collector.transport.launch.settings import RULES

BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"


def settings_table() -> str:
    """Return the rows of every launcher, as Markdown."""
    rows = ["| launcher | variables (pattern) | what they do | our launch |", "|---|---|---|---|"]
    for family, rules in RULES.items():
        for kind, found in (
            ("never gets them", rules.job),
            ("gets them, and is tried without them", rules.reach),
        ):
            for rule in found:
                pattern = rule.pattern.replace("|", "\\|")
                rows.append(f"| {family.name} | `{pattern}` | {rule.reason} | {kind} |")
    return "\n".join(rows)
