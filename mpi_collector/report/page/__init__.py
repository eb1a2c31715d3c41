"""The page of a recording: one HTML document that shows what every host did and loads nothing.

The charts are drawn by Bokeh. Measured on 16 hosts x 3,600 samples x 12 charts, all in sight, in
headless Chromium without a GPU on two busy cores:

=====================  ==========  =====================
library                page        a zoom step, median
=====================  ==========  =====================
Bokeh 3.9, canvas      3.8 MB      0.36 s
Bokeh 3.9, WebGL       4.0 MB      did not finish
Plotly 7, WebGL        18.8 MB     did not finish
Plotly 7, SVG          18.8 MB     1.8 s
=====================  ==========  =====================

Bokeh draws on a plain canvas, which works on every remote desktop, and compresses its arrays. Its
library takes 1.3 MB of a page, Plotly's 4.8 MB. The page's own script then made zooming fluent: it
draws one chart per animation frame, and of its values only those that the window and its pixels
need: the lowest and the highest of those that share a pixel. The first chart follows within 0.1 s,
the others within half a second.
"""

from __future__ import annotations

from mpi_collector.report.page.data import page_data
from mpi_collector.report.page.document import render
from mpi_collector.store.recording import Recording


def page(recording: Recording) -> str:
    """The page of a recording as HTML. RecordingError when it cannot be read."""
    return render(page_data(recording))


__all__ = ["page"]
