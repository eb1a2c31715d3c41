"""Lists of hosts that are kept on disk until their document is written."""

from __future__ import annotations

import json
from pathlib import Path

from mpi_collector.output.hostlist import HostList, pieces


def test_lists_without_hosts(tmp_path: Path) -> None:
    """A list that nothing was added to is an empty list; one that stands nowhere is not written."""
    one, other = HostList(tmp_path), HostList(tmp_path)
    other.add("x", {"a": 1})
    other.order = ["x"]
    assert json.loads(b"".join(pieces({"hosts": one.whole, "n": 0}, [one, other]))) == {
        "hosts": [],
        "n": 0,
    }
    one.close()
    other.close()


def test_a_list_in_several_places(tmp_path: Path) -> None:
    """Order of the run, then what is listed without a host of its own; placeholders may repeat."""
    hosts = HostList(tmp_path)
    for key in ("b", "a", "not asked for"):
        hosts.add(key, {"key": key}, {"more": 1} if key == "a" else None)
    hosts.order = ["a", "gone", "b"]
    hosts.rest = [{"error": "no route"}]
    document = {
        "one": hosts.whole,
        "inner": {"two": hosts.whole, "three": hosts.heads, "four": hosts.names},
    }
    found = json.loads(b"".join(pieces(document, [hosts])))
    hosts.close()
    assert found["one"] == [{"key": "a", "more": 1}, {"key": "b"}, {"error": "no route"}]
    assert found["inner"]["three"] == [{"key": "a"}, {"key": "b"}, {"error": "no route"}]
    assert found["inner"]["four"] == [{"hostname": "a"}, {"hostname": "b"}, {"error": "no route"}]
    assert found["inner"]["two"] == found["one"]
    assert list(tmp_path.iterdir()) == []
