"""Which transport records a run, and why."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import pytest

from mpi_collector.benchmark.plan import LifecyclePlan
from mpi_collector.benchmark.transport_choice import choose
from mpi_collector.errors import TransportError
from mpi_collector.node.options import SamplingOptions
from mpi_collector.transport.hosts import HostSpec

HERE, OTHERS = [HostSpec(socket.gethostname())], [HostSpec("a.invalid"), HostSpec("b.invalid")]


@dataclass
class Launcher:
    """A launcher that starts ranks everywhere, but for the reason given."""

    reason: str = ""

    def explain(self) -> str:
        return "Open MPI 5 at /mpirun"

    def incompatibility(self, hosts: object) -> str:
        return self.reason


def chosen(verb: str, hosts: list[HostSpec], found: Launcher | Exception, **asked: str) -> str:
    """Return the transport; one that is not available is "error"."""

    def find() -> Launcher:
        if isinstance(found, Exception):
            raise found
        return found

    plan = LifecyclePlan(SamplingOptions(), hosts=hosts, **asked)  # type: ignore[arg-type]
    try:
        choice = choose(plan, verb, find)  # type: ignore[arg-type]
    except TransportError:
        return "error"
    assert choice.reason
    return choice.transport


@pytest.mark.parametrize(
    ("verb", "auto"),
    [("training", "mpi"), ("checkpointing", "mpi"), ("kvcache", "ssh"), ("vectordb", "ssh")],
)
def test_the_transport_of_a_benchmark(verb: str, auto: str) -> None:
    """Several hosts: MPI for MPI's benchmarks, ssh for the others; only this host: local."""
    assert chosen(verb, OTHERS, Launcher()) == auto
    assert chosen(verb, [*HERE, *OTHERS], Launcher()) == auto
    assert chosen(verb, HERE, Launcher()) == "local"
    assert chosen(verb, [], Launcher()) == "local"
    for transport in ("mpi", "ssh"):
        assert chosen(verb, OTHERS, Launcher(), transport=transport) == transport


@pytest.mark.parametrize("found", [OSError("no mpirun"), Launcher("it cannot reach them")])
def test_without_a_working_mpi(found: Launcher | Exception) -> None:
    """ssh takes its place, unless MPI was asked for."""
    assert chosen("training", OTHERS, found) == "ssh"
    assert chosen("training", OTHERS, found, transport="mpi") == "error"


def test_a_launcher_that_was_named_must_work() -> None:
    assert chosen("training", OTHERS, OSError("no such file"), mpi_bin="/nowhere") == "error"


def test_local_is_for_this_host() -> None:
    assert chosen("kvcache", HERE, Launcher(), transport="local") == "local"
    assert chosen("kvcache", OTHERS, Launcher(), transport="local") == "error"
