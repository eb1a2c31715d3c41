"""Properties of the parsers of cgroup, lustre, nfs, infiniband and power: whatever text the kernel shows.

Numbers of a text are known in advance. Lines are put in another order, doubled, cut, mixed with lines that nobody knows
and bytes that are no UTF-8; a value is then right or missing, and never another one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nodekit import QUICK
from sourcekit import decoded

from mpi_collector.node.row.decode import RowDecoder, make_layout, wrap
from mpi_collector.node.row.layout import MISSING
from mpi_collector.node.sources import BY_NAME
from mpi_collector.node.status import OK

U64 = st.integers(0, 2**64 - 1).filter(lambda n: wrap(n) != MISSING)
#: below the greatest value of a counter of 32 bits, at which it has stopped
WORDS = st.integers(0, 2**32 - 2)


def cgroup(numbers: Sequence[int]) -> tuple[dict[str, int], list[bytes]]:
    """Return ({column: value}, files of lines) of these numbers."""
    a, b, c, d = numbers
    files = [
        b"@cpu.stat\nusage_usec %d\nthrottled_usec %d\nnr_periods %d" % (a, b, c),
        b"@memory.current\n%d" % d,
        b"@memory.stat\nanon %d\npgfault %d\nnovelty 5" % (b, c),
        b"@memory.events\nlow %d\noom_kill %d" % (a, d),
        b"@io.stat\n8:0 rbytes=%d wbytes=%d rios=1 wios=2\n259:0 rbytes=%d" % (a, b, c),
        b"@cpu.pressure\nsome avg10=0.00 total=%d\nfull avg10=0.00 total=%d" % (c, d),
    ]
    columns = {
        "cpu.usage_us": a, "cpu.throttled_us": b, "cpu.nr_periods": c, "memory.memory_bytes": d,
        "memory.anon": b, "memory.pgfault": c, "memory.events_low": a, "memory.events_oom_kill": d,
        "8:0.read_bytes": a, "8:0.written_bytes": b, "8:0.reads": 1, "8:0.writes": 2, "259:0.read_bytes": c,
        "pressure.cpu_some_us": c, "pressure.cpu_full_us": d,
    }  # fmt: skip
    return columns, files


def lustre(numbers: Sequence[int]) -> tuple[dict[str, int], list[bytes]]:
    a, b, c, d = numbers
    line = b"%s %d samples [bytes] 1 9 %d 7"
    files = [
        b"@llite/lfs-a\nsnapshot_time 1.2 secs.nsecs\n"
        + line % (b"read_bytes", a, b)
        + b"\nopen %d samples [regs]" % c,
        b"@osc/lfs-OST0-a\n" + line % (b"write_bytes", c, d) + b"\nnovel line",
        b"@lnet\n1 2 3 %d %d 6 7 8 9 10 11" % (a, d),
    ]
    columns = {
        "llite/lfs-a.read_bytes_samples": a, "llite/lfs-a.read_bytes_sum": b, "llite/lfs-a.open_samples": c,
        "osc/lfs-OST0-a.write_bytes_samples": c, "osc/lfs-OST0-a.write_bytes_sum": d,
    }  # fmt: skip
    names = "msgs_alloc msgs_max errors send_count recv_count route_count drop_count send_length recv_length route_length drop_length"
    values = (1, 2, 3, a, d, 6, 7, 8, 9, 10, 11)
    columns.update(zip((f"lnet.{n}" for n in names.split()), values))
    return columns, files


def infiniband(numbers: Sequence[int]) -> tuple[dict[str, int], list[bytes]]:
    a, b, c, d = (n % (2**32 - 1) for n in numbers)
    files = [
        b"@mlx5_0/1:port_rcv_data\n%d" % a,
        b"@mlx5_0/1:port_xmit_data\n%d" % b,
        b"@mlx5_0/1:port_rcv_packets\n%d" % c,
        b"@efa_0/1:rx_bytes\n%d" % d,
        b"@irdma0:ip4InOctets\n%d" % a,
    ]
    columns = {
        "mlx5_0/1.port_rcv_data": 4 * a, "mlx5_0/1.port_xmit_data": 4 * b, "mlx5_0/1.port_rcv_packets": c,
        "efa_0/1.rx_bytes": d, "irdma0.ip4InOctets": a,
    }  # fmt: skip
    return columns, files


def power(numbers: Sequence[int]) -> tuple[dict[str, int], list[bytes]]:
    a, b, c, d = numbers
    files = [
        b"@package-0:intel-rapl.0:energy_uj\n%d" % a,
        b"@package-0:intel-rapl.0:max_energy_range_uj\n%d" % b,
        b"@acpi:hwmon1:power1_average\n%d" % c,
        b"@nvme0:hwmon2:temp1_input\n%d" % d,
    ]
    columns = {
        "package-0:intel-rapl.0.energy_uj": a, "package-0:intel-rapl.0.max_energy_range_uj": b,
        "acpi:hwmon1.power1_average": c, "nvme0:hwmon2.temp1_input": d,
    }  # fmt: skip
    return columns, files


MAKERS: dict[str, Callable[[Sequence[int]], tuple[dict[str, int], list[bytes]]]] = {
    "cgroup": cgroup,
    "lustre": lustre,
    "infiniband": infiniband,
    "power": power,
}
NUMBERS = st.lists(U64, min_size=4, max_size=4)


def wrapped(columns: dict[str, int]) -> dict[str, int]:
    return {name: wrap(value) for name, value in columns.items()}


def table(name: str, text: bytes, later: bytes) -> dict[str, int]:
    """{column: int64} of ``later`` under the layout of ``text``, as a row has it."""
    source = BY_NAME[name]()
    layout = make_layout([source], [text])
    decoder = RowDecoder([source], layout, lambda event: None)
    row, _ = decoder.decode([later], 0)
    return {
        c.name.partition(".")[2]: wrap(v)
        for c, v in zip(layout.columns(), row)
        if c.device is not None and v != MISSING and c.source == name
    }


@pytest.mark.parametrize("name", MAKERS)
@given(numbers=NUMBERS, data=st.data())
@QUICK
def test_files_in_any_order(name: str, numbers: list[int], data: st.DataObject) -> None:
    """All 64 bits, whatever order the files are listed in."""
    columns, files = MAKERS[name](numbers)
    shuffled = data.draw(st.permutations(files))
    first = b"\n".join(files) + b"\n"
    assert table(name, first, b"\n".join(shuffled) + b"\n") == wrapped(columns)


@pytest.mark.parametrize("name", MAKERS)
@given(before=NUMBERS, after=NUMBERS)
@QUICK
def test_counters_that_fall_or_wrap(name: str, before: list[int], after: list[int]) -> None:
    """Nothing of an earlier text stays in a later row: resets, wraps, other digits."""
    _columns, files = MAKERS[name](before)
    columns, later = MAKERS[name](after)
    source = BY_NAME[name]()
    layout = make_layout([source], [b"\n".join(files) + b"\n"])
    decoder = RowDecoder([source], layout, lambda event: None)
    decoder.decode([b"\n".join(files) + b"\n"], 0)
    row, (status,) = decoder.decode([b"\n".join(later) + b"\n"], 1)
    found = {
        c.name.partition(".")[2]: wrap(v)
        for c, v in zip(layout.columns(), row)
        if c.device is not None and v != MISSING and c.source == name
    }
    assert status == OK
    assert found == wrapped(columns)


@pytest.mark.parametrize("name", MAKERS)
@given(numbers=NUMBERS, kept=st.sets(st.integers(0, 5)))
@QUICK
def test_files_that_are_absent(name: str, numbers: list[int], kept: set[int]) -> None:
    """What their columns had is missing, not 0; the others are as they were."""
    columns, files = MAKERS[name](numbers)
    some = [text for n, text in enumerate(files) if n in kept]
    found = table(name, b"\n".join(files) + b"\n", b"\n".join(some) + b"\n" if some else b"")
    assert found.items() <= wrapped(columns).items()
    assert bool(found) == bool(some)


JUNK = st.sampled_from(
    [b"", b"   ", b"\xff\xfe 1", b"novelty 7", b"x" * 5000 + b" 1", b"a=1 b=2", b"1 2 3 4 5 6 7 8 9 10 11 12", b"-", b"@", b"9" * 400]
)  # fmt: skip


@pytest.mark.parametrize("name", MAKERS)
@given(numbers=NUMBERS, junk=st.lists(JUNK, min_size=1, max_size=3), data=st.data())
@QUICK
def test_unknown_lines_behind_those_of_a_file(
    name: str, numbers: list[int], junk: list[bytes], data: st.DataObject
) -> None:
    """They change no value of the columns that are known."""
    columns, files = MAKERS[name](numbers)
    at = data.draw(st.integers(0, len(files) - 1))
    changed = [*files[:at], files[at] + b"\n" + b"\n".join(junk), *files[at + 1 :]]
    found = table(name, b"\n".join(files) + b"\n", b"\n".join(changed) + b"\n")
    for column, value in wrapped(columns).items():
        assert found.get(column, value) == value, column


@pytest.mark.parametrize("name", MAKERS)
@given(numbers=NUMBERS, data=st.data())
@QUICK
def test_files_that_are_there_twice(name: str, numbers: list[int], data: st.DataObject) -> None:
    columns, files = MAKERS[name](numbers)
    twice = data.draw(st.sampled_from(files))
    found = table(name, b"\n".join(files) + b"\n", b"\n".join([*files, twice]) + b"\n")
    assert found == wrapped(columns)


@pytest.mark.parametrize("name", MAKERS)
@given(numbers=NUMBERS, data=st.data())
@QUICK
def test_texts_that_are_cut(name: str, numbers: list[int], data: st.DataObject) -> None:
    """A number that is cut may be a shorter one; nothing in front of it changes."""
    columns, files = MAKERS[name](numbers)
    whole = b"\n".join(files) + b"\n"
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    found = table(name, whole, cut)
    expected = wrapped(columns)
    other = [c for c, v in found.items() if expected.get(c) != v]
    assert len(other) <= 1, other
    assert set(found) <= set(expected)


# ---- NFS: blocks of mounts
def mount(place: bytes, read: int, ops: int, connections: int) -> bytes:
    lines = [
        b"device s:/a mounted on %s with fstype nfs4 statvers=1.1" % place,
        b"\tbytes:\t%d 0 0 0 %d 0 0 0" % (read, read),
    ]
    lines += [b"\txprt:\ttcp 0 0 1 0 0 %d %d 0 5 5 5" % (ops, ops)] * connections
    lines += [b"\tper-op statistics", b"\t        READ: %d %d 0 100 %d 1 2 3 0" % (ops, ops, read)]
    return b"\n".join(lines) + b"\n"


@given(
    mounts=st.dictionaries(
        st.sampled_from([b"/a", b"/b", b"/a/b", b"/\xff", b"/mit\\040blank"]),
        st.tuples(WORDS, WORDS, st.integers(0, 16)),
        min_size=1,
    ),
    data=st.data(),
)
@QUICK
def test_mounts_in_any_order(
    mounts: dict[bytes, tuple[int, int, int]], data: st.DataObject
) -> None:
    """Connections are summed, mounts are not; others than NFS are none."""
    blocks = {place: mount(place, *numbers) for place, numbers in mounts.items()}
    text = b"device proc mounted on /proc with fstype proc\n" + b"".join(blocks.values())
    order = data.draw(st.permutations(list(blocks)))
    found = table("nfs", text, b"".join(blocks[place] for place in order))
    for place, (read, ops, connections) in mounts.items():
        shown = place.decode("utf-8", "backslashreplace")
        assert found[f"{shown}.server_read_bytes"] == read
        assert found[f"{shown}.READ_ops"] == ops
        assert found.get(f"{shown}.xprt_sends") == (ops * connections if connections else None)


@given(data=st.data(), numbers=st.tuples(WORDS, WORDS))
@QUICK
def test_mountstats_that_is_cut(data: st.DataObject, numbers: tuple[int, int]) -> None:
    """What is behind the cut is missing; the mount in front of it is whole."""
    first, second = mount(b"/a", *numbers, 1), mount(b"/b", *numbers, 2)
    cut = second[: data.draw(st.integers(0, len(second)))]
    whole = table("nfs", first + second, first + second)
    found = table("nfs", first + second, first + cut)
    assert {c: v for c, v in found.items() if c.startswith("/a.")} == {
        c: v for c, v in whole.items() if c.startswith("/a.")
    }


def test_nothing_at_all() -> None:
    for name in (*MAKERS, "nfs"):
        assert decoded(name, b"").cells == {}
