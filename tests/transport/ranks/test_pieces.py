"""A stream in pieces."""

from __future__ import annotations

import pytest

from mpi_collector.transport.ranks.pieces import regroup


def test_regroup_keeps_every_byte() -> None:
    """The pieces are the bytes of the chunks, all of one size but the last."""
    hypothesis = pytest.importorskip("hypothesis")
    strategies = pytest.importorskip("hypothesis.strategies")

    @hypothesis.given(strategies.lists(strategies.binary(max_size=50)), strategies.integers(1, 60))
    def check(chunks: list[bytes], size: int) -> None:
        pieces = list(regroup(chunks, size))
        assert b"".join(pieces) == b"".join(chunks)
        assert all(len(piece) == size for piece in pieces[:-1])
        assert all(0 < len(piece) <= size for piece in pieces[-1:])

    check()
