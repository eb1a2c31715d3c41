"""The answers of hosts, and what they mean to a user who has to correct something."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import NamedTuple

from mpi_collector._version import __version__
from mpi_collector.terminal_text import remote_text
from mpi_collector.transport.launch.preflight.question import ANSWER_MARK

_SSH_FAILED = 255  # ssh(1): exit status if an error occurred
_NOT_EXECUTABLE = (126, 127)  # of a shell


@dataclass
class Findings:
    """The outcome of a check.

    problems: {host: what is wrong and what to do}. identities: {host: text that is equal for two
    names of one host}.
    """

    problems: dict[str, str] = field(default_factory=dict)
    identities: dict[str, str] = field(default_factory=dict)


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


def judge(code: int, output: str, errors: str) -> str:
    """Return what is wrong with a host and what to do, "" if it can be used.

    code: exit code of ssh or of the program there. output, errors: what it wrote to stdout and
    stderr.
    """
    if version := parse_answer(output).version:
        return judge_version(version)
    last = remote_text((errors.strip().splitlines() or ["no reason given"])[-1])
    if code == _SSH_FAILED:
        return f"cannot be reached over ssh: {last}"
    if code in _NOT_EXECUTABLE:
        return (
            f"has no {sys.executable}: install the same environment there, or use --transport ssh"
        )
    return (
        f"{sys.executable} there cannot run mpi_collector ({last}):"
        " install the same environment, or use --transport ssh"
    )


def judge_version(version: str) -> str:
    """Return what is wrong with the version of a host, "" if it is this host's."""
    if version == __version__:
        return ""
    return f"has mpi_collector {remote_text(version)}, this host has {__version__}"
