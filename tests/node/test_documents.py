"""What honest hosts send has the declared forms: every machine of the fixtures, and a recording of this one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpi_collector.node.documents import FOUND_SPOOL, IDENTITY
from mpi_collector.node.errors import FormError
from mpi_collector.node.forms import is_file_name
from mpi_collector.node.host.identity import identity
from mpi_collector.node.host.snapshot import take
from mpi_collector.node.host.snapshot.form import SNAPSHOT

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.mark.parametrize("name", sorted(p.name for p in FIXTURES.iterdir() if p.is_dir()))
def test_snapshots(name: str) -> None:
    taken = take(("/", "/nowhere"), str(FIXTURES / name), full=True)
    SNAPSHOT.check(json.loads(json.dumps(taken)))


def test_this_machine() -> None:
    SNAPSHOT.check(json.loads(json.dumps(take(("/tmp",)))))
    IDENTITY.check(json.loads(json.dumps(identity())))


@given(st.data())
def test_snapshots_of_any_kernel(data: Any) -> None:
    """Whatever the kernel's texts say, their snapshot has the form."""
    from mpi_collector.node.host.snapshot import proc

    words = st.text(st.characters(codec="utf-8"), max_size=30)
    lines = "\n".join(
        data.draw(
            st.lists(
                words | st.sampled_from(["MemTotal: 1 kB", "cpu: 18446744073709551615"]), max_size=6
            )
        )
    )
    found = {"hostname": "a"}
    for part in (
        "meminfo",
        "vmstat",
        "diskstats",
        "netdev",
        "version",
        "loadavg",
        "mounts",
        "cgroups",
        "os_release",
    ):
        found[part] = getattr(proc, part)(lines)
    SNAPSHOT.check(json.loads(json.dumps(found)))


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "/", "a/b", "../../x", "/run/x", ".hidden", "a\0b", "x" * 256, "ä" * 128],
)
def test_names_that_are_paths(name: str) -> None:
    assert not is_file_name(name)
    spool = {"dir": "/dev/shm", "run": "r", "key": name, "bytes": 1, "mtime": 1, "alive": False}
    with pytest.raises(FormError):
        FOUND_SPOOL.check(spool)


@pytest.mark.parametrize(
    "name", ["a", "node-1", "node_1.example.org", "fe80::1%eth0", "2001:db8::1", "ä"]
)
def test_names_of_hosts(name: str) -> None:
    assert is_file_name(name)
