"""The suite's cluster collectors, its probes and its check of ssh."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from stand_in_hosts import StandInHosts

from mpi_collector import mlpstorage
from mpi_collector.errors import SharedDirectoryError
from mpi_collector.mlpstorage import (
    TIMESERIES_SSH_SCRIPT,
    ClusterInformation,
    MPIClusterCollector,
    SSHClusterCollector,
    TimeSeriesSample,
    ValidationIssue,
    collect_cluster_info,
    run_results_dir_shared_probe,
    run_shared_fs_probe,
    validate_ssh_connectivity,
)

LOGGER = logging.getLogger("suite")


def check_data(data: dict[str, Any]) -> None:
    """What every version reads of a host is there."""
    assert data["meminfo"]["MemTotal"] > 0
    assert len(data["cpuinfo"]) == data["cpu"]["num_logical_cores"] > 0
    assert data["uptime"] == data["uptime_seconds"] > 0
    assert isinstance(data["chassis_model"], str)
    for part in ("networking", "sysctl", "environment", "drives", "diskstats", "netdev", "mounts"):
        assert isinstance(data[part], list)
    json.dumps(data)


def test_the_ssh_collector(stand_ins: StandInHosts) -> None:
    names = ["localhost", "localhost:4", " ", "far-1:2", "nohost.invalid"]
    collector = SSHClusterCollector(names, LOGGER, timeout_seconds=20)
    assert collector._get_unique_hosts() == ["localhost", "far-1", "nohost.invalid"]
    assert collector.get_collection_method() == "ssh"
    result = collector.collect(names, 20)
    assert list(result.data) == ["localhost", "far-1", "nohost.invalid"]
    for host in ("localhost", "far-1"):
        check_data(result.data[host])
    assert set(result.data["nohost.invalid"]) == {"hostname", "error"}
    assert [e.split(":")[0] for e in result.errors] == ["nohost.invalid"]
    assert (result.success, result.collection_method) == (True, "ssh")
    found = ClusterInformation.from_ssh_collection(result.data)
    assert found.num_hosts == 2
    assert found.total_cores == 2 * result.data["far-1"]["cpu"]["num_cores"]
    local = collector.collect_local()
    assert (local.success, local.collection_method, local.errors) == (True, "local", [])
    check_data(local.data[socket.gethostname()])


def test_success_is_one_host_that_answers() -> None:
    """The suite warns of the others, and goes on."""
    assert not SSHClusterCollector(["nohost.invalid"], None).collect([], 10).success
    some = SSHClusterCollector(["localhost", "no1.invalid", "no2.invalid"], None).collect([], 10)
    assert (some.success, len(some.errors)) == (True, 2)
    assert SSHClusterCollector([], None).collect().success


def test_two_names_of_one_host() -> None:
    """Both have its data, and it counts once."""
    name = socket.gethostname()
    found = SSHClusterCollector(["localhost", name], None).collect().data
    check_data(found[name])
    assert found[name]["same_host_as"] == "localhost"
    assert ClusterInformation.from_ssh_collection(found).num_hosts == 1


def test_availability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert not SSHClusterCollector([], None).is_available()
    assert not MPIClusterCollector([], "/nonexistent/mpirun").is_available()
    assert MPIClusterCollector([]).get_collection_method() == "mpi"


@pytest.mark.skipif(not MPIClusterCollector([]).is_available(), reason="no MPI launcher here")
def test_the_mpi_collector() -> None:
    """{host: data}, of a rank on this host; of two of its names the first one's."""
    name = socket.gethostname()
    found = MPIClusterCollector([name, f"{name}:4", "localhost"], None, LOGGER).collect()
    assert list(found) == [name, "localhost"]
    check_data(found[name])
    assert found["localhost"]["same_host_as"] == name
    whole = collect_cluster_info(["localhost"], "mpirun", LOGGER, "results")
    about = whole.pop("_metadata")
    assert about.pop("collection_timestamp").endswith("Z")
    assert about == {
        "collection_method": "mpi",
        "requested_hosts": ["localhost"],
        "hosts_collected": ["localhost"],
    }
    check_data(whole["localhost"])


def test_without_mpi_this_host_alone(caplog: pytest.LogCaptureFixture) -> None:
    missing = "/nonexistent/mpirun"
    found = collect_cluster_info(["a", "b"], missing, LOGGER, "results")
    about = found.pop("_metadata")
    assert (about["collection_method"], about["requested_hosts"]) == ("local_fallback", ["a", "b"])
    assert about["hosts_collected"] == list(found) == [socket.gethostname()]
    assert missing in about["mpi_error"]
    assert "MPI collection failed" in caplog.text
    check_data(found[socket.gethostname()])
    with pytest.raises(RuntimeError, match="no host answered"):
        collect_cluster_info(["a"], missing, LOGGER, "results", fallback_to_local=False)
    with pytest.raises(RuntimeError, match="no host answered"):  # as the first version is called
        collect_cluster_info(["a"], missing, LOGGER, True, 5, False)
    local = MPIClusterCollector(["a"], missing, LOGGER, "results").collect_local_only()
    assert list(local) == [socket.gethostname()]


def test_which_names_are_this_host() -> None:
    own = socket.gethostname()
    names = ("localhost", "LOCALHOST", "127.0.0.1", "::1", own, own.upper())
    assert all(map(mlpstorage._is_localhost, names))
    assert set(mlpstorage.LOCALHOST_IDENTIFIERS) < {*names}
    assert not any(map(mlpstorage._is_localhost, ("node1.invalid", "192.0.2.7")))


# ---- ssh
def test_ssh_connectivity(stand_ins: StandInHosts) -> None:
    """One answer for each name, in their order; this host needs no ssh."""
    found = validate_ssh_connectivity(["nohost.invalid", "localhost:4", "far-1:2", "127.0.0.1"], 10)
    assert [(host, ok) for host, ok, _ in found] == [
        ("nohost.invalid", False),
        ("localhost", True),
        ("far-1", True),
        ("127.0.0.1", True),
    ]
    messages = [message for _, _, message in found]
    assert "Could not resolve" in messages[0]
    assert ["skipped" in m for m in messages] == [False, True, False, True]
    assert messages[2] == "connected"


def test_a_host_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = 'case "$1$2" in *-V*|*-G*) exit 0;; esac'
    (tmp_path / "ssh").write_text(f"#!/bin/sh\n{answers}\nexec sleep 30\n")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    ((host, ok, message),) = validate_ssh_connectivity(["far-1"], 1)
    assert (host, ok) == ("far-1", False)
    assert "timed out" in message


def test_without_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ValidationIssue) as raised:
        validate_ssh_connectivity(["far-1"])
    issue = raised.value
    assert (issue.severity, issue.category, issue.host) == ("error", "dependency", None)
    assert issue.install_cmd is None or "ssh" in issue.install_cmd
    assert str(issue) == issue.message


# ---- the script
def test_the_script_prints_a_sample(tmp_path: Path) -> None:
    """As the suite runs it: with any python3, in quotes of a shell, without this package."""
    command = f"cd {tmp_path} && {sys.executable} -I -c '{TIMESERIES_SSH_SCRIPT}'"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    sample = json.loads(done.stdout)
    assert {"timestamp", "diskstats", "vmstat", "loadavg", "meminfo", "netdev"} <= set(sample)
    assert sample["hostname"] == socket.gethostname()
    assert TimeSeriesSample.from_dict(sample).to_dict() == sample
    assert "errors" not in sample


# ---- one directory for all
PROBES = [
    pytest.param(run_shared_fs_probe, "destination", id="data"),
    pytest.param(run_results_dir_shared_probe, "results_dir", id="results"),
]


@pytest.mark.parametrize(("probe", "name"), PROBES)
def test_a_directory_that_all_hosts_share(
    stand_ins: StandInHosts, tmp_path: Path, probe: Any, name: str
) -> None:
    """Nothing is said, and nothing stays in it."""
    shared = tmp_path / "shared"
    shared.mkdir()
    arguments = {name: str(shared), "run_uuid": "0a1b", "logger": LOGGER, "timeout_seconds": 20}
    assert probe(hosts=["localhost", "far-1"], mpi_bin="/nonexistent/mpirun", **arguments) is None
    assert list(shared.iterdir()) == []


@pytest.mark.parametrize(("probe", "name"), PROBES)
def test_a_directory_that_is_another_one_there(
    stand_ins: StandInHosts, probe: Any, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """/dev/shm exists on every host and is its own."""
    with pytest.raises(SharedDirectoryError) as raised:
        probe(
            hosts=["localhost", "far-1", "nohost.invalid"],
            run_uuid="../0a1b",
            logger=LOGGER,
            mpi_bin="/nonexistent/mpirun",
            timeout_seconds=20,
            **{name: "/dev/shm"},
        )
    text = str(raised.value)
    assert text in caplog.text
    assert "far-1: it is another directory there (No such file or directory)" in text
    assert "nohost.invalid: connecting:" in text
    assert "localhost:" not in text
    assert "NFS" in text
    assert ("results-dir" in text) == (name == "results_dir")
    assert not list(Path("/dev/shm").glob(".mpi_collector_probe-*"))


@pytest.mark.parametrize(("probe", "name"), PROBES)
@pytest.mark.parametrize(
    "hosts", [None, [], ["far-1"], ["far-1:4", "far-1"], ["localhost", "127.0.0.1"]]
)
def test_nothing_is_asked_of_one_host(probe: Any, name: str, hosts: list[str] | None) -> None:
    """The directory need not even exist."""
    assert probe(hosts=hosts, run_uuid="0a1b", logger=None, **{name: "/nonexistent"}) is None


def test_a_directory_that_cannot_be_written() -> None:
    with pytest.raises(SharedDirectoryError, match="cannot write the data directory /nonexistent"):
        run_shared_fs_probe("/nonexistent", ["far-1", "far-2"], "0a1b", None)
