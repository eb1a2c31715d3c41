"""``recover`` of many hosts: one at a time, keys only from their hosts, and nothing removed that was not read."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import mpi_collector
from mpi_collector.benchmark.found_spools import FoundSpool, RemoteSpool, Whose, whose_spool
from mpi_collector.benchmark.recover import recover_run
from mpi_collector.cli import recover as verb
from mpi_collector.node.agent.recorder import Recorder
from mpi_collector.node.agent.service import RecorderService
from mpi_collector.node.compat import mono_ns, wall_ns
from mpi_collector.node.errors import RunClaimedError
from mpi_collector.node.host.identity import identity
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.spool.claim import RunClaim
from mpi_collector.node.spool.directory import RunDirectory, find_spools, user_directory
from mpi_collector.node.table.recovered import RecoveredSpool
from mpi_collector.transport.base import Sink, write_host
from mpi_collector.transport.hosts import HostSpec
from mpi_collector.transport.ssh import HostQueries

RUN = "host_20260105_120000-abcdef"


def spool(place: Path, key: str, hostname: str, ticks: int = 5, **options: Any) -> Path:
    """Leave the spool of a dead process of the host ``hostname`` in ``place``."""
    place.mkdir(exist_ok=True)
    chosen = SamplingOptions(
        interval_s=0.01, max_samples=64, sources="loadavg", spool_dir=str(place), **options
    )
    who = identity_of(hostname)
    recorder = Recorder(chosen, RUN, key, {"benchmark": "host", "stem": RUN[:-7], "identity": who})
    recorder.prepare()
    recorder.own_clock()
    recorder.start(t0_ns=mono_ns(), epoch_ns=wall_ns(), capacity=64, hosts=2)
    while recorder.status()["taken"] < ticks:
        threading.Event().wait(0.005)
    recorder.sampler.stop()
    recorder.close()
    return place / user_directory() / RUN / key


def identity_of(hostname: str) -> dict[str, Any]:
    return {
        **identity(),
        "hostname": hostname,
        "boot_id": f"boot of {hostname}",
        "machine_id": None,
    }


class Hosts:
    """Hosts whose spools are in ``place/NAME``. A RecoveryTransport; ``order``: of the claims."""

    def __init__(self, place: Path, *names: str, token: str = "me") -> None:
        self.names = names
        self._place = place
        self._token = token
        self._claims: list[RunClaim] = []
        self._adopted: RecoveredSpool | None = None
        self.unreached: dict[str, str] = {}

    def spools(self) -> dict[str, list[dict[str, Any]]]:
        return {name: find_spools(str(self._place / name)) for name in self.names}

    def identity(self, host: str) -> Mapping[str, Any]:
        return identity_of(host)

    def claim(self, run: str) -> dict[str, list[dict[str, Any]]]:
        found = {}
        for name in sorted(self.names):
            try:
                self._claims.append(RunClaim([str(self._place / name)], run, self._token))
            except RunClaimedError:
                raise RunClaimedError(name) from None
            found[name] = self._claims[-1].spools()
        return found

    def adopt(self, host: str, place: str, run: str, key: str) -> dict[str, Any]:
        self._adopted = None
        self._adopted = RecoveredSpool(place, run, key)
        return self._adopted.about()

    def take_adopted(self, host: str, sink: Sink) -> None:
        assert self._adopted is not None
        write_host(sink, self._adopted.key, self._adopted.pack(False))

    def drop_adopted(self, host: str) -> None:
        assert self._adopted is not None
        self._adopted.discard()

    def close(self, saved: bool = False) -> bool:
        self._adopted = None
        for claim in self._claims:
            claim.release()
        return True


def recover(hosts: Hosts, results: Path) -> int:
    """What the verb does once the hosts are reached."""
    args = verb._parse([RUN, "--results-dir", str(results)])
    try:
        return verb._warn_and_act(args, hosts.spools(), {}, hosts)
    finally:
        hosts.close()


def samples(results: Path) -> dict[str, int]:
    with mpi_collector.load(results) as run:
        return {key: len(run[key].tick) for key in run}


def test_a_spool_under_another_hosts_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No --replicate explains it: it is not taken, and stays, as all of the true host's is."""
    spool(tmp_path / "n1", "n1", "n1")
    true = spool(tmp_path / "n2", "n2", "n2", ticks=4)
    false = spool(tmp_path / "n1", "n2", "n1x", ticks=30)
    assert recover(Hosts(tmp_path, "n1", "n2"), tmp_path / "results") == 0
    assert samples(tmp_path / "results")["n2"] < 20
    assert not true.exists() and false.exists()
    assert "n1 offers a spool of n2, which is another host" in capsys.readouterr().err


@pytest.mark.parametrize("claims", ["n2", "n1"])
def test_a_longer_spool_under_another_hosts_key(
    tmp_path: Path, claims: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one that the host itself has counts. ``claims``: the identity in the other one."""
    spool(tmp_path / "n1", "n1", "n1", replicate_s=1)
    true = spool(tmp_path / "n2", "n2", "n2", ticks=4, replicate_s=1)
    false = spool(tmp_path / "n1", "n2", claims, ticks=30, replicate_s=1)
    assert recover(Hosts(tmp_path, "n1", "n2"), tmp_path / "results") == 0
    assert samples(tmp_path / "results")["n2"] < 20
    assert not true.exists()
    # with its own identity it is no copy
    assert false.exists() == (claims == "n1")
    assert ("n1 has a spool of n2, too" in capsys.readouterr().err) == (claims == "n1")


def test_hosts_by_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reached by addresses, hosts are known by their identities; copies of theirs go with them."""
    names = {"10.0.0.1": "n1", "10.0.0.2": "n2"}
    monkeypatch.setattr(Hosts, "identity", lambda self, host: identity_of(names[host]))
    for address, name in names.items():
        spool(tmp_path / address, name, name, ticks=6, replicate_s=1)
    spool(tmp_path / "10.0.0.1", "n2", "n2", ticks=4, replicate_s=1)
    assert recover(Hosts(tmp_path, *names), tmp_path / "results") == 0
    assert sorted(samples(tmp_path / "results")) == ["n1", "n2"]
    assert not list(tmp_path.glob(f"*/{user_directory()}"))


def test_a_copy_counts_where_the_host_has_none(tmp_path: Path) -> None:
    """The host's own spool is gone, or cannot be read: then it stays."""
    spool(tmp_path / "n1", "n1", "n1", replicate_s=1)
    copy = spool(tmp_path / "n1", "n2", "n2", replicate_s=1)
    broken = spool(tmp_path / "n2", "n2", "n2", replicate_s=1)
    broken.write_bytes(broken.read_bytes()[:5000])
    assert recover(Hosts(tmp_path, "n1", "n2"), tmp_path / "results") == 0
    assert sorted(samples(tmp_path / "results")) == ["n1", "n2"]
    assert broken.exists() and not copy.exists()


def test_a_spool_that_changes_after_it_was_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is there now is not what is in the files: it stays."""

    class Replaced(RemoteSpool):
        def write_to(self, sink: Sink) -> None:
            super().write_to(sink)
            os.unlink(path)
            spool(tmp_path / "n1", "n1", "n1", ticks=20)

    path = spool(tmp_path / "n1", "n1", "n1")
    hosts = Hosts(tmp_path, "n1")
    found = FoundSpool("n1", partial(Replaced, hosts, "n1", str(tmp_path / "n1"), RUN, "n1"))
    assert recover_run(RUN, [found], tmp_path / "results", False, {}) == 0
    assert path.exists()
    assert "a spool stays: n1: the spool of n1 has changed" in capsys.readouterr().err


def test_two_at_once_with_hosts_in_another_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One has the whole run, the other says so and changes nothing; whoever is first."""
    names = [f"n{n}" for n in range(4)]
    for name in names:
        spool(tmp_path / name, name, name)
    both = [Hosts(tmp_path, *order, token=str(n)) for n, order in enumerate((names, names[::-1]))]
    both[0].claim(RUN)
    assert recover(both[1], tmp_path / "second") == 2
    said = capsys.readouterr().err
    assert f"{RUN} is being recovered by another process on n0: nothing was changed" in said
    assert not (tmp_path / "second").exists()
    assert recover(both[0], tmp_path / "first") == 0
    assert sorted(samples(tmp_path / "first")) == names
    assert not list(tmp_path.glob(f"*/{user_directory()}"))


def test_one_that_ends_between_the_list_and_the_claim(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spool(tmp_path / "n1", "n1", "n1")

    class Late(Hosts):
        def claim(self, run: str) -> dict[str, list[dict[str, Any]]]:
            assert recover(Hosts(tmp_path, "n1", token="other"), tmp_path / "first") == 0
            return super().claim(run)

    assert recover(Late(tmp_path, "n1"), tmp_path / "second") == 2
    assert "was recovered by another process meanwhile" in capsys.readouterr().err
    assert not (tmp_path / "second").exists()


@pytest.fixture
def claimed(tmp_path: Path) -> Iterator[RunClaim]:
    """A run that another process on this host recovers."""
    spool(tmp_path / "shm", "a", "a")
    claim = RunClaim([str(tmp_path / "shm")], RUN, "other")
    yield claim
    claim.release()


def local(tmp_path: Path) -> int:
    words = [RUN, "--transport", "local", "--spool-dir", str(tmp_path / "shm")]
    return verb.main([*words, "--results-dir", str(tmp_path / "results")])


def test_on_this_host(
    tmp_path: Path, claimed: RunClaim, capsys: pytest.CaptureFixture[str]
) -> None:
    assert local(tmp_path) == 2
    assert "is being recovered by another process: nothing was changed" in capsys.readouterr().err
    claimed.release()
    assert local(tmp_path) == 0
    assert not (tmp_path / "shm" / user_directory()).exists()


def test_over_agents(tmp_path: Path, claimed: RunClaim) -> None:
    """Agents claim as this process does, and give up with their session."""
    options = SamplingOptions(spool_dir=str(tmp_path / "shm"))
    two = [HostQueries(options, f"recover-{n}", [HostSpec("a", is_local=True)]) for n in range(2)]
    try:
        for queries in two:
            assert [s["key"] for s in queries.spools()["a"]] == ["a"]
        with pytest.raises(RunClaimedError, match="a"):
            two[0].claim(RUN)
        claimed.release()
        assert [s["key"] for s in two[0].claim(RUN)["a"]] == ["a"]
        with pytest.raises(RunClaimedError):
            two[1].claim(RUN)
        two[0].claim("another run")
        assert [s["key"] for s in two[1].claim(RUN)["a"]] == ["a"]
        two.pop().close(False)
        assert two[0].claim(RUN)["a"]
    finally:
        for queries in two:
            queries.close(False)


def test_claims(tmp_path: Path) -> None:
    """One at a time; the same claim on a file system of several hosts; none left behind."""
    path = spool(tmp_path / "shm", "a", "a")
    places = [str(tmp_path / "shm"), str(tmp_path / "none")]
    first = RunClaim(places, RUN, "one")
    with pytest.raises(RunClaimedError):
        RunClaim(places, RUN, "two")
    same = RunClaim(places, RUN, "one")
    same.release()
    with pytest.raises(RunClaimedError):
        RunClaim(places, RUN, "two")
    assert RunClaim(places, "other", "two").spools() == []
    first.release()
    first.release()
    RunClaim(places, RUN, "two").release()
    assert [p.name for p in path.parent.iterdir()] == ["a"]
    pid = os.fork()
    if not pid:
        RunClaim(places, RUN, "killed")
        os._exit(1)
    os.waitpid(pid, 0)
    RunClaim(places, RUN, "two").release()
    RunDirectory(places[0], RUN).discard("a")
    assert not (tmp_path / "shm" / user_directory()).exists()


def test_of_many_who_begin_at_once_one_wins(tmp_path: Path) -> None:
    """Threads that claim the same run as fast as they can: never two of them have it."""
    spool(tmp_path / "shm", "a", "a")
    holders: list[str] = []
    won = []

    def claim(token: str) -> None:
        for _ in range(100):
            try:
                got = RunClaim([str(tmp_path / "shm")], RUN, token)
            except RunClaimedError:
                continue
            holders.append(token)
            won.append(len(holders))
            holders.remove(token)
            got.release()

    threads = [threading.Thread(target=claim, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won and max(won) == 1


def test_a_service_gives_its_claim_up(tmp_path: Path, claimed: RunClaim) -> None:
    service = RecorderService()
    words = {"do": "claim", "places": [str(tmp_path / "shm")], "run": RUN, "token": "me"}
    assert service.answer(words).fields == {"claimed": False, "spools": []}
    claimed.release()
    answer = service.answer(words).fields
    assert answer["claimed"] and [s["key"] for s in answer["spools"]] == ["a"]
    service.close()
    RunClaim([str(tmp_path / "shm")], RUN, "other").release()


def test_whose() -> None:
    """Names that are alike, addresses, and hosts that do not know themselves."""
    n1 = identity_of("n1")
    for host, key, recorded, whose in (
        ("n1", "n1", None, Whose.NAME),
        ("n1.site", "n1", identity_of("x"), Whose.NAME),
        ("10.0.0.1", "10.0.0.2", identity_of("n2"), Whose.COPY),
        ("10.0.0.1", "n1", n1, Whose.IDENTITY),
        ("alias", "n1", n1, Whose.IDENTITY),
        ("alias", "n1", {**n1, "boot_id": None}, Whose.COPY),
        ("alias", "n1", None, Whose.IDENTITY),
        ("n1", "n1-2", identity_of("n2"), Whose.COPY),
    ):
        assert whose_spool(host, n1, key, recorded) is whose, (host, key)
