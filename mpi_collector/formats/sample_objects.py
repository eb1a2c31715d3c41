"""Rows as samples in memory: what the JSON of ``suite_samples`` reads back as, in a fraction of it.

The template of a pattern of missing values is read once with the places of its values in it; the
objects of every row with that pattern are made of the result.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from mpi_collector.formats.sample_rows import Rows
from mpi_collector.formats.suite_samples import (
    SampleTemplates,
    Template,
    row_errors,
    shown_values,
    utc_text,
)

Object = dict[str, Any]


class _Shape(NamedTuple):
    """An object of a sample: the members that are the same in all rows, and those of a row."""

    constant: Object  #: the name of a device
    names: list[str]
    begin: int  #: of their values among those of the template, where they follow each other

    @classmethod
    def of(cls, skeleton: Object) -> _Shape:
        """Return the shape of an object whose numbers are places."""
        constant = {k: v for k, v in skeleton.items() if isinstance(v, str)}
        varying = {k: v for k, v in skeleton.items() if k not in constant}
        return cls(constant, list(varying), next(iter(varying.values()), 0))

    def fill(self, values: Sequence[float]) -> Object:
        return {
            **self.constant,
            **dict(zip(self.names, values[self.begin : self.begin + len(self.names)])),
        }


#: member of a sample -> its object, or its objects
_Shapes = dict[str, "_Shape | list[_Shape]"]


def samples_in_memory(rows: Rows, hostname: str) -> list[Object]:
    """Return the samples of a host, row after row."""
    templates = SampleTemplates(rows.layout)
    shapes: dict[int, tuple[Template, _Shapes]] = {}
    statuses = rows.statuses()
    out = []
    for n, (tick, utc_ns) in enumerate(zip(rows.ticks, rows.utc_ns())):
        template, values = shown_values(templates, rows.row(n))
        # by identity: a template lives as long as it is in here
        _, found = shapes.setdefault(id(template), (template, {}))
        if not found:
            found.update(_shapes(template))
        sample: Object = {
            "timestamp": utc_text(utc_ns),
            "hostname": hostname,
            "timestamp_ns": utc_ns,
            "tick": tick,
        }
        for key, part in found.items():
            if isinstance(part, list):
                sample[key] = [shape.fill(values) for shape in part]
            else:
                sample[key] = part.fill(values)
        errors = row_errors(rows.layout.sources, statuses, n)
        out.append({**sample, "errors": errors} if errors else sample)
    return out


def _shapes(template: Template) -> _Shapes:
    places = tuple(range(len(template.columns)))
    skeleton: dict[str, Any] = json.loads("{" + template.text % places + "}")
    return {
        key: [_Shape.of(o) for o in part] if isinstance(part, list) else _Shape.of(part)
        for key, part in skeleton.items()
    }
