"""Decode the texts of one source from the digits that changed since a reference text."""

from __future__ import annotations

from collections.abc import Callable

from mpi_collector.batch.copied import is_same, plan_of_raw, split_at_equals
from mpi_collector.batch.reference import NUMBERS, WORDS, Int64, Reference, Text, stretched
from mpi_collector.node.row.decode import Plan, SourceDecoder, wrap
from mpi_collector.node.row.layout import MISSING
from mpi_collector.node.sources.base import Source

Prepare = Callable[[bytes], bytes]


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
        source = decoder.source
        self._prepare: Prepare | None = (
            None if getattr(type(source), "prepare", None) is Source.prepare else source.prepare
        )
        #: raw texts are followed, and prepared only where they are decoded as a whole
        self._copies = self._prepare is not None and getattr(source, "copies_numbers", False)
        self._raw_plan: Plan | None = None
        self._reference: Reference | None = None
        self._batches = 0
        self._hopeless = False

    def decode(self, raws: list[Text], ticks: list[int], rows: Int64, statuses: Int64) -> None:
        """Decode texts of consecutive samples into rows and statuses.

        ``rows``: int64, texts x columns; ``statuses``: int64, one a text.
        """
        if self._reference is not None and len(raws) <= self.FEW:
            for i, raw in enumerate(raws):
                statuses[i] = self._whole(self._prepared(raw), ticks[i], rows[i])
            return
        self._batches += 1
        if self._batches % self.ERA == 0:
            self._hopeless, self._reference = False, None
        texts = self._followed(raws)
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
            text = self._prepared(raws[at]) if self._copies else texts[at]
            statuses[at] = self._whole(text, ticks[at], rows[at])
            if tries < self.TRIES and not statuses[at] and not self._hopeless:
                self._learn(some, raws[at], rows[at])
            at, tries = at + 1, tries + 1

    def _prepared(self, raw: Text) -> Text:
        return raw if self._prepare is None else self._prepare(bytes(raw))

    def _followed(self, raws: list[Text]) -> list[Text]:
        """Return the texts whose digits are followed."""
        if self._copies:
            return [split_at_equals(bytes(raw)) for raw in raws]
        return raws if self._prepare is None else [self._prepared(raw) for raw in raws]

    def _whole(self, text: Text, tick: int, row: Int64) -> int:
        """Decode a prepared text token by token; return its status."""
        row[self._columns] = MISSING
        return self._decoder.decode_text(bytes(text), tick=tick, row=Cells(row))

    def _learn(self, texts: list[Text], raw: Text, row: Int64) -> None:
        """Make the first of ``texts``, whose values are in ``row``, the next reference.

        ``raw``: the same text as it was read.
        """
        plan, before = self._plan(raw), self._reference
        if plan is None:
            self._reference = None
            return
        elastic: frozenset[int] = frozenset()
        if before is not None and before.plan is plan:
            elastic = before.elastic | stretched(plan, [before.text, *texts])
        new = Reference(bytes(texts[0]), plan, row, elastic, NUMBERS if self._copies else WORDS)
        self._hopeless = len(elastic) > Reference.MOST_ELASTIC
        self._reference = new if new.usable else None

    def _plan(self, raw: Text) -> Plan | None:
        """Return the plan of the text that is followed; the same object for the same shape."""
        if not self._copies or self._prepare is None:
            return self._decoder.plan
        found = plan_of_raw(self._prepare, self._decoder.plan, bytes(raw))
        if found is None or self._raw_plan is None or not is_same(found, self._raw_plan):
            self._raw_plan = found
        return self._raw_plan


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
