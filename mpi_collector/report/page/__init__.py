"""The page of a recording: one HTML document that shows what every host did and loads nothing.

The charts are drawn by uPlot, which is part of the package (``uplot/``, MIT licence); sizes and
times against Bokeh, which drew them before, are in docs/performance.md. The page holds every row
that its charts draw, as numbers of five significant digits; the script computes the figures of the
window in view from them.
"""

from __future__ import annotations

from mpi_collector.report.page.data import page_data
from mpi_collector.report.page.document import render
from mpi_collector.store.recording import Recording


def page(recording: Recording) -> str:
    """The page of a recording as HTML. RecordingError when it cannot be read."""
    return render(page_data(recording))


__all__ = ["page"]
