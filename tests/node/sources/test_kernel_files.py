"""Kernel files of one source each against a naive reader: whole trees, broken files, this machine."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from nodekit import (
    FIXTURES,
    QUICK,
    SOURCES,
    TREES,
    Decoded,
    Run,
    cells_of,
    edge,
    present,
    text_of,
)

from mpi_collector.node import sources
from mpi_collector.node.read.probe import Probe
from mpi_collector.node.row.decode import RowDecoder
from mpi_collector.node.row.layout import MISSING, Layout
from mpi_collector.node.sample.sampler import TickGrid
from mpi_collector.node.status import MALFORMED, OK

HOUR_NS = 3600 * 10**9


def stored(
    layout: Layout, decoder: RowDecoder, texts: list[bytes]
) -> tuple[dict[str, int], list[int]]:
    """Cells as they come out of the spool, and the statuses."""
    row, statuses = decoder.decode(texts, 0)
    return cells_of(layout, memoryview(decoder.to_bytes(row)).cast("q").tolist()), statuses


def wide(cells: dict[str, int]) -> dict[str, int]:
    """The reference without the one number that cannot be told from missing."""
    return {name: value for name, value in cells.items() if value != MISSING}


# ---- whole trees


@pytest.mark.parametrize("tree", TREES)
def test_tree_equals_reference(tree: str) -> None:
    """All cells of all sources of a kernel's tree are the numbers that a naive reader finds, no more and no fewer."""
    probe = Probe(sources.select("basic,stat"), str(FIXTURES / tree))
    assert probe.absent == {}
    texts = [text_of(tree, s) for s in probe.layout.sources]
    cells, statuses = stored(
        probe.layout, RowDecoder(probe.sources, probe.layout, pytest.fail), texts
    )
    probe.close()
    expected: dict[str, int] = {}
    for source, text in zip(probe.layout.sources, texts):
        part, broken = reference.parse(source, text)
        assert not broken
        expected.update(part)
    assert statuses == [OK] * len(texts)
    assert present(cells) == wide(expected)


@pytest.mark.parametrize("tree", TREES)
def test_tree_through_the_sampler(tree: str) -> None:
    """The same when the files are read by the sampler and the row comes out of the spool."""
    with Run("basic,stat", str(FIXTURES / tree)) as run:
        run.sampler.start(TickGrid(1 << 62, HOUR_NS))
        run.sampler.stop()
        ((cells, statuses, _head),) = run.rows().values()
        expected: dict[str, int] = {}
        for source in run.probe.layout.sources:
            expected.update(reference.parse(source, text_of(tree, source))[0])
    own = {name: value for name, value in present(cells).items() if name.startswith("collector.")}
    assert statuses == [OK] * len(statuses)
    assert {n: v for n, v in present(cells).items() if n not in own} == wide(expected)
    assert own["collector.cpu_ns"] > 0 and own["collector.rss_bytes"] > 1 << 20


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("source", ["diskstats", "netdev", "vmstat", "meminfo", "loadavg"])
def test_no_number_is_left_out(tree: str, source: str) -> None:
    """As many cells as the text has numbers: the reference itself forgets none."""
    text = text_of(tree, source)
    lines = [
        line.partition(b":")[2] if source == "netdev" else line
        for line in text.splitlines()
        if b"|" not in line
    ]
    skip = {"diskstats": 3, "vmstat": 1, "meminfo": 1}.get(source, 0)
    numbers = [t for line in lines for t in line.replace(b"/", b" ").split()[skip:] if t != b"kB"]
    assert len(numbers) == len(reference.parse(source, text)[0])


@pytest.mark.parametrize("tree", TREES)
def test_column_names_and_units(tree: str) -> None:
    """Names are unique, source first and field last even where the device has dots; all have unit, kind, text."""
    probe = Probe(sources.select("basic,stat"), str(FIXTURES / tree))
    probe.close()
    used = [c for c in probe.layout.columns() if c.device is not None]
    assert len({c.name for c in used}) == len(used)
    for c in used:
        assert (
            c.name.split(".")[0] == c.source
            and c.name.endswith("." + c.field)
            and c.kind in ("counter", "gauge")
        )
        assert c.name == ".".join(part for part in (c.source, c.device, c.field) if part)
        assert c.unit, c.name
    assert all(f.doc for t in probe.layout.tables for f in t.fields)


def test_big_machine_by_hand() -> None:
    """A few values of the big tree, looked up by eye: a dotted device, a counter above 2^63, 2^64 - 1, 256 CPUs."""
    probe = Probe(sources.select("basic,stat"), str(FIXTURES / "big-256cpu"))
    probe.close()
    texts = [text_of("big-256cpu", s) for s in probe.layout.sources]
    cells, _ = stored(probe.layout, RowDecoder(probe.sources, probe.layout, pytest.fail), texts)
    assert cells["netdev.ib0.rx_bytes"] == 11601272640106398012 - 2**64
    assert cells["vmstat.slabs_scanned"] == -1
    assert cells["diskstats.nvme0n1.sectors_read"] == 196102418742
    assert cells["loadavg.load_1min"] == 18742 and cells["loadavg.total_processes"] == 9873
    assert cells["netdev.bond0.100.tx_bytes"] > 0
    assert len({c.device for c in probe.layout.columns() if c.source == "stat" and c.device}) == 257


def test_old_kernel_lacks_what_came_later() -> None:
    """On 2.6.32 later fields are not declared at all: nothing is invented."""
    probe = Probe(sources.select("basic,stat"), str(FIXTURES / "linux-2.6.32"))
    probe.close()
    names = {c.field for c in probe.layout.columns()}
    assert (
        "discards_completed" not in names
        and "guest_nice" not in names
        and "MemAvailable" not in names
    )
    assert "guest" in names and "sectors_read" in names


# ---- broken files


@pytest.mark.parametrize("name", sorted(p.name for p in (FIXTURES / "edge").iterdir()))
def test_edge_file_equals_reference(name: str) -> None:
    """Whatever is whole in a broken file is kept, whatever is not is missing, and the status says which it was."""
    source, text = name.partition("-")[0], edge(name)
    expected, broken = reference.parse(source, text)
    one = Decoded(source, text)
    cells, status = one.decode(text)
    assert present(cells) == wide(expected)
    assert status == (MALFORMED if broken or (not text and source != "diskstats") else OK)


@pytest.mark.parametrize("name", sorted(p.name for p in (FIXTURES / "edge").iterdir()))
def test_edge_file_in_a_running_recording(name: str) -> None:
    """The same when the file breaks after a good start: columns stay, what the text lacks is missing and never 0."""
    source, text = name.partition("-")[0], edge(name)
    one = Decoded(source, text_of("linux-4.18", source))
    before, _ = one.decode(text_of("linux-4.18", source))
    cells, _status = one.decode(text, 1)
    expected, _broken = reference.parse(source, text)
    assert {n: v for n, v in cells.items() if v != MISSING} == {
        n: v for n, v in wide(expected).items() if n in cells
    }
    lost = {e["name"] for e in one.events if e["type"] == "lost"}
    assert all(n in cells or set(n.split(".")) & lost for n in expected)
    assert one.decode(text_of("linux-4.18", source), 2)[0].items() >= before.items()


@pytest.mark.parametrize("source", SOURCES)
def test_empty_then_whole(source: str) -> None:
    """A file that is empty once is missing once; only a diskstats without devices is in order."""
    text = text_of("linux-4.18", source)
    one = Decoded(source, text)
    cells, status = one.decode(b"")
    assert set(cells.values()) == {MISSING}
    assert status == (OK if source == "diskstats" else MALFORMED)
    assert one.decode(text) == (reference.parse(source, text)[0], OK)


@pytest.mark.parametrize(
    ("source", "text"), [("diskstats", b""), ("netdev", edge("netdev-headers-only"))]
)
def test_first_device_after_the_start(source: str, text: bytes) -> None:
    """Where no device is at the start there is room for those that come."""
    one = Decoded(source, text)
    later = text_of("linux-4.18", source)
    cells, status = one.decode(later, 3)
    assert (present(cells), status) == (reference.parse(source, later)[0], OK)
    assert {e["type"] for e in one.events} == {"device"} and {e["tick"] for e in one.events} == {3}


@pytest.mark.parametrize(
    ("source", "text", "name"),
    [
        ("vmstat", b"nr_brand_new 12\nweird_thing 5\n", "vmstat.weird_thing"),
        ("meminfo", b"BrandNew:   5 kB\n", "meminfo.BrandNew"),
        ("stat", b"cpu  1 2 3 4 5 6 7 8 9 10 5\nnovelty 7\n", "stat.cpu.field_11"),
        ("stat", b"cpu  1 2 3 4\nnovelty 5\n", "stat.novelty"),
        (
            "netdev",
            b"a|\nb|\neth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 5\n",
            "netdev.eth0.field_17",
        ),
    ],
)
def test_unknown_fields_are_kept(source: str, text: bytes, name: str) -> None:
    """A key or column that this version does not know becomes a column all the same."""
    cells, status = Decoded(source, text).decode(text)
    assert (cells[name], status) == (5, OK)


@pytest.mark.parametrize(
    ("source", "text", "name"),
    [
        ("diskstats", b"8 0 sda 1 2 3 4\n8 1 sda 5 6 7 8\n", "diskstats.sda#2.sectors_read"),
        ("vmstat", b"a 5\na 6\na 7\n", "vmstat.a#2"),
        ("meminfo", b"A: 5 kB\nA: 6 kB\n", "meminfo.A#2"),
        ("stat", b"cpu 5\ncpu 6\n", "stat.cpu#2.user"),
    ],
)
def test_repeated_name(source: str, text: bytes, name: str) -> None:
    """A name that the file repeats is kept under NAME#2; the first keeps its own."""
    cells, status = Decoded(source, text).decode(text)
    assert (cells[name], status) == (6, OK)
    assert cells[name.replace("#2", "")] in (2, 5)


@pytest.mark.parametrize("source", SOURCES)
@QUICK
@given(data=st.data())
def test_damaged_text_never_crashes(source: str, data: st.DataObject) -> None:
    """Real texts with bytes replaced or cut: a row of the right width every time, and then a good one again."""
    whole = text_of("linux-6.18", source)
    one = Decoded(source, whole)
    for tick in range(3):
        at = data.draw(st.integers(0, len(whole)))
        end = data.draw(st.integers(at, min(len(whole), at + 60)))
        cells, status = one.decode(
            whole[:at] + data.draw(st.binary(max_size=30)) + whole[end:], tick
        )
        assert status in (OK, MALFORMED) and all(-(2**63) <= v < 2**63 for v in cells.values())
    cells, status = one.decode(whole, 9)
    assert status == OK and cells.items() >= reference.parse(source, whole)[0].items()


# ---- this machine


#: our field -> psutil's, and what psutil multiplied it by
PSUTIL_NET = {
    "rx_bytes": "bytes_recv", "tx_bytes": "bytes_sent", "rx_packets": "packets_recv", "tx_packets": "packets_sent",
    "rx_errors": "errin", "tx_errors": "errout", "rx_dropped": "dropin", "tx_dropped": "dropout",
}  # fmt: skip


PSUTIL_DISK = {
    "reads_completed": ("read_count", 1), "reads_merged": ("read_merged_count", 1), "sectors_read": ("read_bytes", 512),
    "time_reading_ms": ("read_time", 1), "writes_completed": ("write_count", 1),
    "sectors_written": ("write_bytes", 512),
    "writes_merged": ("write_merged_count", 1), "time_writing_ms": ("write_time", 1),
    "time_doing_ios_ms": ("busy_time", 1),
}  # fmt: skip


PSUTIL_CPU = ("user", "nice", "system", "irq", "softirq", "steal")  # idle and iowait may decrease


def oracle(psutil: Any) -> dict[str, int]:
    """What psutil says, in our names and units."""
    found = {}
    for nic, c in psutil.net_io_counters(pernic=True, nowrap=False).items():
        found.update(
            {f"netdev.{nic}.{ours}": getattr(c, theirs) for ours, theirs in PSUTIL_NET.items()}
        )
    for disk, d in psutil.disk_io_counters(perdisk=True, nowrap=False).items():
        found.update(
            {
                f"diskstats.{disk}.{o}": getattr(d, theirs) // by
                for o, (theirs, by) in PSUTIL_DISK.items()
            }
        )
    online = re.findall(r"^(cpu[0-9]+) ", Path("/proc/stat").read_text(), re.MULTILINE)
    hz = os.sysconf("SC_CLK_TCK")
    for cpu, t in zip(online, psutil.cpu_times(percpu=True)):
        found.update({f"stat.{cpu}.{mode}": round(getattr(t, mode) * hz) for mode in PSUTIL_CPU})
    s, swap = psutil.cpu_stats(), psutil.swap_memory()
    found.update(
        {
            "stat.ctxt": s.ctx_switches,
            "stat.intr_total": s.interrupts,
            "stat.softirq_total": s.soft_interrupts,
        }
    )
    found.update({"vmstat.pswpin": swap.sin // 4096, "vmstat.pswpout": swap.sout // 4096})
    found.update(
        {
            "meminfo.MemTotal": psutil.virtual_memory().total // 1024,
            "meminfo.SwapTotal": swap.total // 1024,
        }
    )
    found.update(
        {f"loadavg.load_{n}min": round(100 * v) for n, v in zip((1, 5, 15), psutil.getloadavg())}
    )
    return found


def _rounded(name: str, three: tuple[int, int, int]) -> bool:
    """Hundredths of a load: /proc and getloadavg() round the kernel's number each in its own way."""
    return name.startswith("loadavg.") and max(three) - min(three) <= 1


def test_psutil_as_oracle() -> None:
    """Every counter that psutil knows lies between its readings before and after ours."""
    psutil = pytest.importorskip("psutil")
    for _attempt in range(
        8
    ):  # loads are no counters, and an interface may be replaced by one of the same name
        probe = Probe(sources.select("basic,stat"))
        decoder = RowDecoder(probe.sources, probe.layout, lambda event: None)
        before = oracle(psutil)
        cells, statuses = stored(probe.layout, decoder, [f.first() for f in probe.files])
        after = oracle(psutil)
        probe.close()
        bounds = {
            n: (before[n], cells.get(n, MISSING), after[n]) for n in before.keys() & after.keys()
        }
        wrong = {
            n: three
            for n, three in bounds.items()
            if list(three) != sorted(three) and not _rounded(n, three)
        }
        if not wrong:
            break
    assert statuses == [OK] * len(probe.sources) and wrong == {}
    assert {
        "stat.ctxt",
        "meminfo.MemTotal",
        "netdev.lo.rx_bytes",
        "stat.cpu0.user",
    } <= bounds.keys()
