"""What follows from the layout of a host, computed once for all hosts that have the same one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mpi_collector.node.row.layout import Layout
from mpi_collector.node.table.npy import text_vector

SAMPLE_BYTES = 4096  #: of the suite's sample without its columns
VALUE_BYTES = 40  #: of a column in it, without its name
_LAYOUTS_KEPT = 4


@dataclass(frozen=True)
class LayoutTexts:
    """What follows from a layout."""

    columns: int
    sources: int
    sample_most: int  #: bytes of the suite's sample
    plain: Mapping[str, bytes]  #: of the vectors of text


class KnownLayouts:
    """The last few layouts with what follows from them: most hosts of a run have the same one."""

    def __init__(self) -> None:
        self._sent: list[Mapping[str, Any]] = []
        self._known: list[tuple[Mapping[str, Any], LayoutTexts]] = []

    def has(self, document: object) -> bool:
        """Return whether this layout, as JSON has it, was checked."""
        return any(sent == document for sent in self._sent)

    def note(self, document: Mapping[str, Any]) -> None:
        """Note a layout that was checked."""
        if not self.has(document):
            self._sent = [document, *self._sent[: _LAYOUTS_KEPT - 1]]

    def texts_of(self, layout: Layout) -> LayoutTexts:
        """Return what follows from a layout with its devices."""
        document = layout.to_dict()
        for known, texts in self._known:
            if known == document:
                return texts
        used = [c for c in layout.columns() if c.device is not None]
        names = [c.name for c in used] + layout.sources
        texts = LayoutTexts(
            len(used),
            len(layout.sources),
            SAMPLE_BYTES + sum(len(n) + VALUE_BYTES for n in names),
            {
                "columns": text_vector([c.name for c in used]),
                "units": text_vector([c.unit for c in used]),
                "kinds": text_vector([c.kind for c in used]),
                "sources": text_vector(layout.sources),
            },
        )
        self._known = [(document, texts), *self._known[: _LAYOUTS_KEPT - 1]]
        return texts
