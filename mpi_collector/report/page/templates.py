"""The HTML templates beside this module, filled in by Jinja2.

What is filled in is escaped as markup and cleaned of what is invisible (``safe_text``).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import jinja2
from markupsafe import Markup

from mpi_collector.report.page.scripts import page_file
from mpi_collector.terminal_text import safe_text


def render(name: str, **values: object) -> Markup:
    """Return a template as HTML. ``name``: of the file."""
    return Markup(_environment().get_template(name).render(**values))


def piece(template: str, **values: object) -> Markup:
    """Return a template that is given as text, as HTML."""
    return Markup(_compiled(template).render(**values))


def in_lines(texts: Iterable[str]) -> Markup:
    """Return texts with line breaks between them."""
    return Markup("<br>").join(safe_text(text) for text in texts)


@cache
def _compiled(template: str) -> jinja2.Template:
    return _environment().from_string(template)


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(page_file),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _clean(value: object) -> object:
    """Return text without control characters. Markup was made by a template."""
    return safe_text(value) if isinstance(value, str) and not isinstance(value, Markup) else value
