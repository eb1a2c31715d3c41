"""Decode the texts of one source from the digits that changed since a reference text."""

from __future__ import annotations

from mpi_collector.batch.reference import Int64, Reference, Text, stretched
from mpi_collector.node.row.decode import SourceDecoder, wrap
from mpi_collector.node.row.layout import MISSING


class DigitDeltaDecoder:
    """Decoder of one source: by changed digits where possible, else token by token."""

    #: batches after which elastic tokens, and that a source could not be followed, are forgotten
    ERA = 64
    #: so few texts are decoded token by token: a reference does not pay
    FEW = 3
    #: references made in a batch, at most: for a text that always changes they are of no use
    TRIES = 3
    #: bytes of texts decoded together: their intermediate results stay in the caches
    AT_ONCE = 1 << 16

    def __init__(self, decoder: SourceDecoder, columns: slice) -> None:
        self._decoder, self._columns = decoder, columns
        self._reference: Reference | None = None
        self._batches = 0
        self._hopeless = False

    def decode(self, texts: list[Text], ticks: list[int], rows: Int64, statuses: Int64) -> None:
        """Decode texts of consecutive samples into rows and statuses.

        ``texts``: prepared by the source. ``rows``: int64, texts x columns; ``statuses``: int64,
        one a text.
        """
        if self._reference is not None and len(texts) <= self.FEW:
            for i, text in enumerate(texts):
                statuses[i] = self._whole(text, ticks[i], rows[i])
            return
        self._batches += 1
        if self._batches % self.ERA == 0:
            self._hopeless, self._reference = False, None
        at = tries = 0
        while at < len(texts):
            some = texts[at : at + self.FEW + self.AT_ONCE // (len(texts[at]) or 1)]
            if self._reference is not None and tries <= self.TRIES:
                done = self._reference.follow(some, rows[at:])
                statuses[at : at + done] = 0
                at += done
                if done == len(some):
                    continue
                some = some[done:]
            statuses[at] = self._whole(texts[at], ticks[at], rows[at])
            if tries < self.TRIES and not statuses[at] and not self._hopeless:
                self._learn(some, rows[at])
            at, tries = at + 1, tries + 1

    def _whole(self, text: Text, tick: int, row: Int64) -> int:
        """Decode a text token by token; return its status."""
        row[self._columns] = MISSING
        return self._decoder.decode_text(bytes(text), tick=tick, row=Cells(row))

    def _learn(self, texts: list[Text], row: Int64) -> None:
        """Make the first of ``texts``, whose values are in ``row``, the next reference."""
        plan, before = self._decoder.plan, self._reference
        elastic: frozenset[int] = frozenset()
        if before is not None and before.plan is plan:
            elastic = before.elastic | stretched(plan, [before.text, *texts])
        new = Reference(bytes(texts[0]), plan, row, elastic)
        self._hopeless = len(elastic) > Reference.MOST_ELASTIC
        self._reference = new if new.usable else None


class Cells:
    """A row that takes Python integers; counters above 2^63 wrap."""

    __slots__ = ("_row",)

    def __init__(self, row: Int64) -> None:
        self._row = row

    def __setitem__(self, where: slice, values: list[int]) -> None:
        try:
            self._row[where] = values
        except OverflowError:
            self._row[where] = [wrap(v) for v in values]
