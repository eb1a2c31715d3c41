"""Texts that a reader makes."""

from __future__ import annotations

from mpi_collector.node.read.reader import Reader, ReaderFile


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
