"""The receive path of real kernels; counters of 32 bits that wrap; CPUs that come and go."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nodekit import QUICK
from sampled_tree import Tree, sampled
from sourcekit import nonzero

from mpi_collector.node.sources.softnet import SoftnetReader

AT = "proc/net/softnet_stat"
PER_CPU_S = 500_000
HOUR_S = 3600
INTERVAL_S = 10
RANGE = 2**32


def test_softnet() -> None:
    assert nonzero("softnet", "linux-4.18") == {
        "processed": 0x29BA9 + 0x2749D,
        "squeezed": 0x5B + 0x46,
    }
    assert nonzero("softnet", "linux-6.18") == {"processed": 0x49941 + 0x54EF9}


def line(cpu: int, processed: int, dropped: int = 0, columns: int = 15) -> str:
    """The line of a CPU, in the number of columns of some kernel."""
    words = [processed % RANGE, dropped % RANGE, 3, *[0] * 6, 4, 5, 0, cpu, 6, 7][:columns]
    return " ".join(f"{w:08x}" for w in words) + "\n"


def value(reader: SoftnetReader, name: str) -> int:
    values = dict(pair.split() for pair in reader.read().decode().splitlines())
    return int(values[name])


@pytest.mark.parametrize("columns", [9, 10, 11, 13, 15])
def test_columns_of_all_kernels(tmp_path: Path, columns: int) -> None:
    """Nine until 2.6.34, then ten, eleven, thirteen with the CPU, fifteen with the queues' lengths."""
    tree = Tree(tmp_path)
    tree.write(AT, line(0, 10, 1, columns) + line(1, 20, 2, columns))
    found = dict(pair.split() for pair in SoftnetReader(str(tmp_path)).read().split(b"\n") if pair)
    wanted = {b"processed": b"30", b"dropped": b"3", b"squeezed": b"6"}
    wanted |= {b"received_rps": b"8"} if columns > 9 else {}
    wanted |= {b"flow_limited": b"10"} if columns > 10 else {}
    assert found == wanted


def test_an_hour_of_many_cpus(tmp_path: Path) -> None:
    """64 CPUs at 500,000 packets a second: each wraps, and no interval is lost."""
    tree = Tree(tmp_path)
    starts = [(n * 67_108_864 + 4_000_000_000) % RANGE for n in range(64)]

    def write(second: int) -> None:
        processed = [start + second * PER_CPU_S for start in starts]
        tree.write(AT, "".join(line(cpu, n) for cpu, n in enumerate(processed)))

    write(0)
    reader = SoftnetReader(str(tmp_path))
    values = []
    for second in range(0, HOUR_S + 1, INTERVAL_S):
        write(second)
        values.append(value(reader, "processed"))
    growths = {b - a for a, b in pairwise(values)}
    assert growths == {64 * PER_CPU_S * INTERVAL_S}


def test_a_wrap_in_a_recording(tmp_path: Path) -> None:
    """The whole program: what was processed is known in every interval."""
    tree = Tree(tmp_path / "root")
    tree.write(AT, line(0, RANGE - 1000) + line(1, 7))
    found = sampled(
        tree,
        tmp_path / "results",
        "softnet",
        lambda: tree.write(AT, line(0, RANGE + 500) + line(1, 8)),
        lambda: tree.write(AT, line(0, RANGE + 900) + line(1, 9)),
    )
    values = found.known("softnet.processed")
    assert values == sorted(values)
    assert values[-1] - values[0] == 1900 + 2
    assert found.about("softnet") == []


@pytest.mark.parametrize("columns", [11, 15])
def test_a_cpu_that_goes_offline(tmp_path: Path, columns: int) -> None:
    """Kernels that number their lines: its count stays in the sum, and goes on when it is back."""
    tree = Tree(tmp_path)
    tree.write(AT, "".join(line(cpu, 1000 * (cpu + 1), 0, columns) for cpu in range(3)))
    reader = SoftnetReader(str(tmp_path))
    assert value(reader, "processed") == 6000
    tree.write(AT, line(0, 1001, 0, columns) + line(2, 3001, 0, columns))
    without = value(reader, "processed")
    tree.write(AT, "".join(line(cpu, 1000 * (cpu + 1) + 2, 0, columns) for cpu in range(3)))
    assert value(reader, "processed") == 6006
    if columns > 12:
        assert without == 6002


@QUICK
@given(raw=st.binary(max_size=300))
def test_any_bytes(tmp_path: Path, raw: bytes) -> None:
    """Nothing is raised, and a whole text is right again after it."""
    (tmp_path / "proc/net").mkdir(parents=True, exist_ok=True)
    (tmp_path / AT).write_bytes(raw)
    reader = SoftnetReader(str(tmp_path))
    for text in reader.read().splitlines():
        name, number = text.split()
        assert name.isalpha() or b"_" in name
        assert int(number) >= 0
