"""The suite's cluster collectors."""

from __future__ import annotations

import socket

import pytest

from mpi_collector import mlpstorage
from mpi_collector.mlpstorage import (
    ClusterInformation,
    MPIClusterCollector,
    SSHClusterCollector,
)


def test_the_ssh_collector_on_this_host() -> None:
    collector = SSHClusterCollector(
        ["localhost", "localhost:4", " ", "nohost.invalid"], None, timeout_seconds=10
    )
    assert collector._get_unique_hosts() == ["localhost", "nohost.invalid"]
    assert collector.get_collection_method() == "ssh"
    result = collector.collect([], 10)
    assert result.data["localhost"]["meminfo"]["MemTotal"] > 0
    assert list(result.data) == ["localhost", "nohost.invalid"]
    assert "nohost.invalid: connecting:" in result.errors[0]
    assert (result.success, result.collection_method) == (False, "ssh")
    assert ClusterInformation.from_ssh_collection(result.data).num_hosts == 1
    local = collector.collect_local()
    assert (local.success, local.collection_method, local.errors, len(local.data)) == (
        True,
        "local",
        [],
        1,
    )


def test_availability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert not SSHClusterCollector([], None).is_available()
    assert not MPIClusterCollector([], "/nonexistent/mpirun").is_available()
    assert MPIClusterCollector([]).get_collection_method() == "mpi"


def test_which_names_are_this_host() -> None:
    local = mlpstorage._is_localhost
    assert all(
        map(
            local,
            (
                "localhost",
                "LOCALHOST",
                "127.0.0.1",
                "::1",
                socket.gethostname(),
                socket.gethostname().upper(),
            ),
        )
    )
    assert not any(map(local, ("node1.invalid", "192.0.2.7")))


def test_ssh_connectivity() -> None:
    found = mlpstorage.validate_ssh_connectivity(["localhost", "nohost.invalid"], 5)
    assert found["localhost"] == (True, "")
    assert found["nohost.invalid"][0] is False
