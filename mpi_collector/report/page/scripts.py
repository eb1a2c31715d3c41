"""The script elements of the page: its data, the uPlot library and its own script."""

from __future__ import annotations

import json
from importlib.resources import files

#: in this order, one script
OWN_SCRIPTS = ("arrays.js", "units.js", "window.js", "chart.js", "heat.js", "devices.js", "page.js")
#: in JSON, escapes of what could end a script element or a line of JavaScript
_ESCAPES = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


def data_script(name: str, document: object) -> str:
    """Return a JSON document, or JSON text, as a script element that no text inside can end."""
    text = document if isinstance(document, str) else json.dumps(document, allow_nan=False)
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return f'<script type="application/json" id="{name}">{text}</script>'


def page_scripts(page_arrays: str) -> str:
    """Return the packed arrays, the uPlot library with its licence, and the page's own script."""
    licence = page_file("uplot/LICENSE").replace("*/", "* /")
    library = page_file("uplot/uPlot.iife.min.js")
    own = "\n".join(page_file(name) for name in OWN_SCRIPTS)
    return (
        f'<script type="text/plain" id="arrays">{page_arrays}</script>\n'
        f"<script>/*! uPlot\n{licence}*/\n{library}</script>\n<script>{own}</script>"
    )


def page_style() -> str:
    """Return the style of the page and of the charts."""
    return page_file("uplot/uPlot.min.css") + page_file("page.css")


def page_file(name: str) -> str:
    """Return the text of a file beside this module."""
    return files("mpi_collector.report.page").joinpath(name).read_text("utf-8")
