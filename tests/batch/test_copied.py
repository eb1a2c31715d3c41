"""Sources that copy numbers out of several files are followed by the digits of their raw texts."""

from __future__ import annotations

import random
import re

import pytest
from batchkit import Pair, changed
from nodekit import FIXTURES
from source_texts import TEXTS

from mpi_collector.batch.copied import plan_of_raw
from mpi_collector.node import sources
from mpi_collector.node.read.probe import Probe
from mpi_collector.node.row.decode import SourceDecoder, make_layout

COPYING = [cls.name for cls in sources.ALL if cls.copies_numbers]
_NUMBER = re.compile(rb"(?<![^\s=])[0-9]+(?![^\s])")


def raws_of(name: str) -> list[bytes]:
    """The examples of a source, and what the trees of kernel files have."""
    found = [TEXTS[name].text]
    for tree in sorted(p for p in FIXTURES.iterdir() if (p / "proc").is_dir()):
        probe = Probe([sources.BY_NAME[name]()], str(tree))
        found += [file.first() for file in probe.files]
        probe.close()
    return found


def renumbered(r: random.Random, raw: bytes, often: float = 1.0) -> bytes:
    """The same text with other numbers: small, long, of other lengths."""

    def other(m: re.Match[bytes]) -> bytes:
        new = r.choice([0, 1, 9, 10, int(m[0]) + 1, 2**32 - 1, 2**63, 2**64 - 1, 99999])
        return b"%d" % min(new, 10**20 - 1) if r.random() < often else m[0]

    return _NUMBER.sub(other, raw)


def test_which_sources_copy() -> None:
    """Those that put their text together in Python and change no number."""
    assert set(COPYING) == {"cgroup", "tcp", "numa", "queue", "power", "lustre"}


@pytest.mark.parametrize("name", COPYING)
def test_what_is_kept_depends_on_no_number(name: str) -> None:
    """The promise of ``copies_numbers``, on every text that there is: other numbers, same cells."""
    source, r = sources.BY_NAME[name](), random.Random(7)
    for raw in raws_of(name):
        before = source.prepare(raw).split()
        for _ in range(20):
            other = renumbered(r, raw)
            after = source.prepare(other).split()
            assert [t for t in before if not t.isdigit()] == [t for t in after if not t.isdigit()]
            assert {t for t in after if t.isdigit()} <= set(re.split(rb"[\s=]+", other))


@pytest.mark.parametrize("name", COPYING)
def test_the_same_as_token_by_token(name: str) -> None:
    """Texts whose numbers change, also those that are not kept, and whose lines come and go."""
    for first in raws_of(name):
        for seed in range(4):
            r = random.Random(seed)
            pair, text = Pair(name, first), first
            for _batch in range(4):
                some = []
                for _ in range(r.randrange(1, 9)):
                    text = text if r.random() < 0.8 else first
                    text = renumbered(r, text, 0.1) if r.random() < 0.7 else changed(r, text)
                    some.append(text)
                pair.check(some)


@pytest.mark.parametrize("name", COPYING)
def test_prepare_is_called_for_whole_texts_only(name: str) -> None:
    """After the first texts no text is put together any more, whatever its numbers are."""
    first, r = TEXTS[name].text, random.Random(3)
    pair = Pair(name, first, 1000)
    for _batch in range(4):
        pair.check([renumbered(r, first, 0.3) for _ in range(16)])
    learnt = len(pair.whole)
    assert learnt < 32
    for _batch in range(3):
        pair.check([renumbered(r, first, 0.3) for _ in range(16)])
    assert len(pair.whole) == learnt


class Doubling(sources.BY_NAME["queue"]):  # type: ignore[name-defined,misc]
    """A source that breaks the promise: one value is a sum, the other one is there twice."""

    def prepare(self, raw: bytes) -> bytes:
        number = int(raw.split()[-1])
        return b"a sum %d\na first %d\na again %d" % (number + 1, number, number)


def test_numbers_that_are_not_copied_are_noticed() -> None:
    source = Doubling()
    layout = make_layout([source], [b"@vda\n1 2\n"])
    decoder = SourceDecoder(source, layout, lambda event: None)
    decoder.decode(b"@vda\n1 2\n", [0] * layout.width, 0)
    assert plan_of_raw(source.prepare, decoder.plan, b"@vda\n1 2\n") is None
