"""What an answer of a host means to somebody who has to mend it."""

from __future__ import annotations

import pytest

from mpi_collector import __version__
from mpi_collector.transport.hosts import HostSpec
from mpi_collector.transport.preflight import check_ranks, judge


@pytest.mark.parametrize(
    ("code", "out", "err", "words"),
    [
        (0, f"mpi_collector is here {__version__}\n", "", ""),
        (0, f"Welcome!\nmpi_collector is here {__version__}\n", "banner", ""),
        (0, "mpi_collector is here 0.0.0\n", "", "has mpi_collector 0.0.0"),
        (255, "", "ssh: Could not resolve hostname nodex: Name or service not known\r\n", "cannot be reached over ssh"),
        (127, "", "sh: 1: exec: /opt/python: not found", "install the same environment"),
        (1, "", "ModuleNotFoundError: No module named 'mpi4py'\x1b[2J", "No module named 'mpi4py'?"),
        (0, "", "", "no reason given"),
    ],
)
def test_judge(code: int, out: str, err: str, words: str) -> None:
    said = judge(code, out, err)
    assert words in said
    assert bool(said) == bool(words)
    assert said.isprintable()


def test_names_that_are_refused_reach_no_ssh() -> None:
    found = check_ranks([HostSpec("-oProxyCommand=x"), HostSpec("a;reboot")], None, 4, 5.0).broken
    assert list(found) == ["-oProxyCommand=x", "a;reboot"]
    assert all("no host name" in why for why in found.values())
