"""The tables of docs/when-it-does-not-start.md: settings of launchers, and what becomes of them; those of ours."""

from __future__ import annotations

from collections.abc import Mapping

from mpi_collector.transport.launch import PROFILES
from mpi_collector.transport.launch.profiles import LIBRARIES
from mpi_collector.transport.launch.settings import RULES

BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"
OWN_BEGIN, OWN_END = "<!-- own: begin -->", "<!-- own: end -->"


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


def own_table() -> str:
    """Return what a launch of ours sets in its own environment, as Markdown."""
    rows = ["| launcher | variables | why |", "|---|---|---|"]
    for profile in PROFILES:
        for variables, why in (
            (profile.environ, "beside the job: its cores, slots and output stay its own"),
            (profile.environ_as_root, "root starts it"),
            (profile.keep_domains, "hosts have one first label"),
            ({profile.ssh_variable: "..."} if profile.ssh_variable else {}, "--ssh-username"),
        ):
            if variables:
                rows.append(f"| {profile.name} | {_pairs(variables)} | {why} |")
    for library in LIBRARIES:
        if library.off_fabric:
            rows.append(
                f"| library: {_named(library.pattern)} | {_pairs(library.off_fabric)} | off the job's network |"
            )
    rows.append("| all | `PYTHONPATH` | this package is not installed |")
    rows.append(
        "| all | `MPI_COLLECTOR_OWN` | names all of these, for the snapshots to leave them out |"
    )
    return "\n".join(rows)


def _pairs(variables: Mapping[str, str]) -> str:
    return ", ".join(f"`{name}={value}`" for name, value in variables.items())


def _named(pattern: str) -> str:
    return f"`{pattern}`".replace("|", "\\|")
