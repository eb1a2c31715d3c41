"""Rank 0's answers and the life-cycle process that asks, without a launch between them."""

from __future__ import annotations

from typing import Any, cast

import pytest

from mpi_collector.node.compat import readable
from mpi_collector.node.options import SamplingOptions
from mpi_collector.transport.base import HostState
from mpi_collector.transport.launch.command_line import LaunchCommand
from mpi_collector.transport.launch.control_client import ControlClient
from mpi_collector.transport.launch.settings import Settings
from mpi_collector.transport.ranks.control_service import ControlService
from mpi_collector.transport.ranks.coordinator import Coordinator


class _ManyHosts:
    """A coordinator of 40 hosts whose snapshots are a megabyte each."""

    asked = 0

    def snapshot(self) -> dict[str, dict[str, Any]]:
        self.asked += 1
        return {f"node{n}": {"hostname": f"node{n}", "version": "x" * 10**6} for n in range(40)}


def test_snapshots_of_many_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty megabytes come in messages of the size that is allowed, and the hosts are asked once."""
    hosts = _ManyHosts()
    service = ControlService(cast(Any, None), cast(Any, None), cast(Any, None))
    monkeypatch.setattr(ControlService, "_opened", lambda self: cast(Coordinator, hosts))
    sizes = []

    def request(self: ControlClient, do: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        answer = service.answer({"do": do, **fields}).fields
        sizes.append(sum(len(s["version"]) for s in answer["snapshots"].values()))
        return answer

    monkeypatch.setattr(ControlClient, "_request", request)
    launch = LaunchCommand(["true"], {}, {}, Settings())
    client = ControlClient(SamplingOptions(), "run", launch, {})
    found = client.snapshot()
    assert list(found) == [f"node{n}" for n in range(40)]
    assert hosts.asked == 1
    assert len(sizes) > 1
    assert max(sizes) < 10e6
    client.detach()


def test_what_rank_0_tells_by_itself() -> None:
    """A request to stop and the loss of a host wake whoever polls; what comes too late is dropped."""
    launch = LaunchCommand(["true"], {}, {}, Settings())
    client = ControlClient(SamplingOptions(), "run", launch, {})
    client.hosts = [HostState("a", "a", {}, sampling=True), HostState("b", "b", {}, sampling=True)]
    told = client._told
    assert not readable(client.wakes().fds, 0)
    assert not client.poll()
    told({"event": "cut_off", "key": "b", "why": "no more"}, b"")
    assert readable(client.wakes().fds, 0)
    assert not client.poll()
    assert not readable(client.wakes().fds, 0)
    assert [h.cut_off for h in client.hosts] == ["", "no more"]
    assert client.status()["sampling"] == 1
    told({"event": "stop_request"}, b"")
    assert readable(client.wakes().fds, 0)
    assert client.poll()
    client.detach()
    told({"event": "stop_request"}, b"")
    assert client.wakes().fds == ()
