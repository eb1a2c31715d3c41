"""Interrupts of real kernels: names of devices, queues, counters that wrap, CPUs that come and go."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nodekit import FIXTURES, QUICK
from sampled_tree import Tree, sampled
from sourcekit import nonzero

from mpi_collector.node.read.probe import Probe
from mpi_collector.node.sources import BY_NAME
from mpi_collector.node.sources.interrupts import InterruptReader, device_of

AT = "proc/interrupts"
RANGE = 2**32


def devices(tree: str) -> dict[str, int]:
    return {k: v for k, v in nonzero("interrupts", tree).items() if not k.endswith(".serviced")}


def test_interrupts() -> None:
    """Per device and card, summed over queues and CPUs."""
    assert devices("linux-4.18") == {
        "CAL.count": 200494, "HVS.count": 2162552, "HYP.count": 299534, "LOC.count": 2576, "MCP.count": 14, "RES.count": 953843, "rtc0.count": 1,
    }  # fmt: skip
    assert devices("mlx5-12cpu") == {
        "mlx5_async@pci:0000:01:00.0.count": 23274,
        "mlx5_async@pci:0000:01:00.1.count": 8563,
        "mlx5_comp@pci:0000:01:00.0.count": 324 + 4360 + 395218 + 416057 + 1024467 + 44,
    }
    assert "virtio1-req.count" in devices("linux-6.18")


def test_interrupts_of_arm64() -> None:
    """GICv3 and ITS; an IPI has no controller, and its name stands before the counts."""
    found = devices("arm64-8cpu")
    assert found["nvme0q.count"] == 13 + 20 + 4 + 129969327 + 126913956
    assert found["nvme1q.count"] == 9 + 5 + 20 + 199619844 + 198494086
    assert found["ena-mgmnt@pci:0000:00:05.0.count"] == 51 + 32479308
    assert found["ttyS0.count"] == 7819
    assert set(found) == {
        f"{name}.count"
        for name in (
            "IPI0", "IPI1", "arch_timer", "ttyS0", "nvme0q", "nvme1q", "ena-mgmnt@pci:0000:00:05.0", "eth0-Tx-Rx",
        )
    }  # fmt: skip


@pytest.mark.parametrize("tree", ["linux-4.18", "linux-6.18", "mlx5-12cpu", "arm64-8cpu"])
def test_interrupts_of_every_cpu(tree: str) -> None:
    """The columns of the file, added up by another program."""
    found = nonzero("interrupts", tree)
    lines = (Path(__file__).parents[2] / "fixtures" / tree / AT).read_text().splitlines()
    cpus = lines[0].lower().split()
    wanted = dict.fromkeys(cpus, 0)
    for text in lines[1:]:
        words = text.partition(":")[2].split()[: len(cpus)]
        if len(words) == len(cpus):
            for cpu, word in zip(cpus, words, strict=True):
                wanted[cpu] += int(word)
    serviced = {k[: -len(".serviced")]: v for k, v in found.items() if k.endswith(".serviced")}
    assert serviced == {cpu: n for cpu, n in wanted.items() if n}


@pytest.mark.parametrize(
    ("line", "device"),
    [
        ("IO-APIC   1-edge      i8042", "i8042"),
        ("IO-APIC   8-edge      rtc0", "rtc0"),
        ("IO-APIC-edge      i8042", "i8042"),
        ("IO-APIC-fasteoi   uhci_hcd:usb1, ehci_hcd:usb2", "uhci_hcd:usb1,ehci_hcd:usb2"),
        ("XT-PIC-XT-PIC    cascade", "cascade"),
        ("PCI-MSI-edge      eth0-rx-0", "eth0-rx"),
        ("PCI-MSI 327680-edge      xhci_hcd", "xhci_hcd"),
        ("PCI-MSI 524288-edge      nvme0q1", "nvme0q"),
        ("PCI-MSI 524288-edge      nvme10q37", "nvme10q"),
        ("PCI-MSI 524288-edge      ens1f0", "ens1f0"),
        ("PCI-MSI 524288-edge      ens1f1", "ens1f1"),
        ("PCI-MSI 524288-edge      ens1f0-TxRx-12", "ens1f0-TxRx"),
        ("PCI-MSI 524288-edge      ens1f1-TxRx-12", "ens1f1-TxRx"),
        ("PCI-MSI 524288-edge      i40e-ens1f1-TxRx-12", "i40e-ens1f1-TxRx"),
        ("PCI-MSI 524288-edge      ens1f0-3", "ens1f0"),
        ("PCI-MSI 524288-edge      eth0-Tx-Rx-5", "eth0-Tx-Rx"),
        ("PCI-MSI 524288-edge      megasas0-msix12", "megasas0-msix"),
        ("PCI-MSI 524288-edge      hfi1_0 sdma3", "hfi1_0_sdma"),
        ("PCI-MSI 524288-edge      ahci[0000:00:17.0]", "ahci[0000:00:17.0]"),
        ("PCI-MSI 524288-edge      idma64.0", "idma64.0"),
        ("PCI-MSI 524288-edge      i2c_designware.1", "i2c_designware.1"),
        ("PCI-MSI 524288-edge      snd_hda_intel:card0", "snd_hda_intel:card0"),
        ("PCI-MSI 524288-edge      PCIe PME, aerdrv", "PCIe_PME,aerdrv"),
        ("PCI-MSI 1-edge           mlx4-12@0000:01:00.0", "mlx4@0000:01:00.0"),
        (
            "IR-PCI-MSIX-0000:01:00.0  1-edge  mlx5_comp0@pci:0000:01:00.0",
            "mlx5_comp@pci:0000:01:00.0",
        ),
        ("PCI-MSIX-0000:00:02.0    1-edge   virtio1-req.0", "virtio1-req"),
        ("DMAR-MSI 0-edge          dmar1", "dmar1"),
        ("xen-percpu    -virq      timer0", "timer0"),
        ("xen-dyn    -event     eth0-q0-tx", "eth0-q0-tx"),
        ("gpio-mxc   5 Edge      GPIO1 rise", "GPIO1_rise"),
        ("Phytium GPIO 3 Edge    button", "button"),
        ("GICv3  27 Level     arch_timer", "arch_timer"),
        ("GIC  29 arch_timer", "arch_timer"),
        ("ITS-MSI 524288 Edge      nvme0q4", "nvme0q"),
        ("XICS 4096 Edge      IPI", "IPI"),
        ("OpenPIC 36 Level      eth0_g0_tx", "eth0_g0_tx"),
        ("IO-APIC 16-fasteoi", "IO-APIC"),
        ("", "unknown"),
    ],
)
def test_names_of_devices(line: str, device: str) -> None:
    """Of x86, old and new, Xen, ARM and POWER: the device's own name, without the number of a queue."""
    assert device_of(line.encode().split()).decode() == device


def text(*lines: tuple[str, list[int], str], cpus: list[int]) -> str:
    """The file, with these lines: label, counts, the rest."""
    head = "           " + "".join(f"CPU{n:<8}" for n in cpus) + "\n"
    return head + "".join(
        f"{label:>3}: " + " ".join(f"{n % RANGE:10}" for n in counts) + f"  {rest}\n"
        for label, counts, rest in lines
    )


def values(reader: InterruptReader) -> dict[str, int]:
    lines = [line.split() for line in reader.read().decode().splitlines()]
    return {f"{device}.{field}": int(n) for device, field, n in lines}


def test_counters_that_wrap(tmp_path: Path) -> None:
    """64 CPUs, 500,000 interrupts a second each, an hour: no interval is lost."""
    tree = Tree(tmp_path)
    cpus = list(range(64))
    starts = [(n * 67_108_864 + 4_000_000_000) % RANGE for n in cpus]

    def write(second: int) -> None:
        counts = [start + 500_000 * second for start in starts]
        tree.write(
            AT, text(("24", counts, "PCI-MSI 1-edge eth0"), ("LOC", counts, "Local"), cpus=cpus)
        )

    write(0)
    reader = InterruptReader(str(tmp_path))
    found = []
    for second in range(0, 3601, 40):
        write(second)
        found.append(values(reader))
    for name, per_s in (
        ("eth0.count", 64 * 500_000),
        ("LOC.count", 64 * 500_000),
        ("cpu63.serviced", 10**6),
    ):
        assert {b[name] - a[name] for a, b in pairwise(found)} == {40 * per_s}


def test_cpus_that_come_and_go(tmp_path: Path) -> None:
    """The columns are of the CPUs that are online; nothing falls, and nothing counts twice."""
    tree = Tree(tmp_path)
    line = ("24", "PCI-MSI 1-edge eth0")
    tree.write(AT, text((line[0], [10, 20, 30], line[1]), cpus=[0, 1, 2]))
    reader = InterruptReader(str(tmp_path))
    assert values(reader)["eth0.count"] == 60
    tree.write(AT, text((line[0], [11, 31], line[1]), cpus=[0, 2]))
    found = values(reader)
    assert (found["eth0.count"], found["cpu1.serviced"]) == (62, 20)
    tree.write(AT, text((line[0], [12, 20, 32], line[1]), cpus=[0, 1, 2]))
    found = values(reader)
    assert found["cpu2.serviced"] == 32
    assert found["cpu0.serviced"] == 12


def test_a_number_that_goes_to_another_device(tmp_path: Path) -> None:
    """What the first one counted stays its own."""
    tree = Tree(tmp_path)
    tree.write(AT, text(("24", [10, 20], "PCI-MSI 1-edge eth0"), cpus=[0, 1]))
    reader = InterruptReader(str(tmp_path))
    values(reader)
    tree.write(AT, text(("24", [15, 20], "PCI-MSI 1-edge eth1"), cpus=[0, 1]))
    found = values(reader)
    assert (found["eth0.count"], found["eth1.count"]) == (30, 5)


def test_a_number_that_another_device_begins_to_count_with(tmp_path: Path) -> None:
    """Its counts begin at 0 then; the first one keeps its own."""
    tree = Tree(tmp_path)
    tree.write(AT, text(("24", [10, 20], "PCI-MSI 1-edge eth0"), cpus=[0, 1]))
    reader = InterruptReader(str(tmp_path))
    values(reader)
    tree.write(AT, text(("24", [3, 0], "PCI-MSI 1-edge eth1"), cpus=[0, 1]))
    found = values(reader)
    assert (found["eth0.count"], found["eth1.count"]) == (30, 3)


def test_counts_that_fall_back(tmp_path: Path) -> None:
    """A queue that begins at 0 again makes its device and its CPU unknown, however much the others grew."""
    tree = Tree(tmp_path)

    def lines(first: int, second: int) -> str:
        two = (("24", first, 1), ("25", second, 2))
        rows = ((label, [count, 5], f"PCI-MSI {n}-edge nvme0q{n}") for label, count, n in two)
        return text(*rows, ("26", [7, 9], "PCI-MSI 3-edge eth0"), cpus=[0, 1])

    tree.write(AT, lines(1000, 1000))
    reader = InterruptReader(str(tmp_path))
    found = [values(reader)]
    for first, second in ((2000, 2000), (10, 500_000), (20, 500_010)):
        tree.write(AT, lines(first, second))
        found.append(values(reader))
    for name in ("nvme0q.count", "cpu0.serviced"):
        grown = [b[name] - a[name] for a, b in pairwise(found)]
        assert (grown[0], grown[2]) == (2000, 20) and grown[1] < 0, name
    assert {f["eth0.count"] for f in found} == {16} and {f["cpu1.serviced"] for f in found} == {19}


def test_a_line_that_is_cut_within_a_number(tmp_path: Path) -> None:
    """Nobody can tell 1 of 10 from 1: without the name behind it, it counts nothing."""
    tree = Tree(tmp_path)
    whole = text(("24", [100, 200], "PCI-MSI 1-edge eth0"), ("LOC", [3, 40], "Local"), cpus=[0, 1])
    tree.write(AT, whole)
    reader = InterruptReader(str(tmp_path))
    first = values(reader)
    for cut in range(len(whole)):
        tree.write(AT, whole[:cut])
        assert values(reader) == first, cut
    reader = InterruptReader(str(tmp_path))
    tree.write(AT, whole[: whole.index("PCI") - 3])
    assert "unknown.count" not in values(reader)


def test_kinds_and_parts_of_them(tmp_path: Path) -> None:
    """s390x: lines in brackets are parts of others, and count once for a CPU."""
    tree = Tree(tmp_path)
    tree.write(
        AT,
        text(
            ("EXT", [30, 40], ""),
            ("CLK", [10, 20], "[EXT] Clock Comparator"),
            ("I/O", [5, 6], ""),
            cpus=[0, 1],
        ),
    )
    found = values(InterruptReader(str(tmp_path)))
    assert (found["EXT.count"], found["CLK.count"]) == (70, 30)
    assert (found["cpu0.serviced"], found["cpu1.serviced"]) == (35, 46)


def test_a_recording(tmp_path: Path) -> None:
    """The whole program, with a device that comes later."""
    tree = Tree(tmp_path / "root")
    eth0 = "PCI-MSI 1-edge eth0"
    tree.write(AT, text(("24", [1, 2], eth0), cpus=[0, 1]))
    both = (("24", [4, 2], eth0), ("25", [7, 0], "PCI-MSI 2-edge nvme0q1"))
    found = sampled(
        tree, tmp_path / "results", "interrupts", lambda: tree.write(AT, text(*both, cpus=[0, 1]))
    )
    assert found.known("interrupts.eth0.count")[-1] == 6
    assert found.known("interrupts.nvme0q.count")[-1] == 7
    assert found.known("interrupts.cpu0.serviced")[-1] == 11
    assert found.about("interrupts") == []


def test_a_megabyte_of_interrupts_leaves_a_line_per_device_and_cpu(tmp_path: Path) -> None:
    """4096 CPUs: the sums are kept, and the spool need not hold the text."""
    cpus, cards = 4096, 24
    lines = ["      " + "".join(f"{'CPU%d' % c:>11}" for c in range(cpus))]
    for n in range(cards):
        lines.append(f"{100 + n:>5}:" + "".join(f"{n * (c == n):>11}" for c in range(cpus)) + f" IR-PCI-MSIX-0000:21:00.{n % 2}    {n}-edge      mlx5_comp{n}@pci:0000:21:00.{n % 2}")  # fmt: skip
    lines.append("  LOC:" + f"{7:>11}" * cpus + "   Local timer interrupts")
    Tree(tmp_path).write(AT, "\n".join(lines) + "\n")
    assert (tmp_path / AT).stat().st_size > 1 << 20
    found = values(InterruptReader(str(tmp_path)))
    assert {k: v for k, v in found.items() if k.endswith(".count")} == {
        "LOC.count": 28672, "mlx5_comp@pci:0000:21:00.0.count": 132, "mlx5_comp@pci:0000:21:00.1.count": 144,
    }  # fmt: skip
    assert found["cpu23.serviced"] == 7 + 23
    probe = Probe([BY_NAME["interrupts"]()], str(tmp_path))
    assert probe.caps[0] < 1 << 18
    probe.close()


@QUICK
@given(raw=st.binary(max_size=400), damaged=st.integers(0, 3), cut=st.integers(0, 60))
@example(raw=b"", damaged=1, cut=25)  # within the last count
def test_any_bytes_and_damaged_lines(tmp_path: Path, raw: bytes, damaged: int, cut: int) -> None:
    """Nothing is raised; a line that is damaged moves the counts of no other."""
    (tmp_path / "proc").mkdir(exist_ok=True)
    (tmp_path / AT).write_bytes(raw)
    InterruptReader(str(tmp_path)).read()
    lines = [(str(n), [n, 10 * n], f"PCI-MSI {n}-edge eth{n}") for n in range(4)]
    whole = text(*lines, cpus=[0, 1]).encode().splitlines()
    once = whole.copy()
    once[1 + damaged] = once[1 + damaged][:cut]
    (tmp_path / AT).write_bytes(b"\n".join([*once, b""]))
    reader = InterruptReader(str(tmp_path))
    found = values(reader)
    for n in range(4):
        if n != damaged:
            assert found[f"eth{n}.count"] == 11 * n
    for lines_now in (whole, once, whole):
        (tmp_path / AT).write_bytes(b"\n".join([*lines_now, b""]))
        now = values(reader)
        assert all(now[name] >= n for name, n in found.items())
        assert now["cpu1.serviced"] <= 60
        found = now


def test_a_real_s390x() -> None:
    """Messages of PCI devices are parts of AIO, and lines in brackets of others: four kinds for a CPU."""
    found = values(InterruptReader(str(FIXTURES / "s390x-16cpu")))
    assert found["cpu0.serviced"] == 30368 + 675 + 39
    assert found["cpu15.serviced"] == 6909 + 377 + 34 + 1
    assert found["DAS.count"] == sum(
        (613, 502, 684, 592, 663, 550, 555, 564, 729, 797, 405, 417, 575, 556, 528, 340)
    )
    old = values(InterruptReader(str(FIXTURES / "s390x-2cpu")))
    assert old["cpu1.serviced"] == 57022 + 33457
