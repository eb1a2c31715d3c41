"""The digit-delta decoder gives what the token-wise decoder gives, for any change of a text."""

from __future__ import annotations

import random
import re

import pytest
from batchkit import NAMES, Pair, changed, texts

from mpi_collector.batch.reference import Reference


@pytest.mark.parametrize("name", NAMES)
def test_the_same_as_token_by_token(name: str) -> None:
    """Batches of texts that change in every way, one after the other, eras included."""
    first = dict(zip(NAMES, texts()))[name]
    for seed in range(40):
        r = random.Random(seed)
        pair, text = Pair(name, first), first
        for _batch in range(4):
            some = []
            for _ in range(r.randrange(1, 9)):
                text = changed(r, text if r.random() < 0.8 else first)
                some.append(text)
                text = first if r.random() < 0.3 else text
            pair.check(some)


def steps(text: bytes, count: int, field: bytes, values: list[int]) -> list[bytes]:
    """``text`` again and again, the number behind ``field`` with these values."""
    return [
        re.sub(re.escape(field) + rb" +\d+", field + b" %d" % values[k % len(values)], text)
        for k in range(count)
    ]


def test_digits_that_change_are_not_looked_at_as_tokens() -> None:
    """Only the first text is decoded token by token.

    This holds for counters that keep their length and for right-aligned numbers of any length.
    """
    for name, field in (("vmstat", b"pgfault"), ("meminfo", b"MemFree:")):
        first = dict(zip(NAMES, texts()))[name]
        pair = Pair(name, first, 1000)
        number = int(re.search(re.escape(field) + rb" +(\d+)", first)[1])  # type: ignore[index]
        width = len(re.search(re.escape(field) + rb"( +\d+)", first)[1])  # type: ignore[index]
        for _batch in range(3):
            pair.check(
                [
                    re.sub(
                        re.escape(field) + rb" +\d+",
                        field + str(number + k).encode().rjust(width),
                        first,
                    )
                    for k in range(8)
                ]
            )
        assert len(pair.whole) == 1
    shorter = [first.replace(str(number).encode(), b"12".rjust(len(str(number)))) for _ in range(8)]
    pair.check(shorter)
    assert len(pair.whole) == 1


def test_a_number_that_gets_longer_is_elastic_from_then_on() -> None:
    """One text is decoded whole for it, and none after that."""
    first = dict(zip(NAMES, texts()))["vmstat"]
    pair = Pair("vmstat", first, 1000)
    pair.check(steps(first, 8, b"nr_dirty", [16]))
    pair.check(steps(first, 8, b"nr_dirty", [16, 7, 12345, 2**64 - 1]))
    learnt = len(pair.whole)
    assert learnt <= 3
    for _batch in range(3):
        pair.check(steps(first, 8, b"nr_dirty", [1, 123456789, 99, 0]))
    assert len(pair.whole) == learnt
    reference = pair.follower._reference
    assert reference is not None and len(reference.elastic) == 1


def test_a_right_aligned_number_that_outgrew_its_place() -> None:
    """Whether it is shorter than its place, fills it, or moves what is behind it."""
    first = dict(zip(NAMES, texts()))["netdev"]
    pair = Pair("netdev", first, 1000)
    for batch in (
        [12345, 12345678],
        [12345, 1123456, 7, 12345678, 1123456],
        [1123456, 1] * 4,
        [12345, 99999, 10**9, 7] * 3,
    ):
        pair.check(
            [
                re.sub(rb"(?m)^ *lo: *\d+", b"    lo: " + str(n).encode().rjust(7), first)
                for n in batch
            ]
        )


def test_what_cannot_be_followed_is_not_followed() -> None:
    """Labels that change at every sample cost a bounded number of references.

    Too many elastic numbers none at all.
    """
    first = dict(zip(NAMES, texts()))["vmstat"]
    pair = Pair("vmstat", first, 1000)
    pair.check([first.replace(b"nr_dirty ", b"nr_dirty%d " % k) for k in range(16)])
    assert len(pair.whole) == 16
    pair = Pair("vmstat", first, 1000)
    wild = [re.sub(rb" \d+", b" %d" % 10 ** (k % 7), first) for k in range(16)]
    pair.check(wild)
    assert pair.follower._hopeless and pair.follower._reference is None
    assert len(pair.whole) == len(wild)
    assert len(re.findall(rb"\d\n", first)) > Reference.MOST_ELASTIC
