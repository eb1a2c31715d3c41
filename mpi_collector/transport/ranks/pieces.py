"""A stream of bytes in pieces of one size, the messages by which it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def regroup(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Yield the bytes of ``chunks`` in pieces of ``size``, the last one shorter."""
    pending: list[bytes] = []
    held = 0
    for chunk in chunks:
        at = 0
        while held + len(chunk) - at >= size:
            take = size - held
            pending.append(chunk[at : at + take])
            yield b"".join(pending)
            pending, held, at = [], 0, at + take
        if at < len(chunk):
            pending.append(chunk[at:])
            held += len(chunk) - at
    if held:
        yield b"".join(pending)
