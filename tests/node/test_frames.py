"""The frame decoder: what was sent arrives, however it is cut.

Anything else is a FrameError and nothing worse.
"""

from __future__ import annotations

import struct
import sys
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpi_collector.node.errors import FrameError
from mpi_collector.node.frames import BLOB_MAX, JSON_MAX, MAGIC, NOISE_MAX, FrameDecoder, encode

WORDS: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
MESSAGES = st.dictionaries(st.text(), WORDS, max_size=4)
FRAMES = st.lists(st.tuples(MESSAGES, st.binary(max_size=200)), min_size=1, max_size=4)
NOISE = st.binary(max_size=300).filter(
    lambda b: MAGIC not in b and not any(b.endswith(MAGIC[:n]) for n in (1, 2, 3))
)


def frame(body: bytes, blob: bytes = b"") -> bytes:
    """A frame whose checksum is right, whatever ``body`` is."""
    return (
        struct.pack("<4sIII", MAGIC, len(body), len(blob), zlib.crc32(blob, zlib.crc32(body)))
        + body
        + blob
    )


def feed(data: bytes, cuts: list[int]) -> list[tuple[Any, bytes]]:
    """All frames of ``data``, given in pieces."""
    decoder, out, at = FrameDecoder(), [], 0
    for cut in [*sorted(c % (len(data) + 1) for c in cuts), len(data)]:
        out += decoder.feed(data[at:cut])
        at = cut
    return out


@given(
    frames=FRAMES,
    noise=NOISE,
    cuts=st.lists(st.integers(0, 10**6), max_size=8),
    gap=st.sampled_from([b"", b"\n", b"\n\n"]),
)
def test_any_cut(
    frames: list[tuple[Any, bytes]], noise: bytes, cuts: list[int], gap: bytes
) -> None:
    assert feed(noise + gap.join(encode(m, b) for m, b in frames), cuts) == frames


@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0, 10**6), max_size=4))
def test_any_bytes(data: bytes, cuts: list[int]) -> None:
    """Behind a magic word anything may stand."""
    try:
        feed(MAGIC + data, cuts)
    except FrameError:
        pass


@given(frames=FRAMES, at=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_flipped_bit(frames: list[tuple[Any, bytes]], at: int, bit: int) -> None:
    """A damaged frame is never delivered: those before it may be."""
    data = bytearray(b"".join(encode(m, b) for m, b in frames))
    data[at % len(data)] ^= 1 << bit
    try:
        got = feed(bytes(data), [])
    except FrameError:
        return
    assert len(got) < len(frames)
    assert all(g in frames for g in got)


@pytest.mark.parametrize(
    "body",
    [b"{" + b'"a":{' * 100_000, b"[" * 100_000, b"[]", b"1", b"null", b"\xff", b"", b'{"a":1'],
)
def test_no_message(body: bytes) -> None:
    """A right checksum does not make a message of it; nesting without end is no crash either."""
    limit = sys.getrecursionlimit()
    with pytest.raises(FrameError, match="JSON"):
        FrameDecoder().feed(frame(body))
    assert sys.getrecursionlimit() == limit


@pytest.mark.parametrize(
    ("json_size", "blob_size"), [(JSON_MAX + 1, 0), (0, BLOB_MAX + 1), (2**32 - 1, 2**32 - 1)]
)
def test_too_large_is_refused_by_its_head(json_size: int, blob_size: int) -> None:
    """Before any of it is waited for."""
    with pytest.raises(FrameError, match="a frame of"):
        FrameDecoder().feed(struct.pack("<4sIII", MAGIC, json_size, blob_size, 0))
    with pytest.raises(FrameError, match="too large"):
        encode({}, bytes(BLOB_MAX + 1))


def test_noise_without_end() -> None:
    decoder = FrameDecoder()
    with pytest.raises(FrameError, match="other output"):
        for _ in range(NOISE_MAX // 1000 + 2):
            decoder.feed(b"x" * 1000)
    assert len(decoder.noise) <= NOISE_MAX + 1000
