"""The answers of hosts, and what they mean to a user who has to correct something."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from typing import NamedTuple

from mpi_collector._version import __version__
from mpi_collector.terminal_text import remote_text
from mpi_collector.transport.failures import (
    NOT_EXECUTABLE,
    SSH_FAILED,
    ssh_failure,
    telling_line,
)
from mpi_collector.transport.launch.preflight.question import PACKAGE_MARK
from mpi_collector.transport.launch.rank_check import ANSWER_MARK, VERSIONS_MARK

_OURS = "mpi_collector: "
_NO_MPI = f"{_OURS}mpi4py "
_CSH_FOUND_NOTHING = re.compile(r"(?m): Command not found\.?$")  # with exit status 1


@dataclass
class Findings:
    """The outcome of a check.

    problems: {host: what is wrong and what to do}. identities: {host: text that is equal for two
    names of one host}. versions: {host: {what: its version there}}.
    """

    problems: dict[str, str] = field(default_factory=dict)
    identities: dict[str, str] = field(default_factory=dict)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)


class Answer(NamedTuple):
    """The answer of a host; both are "" if it did not answer."""

    version: str
    identity: str


def parse_answer(output: str) -> Answer:
    """Return the answer in what a host printed, whatever a login script printed around it."""
    lines = output.splitlines()
    line = next((line for line in lines if line.startswith(ANSWER_MARK)), ANSWER_MARK)
    version, _, identity = line[len(ANSWER_MARK) :].strip().partition(" ")
    return Answer(version, identity)


def parse_versions(output: str) -> dict[str, str]:
    """Return the versions that a host printed, {} if it printed none."""
    for line in output.splitlines():
        if line.startswith(VERSIONS_MARK):
            try:
                found = json.loads(line[len(VERSIONS_MARK) :])
            except ValueError:
                return {}
            pairs = found.items() if isinstance(found, dict) else ()
            return {remote_text(str(name)): remote_text(str(value)) for name, value in pairs}
    return {}


def judge(code: int, output: str, errors: str) -> str:
    """Return what is wrong with a host and what to do, "" if it can be used.

    code: exit code of ssh or of the program there. output, errors: what it wrote to stdout and
    stderr.
    """
    version = parse_answer(output).version or _installed_version(output)
    if version and (parse_answer(output).version or version != __version__):
        return judge_version(version)
    why = ssh_failure(code, output, errors)
    if code == SSH_FAILED:
        return f"cannot be reached over ssh: {why or telling_line(errors) or 'no reason given'}"
    if why:
        return why
    return judge_program(code, errors)


def _installed_version(output: str) -> str:
    """Return the version of the package on a host, "" if it printed none."""
    lines = [line for line in output.splitlines() if line.startswith(PACKAGE_MARK)]
    return lines[0][len(PACKAGE_MARK) :].strip() if lines else ""


def judge_program(code: int, errors: str) -> str:
    """Return why ``check_program`` failed on a host, and what to do."""
    if code in NOT_EXECUTABLE or _CSH_FOUND_NOTHING.search(errors):
        return (
            f"has no {sys.executable}: install the same environment there, or use --transport ssh"
        )
    said = telling_line(errors) or "no reason given"
    if said.startswith(_NO_MPI):
        return f"{said[len(_OURS) :]}: install or load the same there, or use --transport ssh"
    return (
        f"{sys.executable} there cannot run mpi_collector ({said}):"
        " install the same environment, or use --transport ssh"
    )


def judge_version(version: str) -> str:
    """Return what is wrong with the version of a host, "" if it is this host's."""
    if version == __version__:
        return ""
    return f"has mpi_collector {remote_text(version)}, this host has {__version__}"
