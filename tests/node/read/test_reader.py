"""Texts that a reader makes."""

from __future__ import annotations

from pathlib import Path

from mpi_collector.node.read.probe import Probe
from mpi_collector.node.read.reader import CondensedFile, Reader, ReaderFile
from mpi_collector.node.sources import BY_NAME, interrupts


def test_a_made_text_that_grows() -> None:
    class Growing(Reader):
        text = b"a b 1\n"

        def read(self) -> bytes:
            return self.text

        def close(self) -> None:
            pass

    made = ReaderFile(Growing(), 100)
    made.first()
    view = memoryview(bytearray(made.capacity))
    Growing.text = b"x" * (2 * len(view))
    assert made.read(view) == len(view)


def test_a_megabyte_of_interrupts_leaves_a_line_per_device(tmp_path: Path) -> None:
    """4096 CPUs: the sums are kept, and the spool need not hold the text."""
    cpus, cards = 4096, 24
    lines = ["      " + "".join(f"{'CPU%d' % c:>11}" for c in range(cpus))]
    for n in range(cards):
        lines.append(f"{100 + n:>5}:" + "".join(f"{n * (c == n):>11}" for c in range(cpus)) + f" IR-PCI-MSIX-0000:21:00.{n % 2}    {n}-edge      mlx5_comp{n}@pci:0000:21:00.{n % 2}")  # fmt: skip
    lines.append("  LOC:" + f"{7:>11}" * cpus + "   Local timer interrupts")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/interrupts").write_text("\n".join(lines) + "\n")
    assert (tmp_path / "proc/interrupts").stat().st_size > 1 << 20
    reader = CondensedFile(str(tmp_path), "proc/interrupts", interrupts.condense)
    assert reader.read().split() == [*b"LOC count 28672".split(), *b"mlx5_comp@pci:0000:21:00.0 count 132".split(),
                                     *b"mlx5_comp@pci:0000:21:00.1 count 144".split()]  # fmt: skip
    reader.close()
    probe = Probe([BY_NAME["interrupts"]()], str(tmp_path))
    assert probe.caps[0] < 1 << 16
    probe.close()
