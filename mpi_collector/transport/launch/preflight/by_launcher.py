"""The check by a launch of the launcher itself, where nobody may log in to the hosts."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mpi_collector.transport.hosts import HostSpec, requested_name
from mpi_collector.transport.launch.preflight.answers import (
    Findings,
    judge_program,
    judge_version,
    parse_answer,
)


def check_by_launcher(
    argv: Sequence[str],
    environ: Mapping[str, str],
    names: Mapping[str, str],
    hosts: Sequence[HostSpec],
    timeout_s: float,
) -> Findings:
    """Launch ``argv``, which runs ``check_program`` on each host, and judge the answers.

    names: {any name of a host: its requested name}. If no host answers, or the launcher reports no
    error, nothing is found: the launch of the ranks will show what is wrong.
    """
    output, errors = _run(argv, environ, timeout_s)
    answers = [parse_answer(line) for line in output.splitlines()]
    answers = [answer for answer in answers if answer.version]
    versions = {_requested_name(answer.identity, names): answer.version for answer in answers}
    all_answered = len({answer.identity for answer in answers}) >= len(hosts)
    reasons = "\n".join(line for line in errors.splitlines() if "rror" in line)
    findings = Findings()
    if not any(host.name in versions for host in hosts):
        return findings
    for host in hosts:
        problem = ""
        if host.name in versions:
            problem = judge_version(versions[host.name])
        elif reasons and not all_answered:  # it may have answered by a name that is not known
            problem = judge_program(1, reasons)
        if problem:
            findings.problems[host.name] = problem
    return findings


class _Output(NamedTuple):
    stdout: str
    stderr: str


def _run(argv: Sequence[str], environ: Mapping[str, str], timeout_s: float) -> _Output:
    """Return what a program has written when it ends or its time is over."""
    try:
        done = subprocess.run(
            argv,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        written = done.stdout, done.stderr
    except subprocess.TimeoutExpired as e:
        written = e.stdout or b"", e.stderr or b""
    return _Output(*(data.decode("utf-8", "replace") for data in written))


def _requested_name(identity: str, names: Mapping[str, str]) -> str:
    """Return the requested name of the host with this identity_text, "" if it is not known."""
    words = identity.split(" ")
    addresses = words[4].split(",") if len(words) > 4 else []
    name = requested_name({"hostname": words[0], "addresses": addresses}, names)
    return name if name in names.values() else ""
