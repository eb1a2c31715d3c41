"""``check``: what it finds, in a table and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mpi_collector.benchmark.host_check import CheckedHost, HostsCheck
from mpi_collector.cli import check

ANSWER: dict[str, Any] = {
    "python": "3.11.2",
    "free_bytes": 10**9,
    "file_system": "tmpfs",
    "failures": [],
    "hazards": [],
    "reached": "10.0.0.1",
    "called": True,
    "shell": "",
    "wall_offset_ns": 0,
    "rtt_ns": 1000,
}


def checked(key: str = "a", needs_ranks: bool = False, **changes: Any) -> CheckedHost:
    ranks_error = changes.pop("ranks_error", "")
    versions = changes.pop("versions", {})
    return CheckedHost(key, None, {**ANSWER, **changes}, ranks_error, versions, needs_ranks)


def test_a_host_in_order() -> None:
    host = checked(versions={"MPI": "Open MPI 5.0.11"})
    assert (host.fit, host.failures, host.remarks) == (True, [], [])
    assert check.cells(host)[:4] == ["a", "ok", "3.11.2", "Open MPI 5.0.11"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"failures": ["no spool can be made: /dev/shm: Read-only file system"]}, "Read-only"),
        ({"free_bytes": 1 << 20}, "too little room"),
        ({"free_bytes": None}, "too little room"),
        ({"ranks_error": "has no /x/python", "needs_ranks": True}, "has no /x/python"),
    ],
)
def test_failures(changes: dict[str, Any], said: str) -> None:
    host = checked(**changes)
    assert not host.fit
    assert [said in why for why in host.failures] == [True]
    assert check.cells(host)[1] == "FAILED"
    assert said in check.cells(host)[-1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hazards": ["/dev/shm may be emptied"]}, "may be emptied"),
        ({"wall_offset_ns": -3 * 10**9}, "wall clock is off"),
        ({"shell": "Welcome to a"}, "the login shell says 'Welcome to a'"),
        ({"reached": None}, "cannot connect to this host"),
        ({"ranks_error": "has no /x/python"}, "not over MPI: has no /x/python"),
    ],
)
def test_remarks_fail_nothing(changes: dict[str, Any], said: str) -> None:
    host = checked(**changes)
    assert host.fit
    assert [said in remark for remark in host.remarks] == [True]


def test_a_host_that_was_not_called_needs_no_way_back() -> None:
    assert checked(reached=None, called=False).remarks == []


def test_differences() -> None:
    """Of the versions that ranks find, those that are not the same everywhere, with the hosts."""
    hosts = [
        checked(f"n{k}", versions={"numpy": "2.0", "MPI": f"MPICH {4 if k < 6 else 5}"})
        for k in range(7)
    ]
    assert HostsCheck(hosts, "").differences == [
        "MPI differs: MPICH 4 on n0, n1, n2, n3 and 2 more, MPICH 5 on n6"
    ]
    assert HostsCheck(hosts[:6], "").differences == []
    assert HostsCheck([checked(), checked("b", versions={"numpy": "1"})], "").differences == []


def test_whether_ranks_can_be_woken(capfd: pytest.CaptureFixture[str]) -> None:
    """Said of hosts that were asked to connect, in the table and as JSON; of others nothing is known."""
    found = HostsCheck([checked("a"), checked("b", reached=None), checked("c", called=False)], "")
    assert found.doorbells.startswith("doorbells: not available, b cannot connect to this host")
    assert found.document()["doorbells"] == found.doorbells
    check.print_check(found)
    assert "doorbells: not available, b cannot" in capfd.readouterr().out
    assert "available, 1 hosts can" in HostsCheck([checked()], "").doorbells
    for host in (checked(called=False, reached=None), CheckedHost("a", "no answer", None)):
        assert HostsCheck([host], "").document()["doorbells"] is None


def test_this_host(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The verb in this process: a fit host, one whose spool directory is missing; text and JSON."""
    words = ["--hosts", "localhost", "--spool-dir", str(tmp_path)]
    assert check.main(words) == 0
    assert "1 of 1 hosts can be recorded" in capfd.readouterr().out
    assert list(tmp_path.iterdir()) == []
    assert check.main([*words[:3], str(tmp_path / "none"), "--json"]) == 1
    out, err = capfd.readouterr()
    host = json.loads(out)["hosts"]["localhost"]
    assert not host["fit"]
    assert "No such file or directory" in host["failures"][0]
    assert host["free_bytes"] is None
    assert host["python"].count(".") == 2
    assert err == ""


def test_mpi_that_was_asked_for(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What ranks would find on this host; a launcher that is not there is a mistake."""
    words = ["--hosts", "localhost", "--spool-dir", str(tmp_path), "--transport", "mpi", "--json"]
    assert check.main([*words, "--mpi-bin", str(tmp_path)]) == 2
    assert "--transport mpi: no mpirun or mpiexec at --mpi-bin" in capfd.readouterr().err
    code = check.main(words)
    document = json.loads(capfd.readouterr().out or "{}")
    if code == 2:
        pytest.skip("no launcher here")
    ranks = document["hosts"]["localhost"]["ranks"]
    assert {"Python", "numpy", "mpi4py", "MPI"} == set(ranks)
    assert document["ranks"]
    assert code == 0
