"""The registry of figures: what every declaration must say."""

from __future__ import annotations

import synthetic as sy
from derived_host import derived

from mpi_collector.store.figures import BY_NAME, CHARTED, FIGURES, HEAT_MAPPED, SUBJECTS, UNCHARTED
from mpi_collector.store.figures.base import Subject
from mpi_collector.store.figures.figure import NoChart, Scale

#: unit -> how the names of its figures end
ENDINGS = {
    "bytes/s": "_bytes_per_s",
    "1/s": ("_iops", "_per_s"),
    "ms": "_ms",
    "%": "_percent",
    "bytes": "_bytes",
    "requests": "_depth",
    "W": "_watts",
    "C": "_celsius",
    "cores": "_cores",
    "threads": "_threads",
    "connections": "_connections",
    "bytes/J": "bytes_per_joule",
}


def test_every_subject_is_found() -> None:
    assert len(SUBJECTS) >= 9
    assert len({s.order for s in SUBJECTS}) == len(SUBJECTS)
    assert sum(len(s.figures) for s in SUBJECTS) == len(FIGURES) == len(BY_NAME)


def test_every_figure_says_what_it_is() -> None:
    assert len(FIGURES) >= 43
    for f in FIGURES:
        assert f.doc
        assert f.label
        assert f.across in ("sum", "mean")
        assert f.name.endswith(ENDINGS[f.unit])
        assert (f.scale is Scale.PERCENT) == (f.unit == "%")
        assert f.limit is None or f.unit == "%"
        assert f.outlier_floor > 0


def test_every_figure_has_a_chart_or_says_why_not() -> None:
    assert {f.name for f in CHARTED} | UNCHARTED.keys() == set(BY_NAME)
    assert all(UNCHARTED.values())
    assert {f.name for f in HEAT_MAPPED} < {f.name for f in CHARTED}


def test_figure_without_a_chart() -> None:
    """A declaration may refuse a chart, with its reason."""
    subject = Subject(order=1)
    figure = subject.figure("x_ms", "x", "ms", "mean", "x", chart=NoChart("means nothing alone"))
    assert figure.chart == NoChart("means nothing alone")
    assert subject.figures == [figure]


def test_whole_recording_has_all_figures_that_are_not_optional() -> None:
    d = derived(sy.workload(0, 20))
    assert set(d.series) == {f.name for f in FIGURES if not f.optional}
