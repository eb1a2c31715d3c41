"""One offline page that tells what happened on every host: ``write_page(recording, file)``.

The charts are Bokeh's. Measured on 16 hosts x 3,600 samples x 12 charts in headless Chromium without a GPU on two busy
cores, all charts in sight:

=====================  ==========  =====================
library                page        a zoom step, median
=====================  ==========  =====================
Bokeh 3.9, canvas      3.8 MB      0.36 s
Bokeh 3.9, WebGL       4.0 MB      did not finish
Plotly 7, WebGL        18.8 MB     did not finish
Plotly 7, SVG          18.8 MB     1.8 s
=====================  ==========  =====================

Bokeh draws on a plain canvas, which every desktop over a remote connection can do, compresses its arrays, and its
library is 1.3 MB of a page where Plotly's is 4.8. The page's own script then made a step fluent: it draws, one chart a
frame, what the window and its pixels need, the least and the greatest value of those that share a pixel. The first chart
follows within 0.1 s, the others within half a second.
"""

from __future__ import annotations

from mpi_collector.report.page.data import page_data
from mpi_collector.report.page.document import render
from mpi_collector.store.recording import Recording


def page(recording: Recording) -> str:
    """The page of a recording as HTML. RecordingError when it cannot be read."""
    return render(page_data(recording))


__all__ = ["page"]
