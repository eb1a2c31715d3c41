"""The script elements of the page: its data, the Bokeh library and its own script."""

from __future__ import annotations

import json
from importlib.resources import files

from bokeh.resources import Resources

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


def page_scripts() -> str:
    """Return the Bokeh library and the page's own script."""
    own = files("mpi_collector.report.page").joinpath("page.js").read_text("utf-8")
    resources = Resources(mode="inline", components=["bokeh"], minified=True, log_level="error")
    library = "\n".join(resources.js_raw)
    safe = library.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return f"<script>{safe}</script>\n<script>{own}</script>"
