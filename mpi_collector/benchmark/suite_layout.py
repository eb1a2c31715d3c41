"""--suite-layout: the suite's own directories below the results directory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mpi_collector.errors import ResultsError
from mpi_collector.formats.suite_command import MODES
from mpi_collector.formats.workload import workload_of
from mpi_collector.node.regular_file import read_whole
from mpi_collector.output.placement import SENTINEL

_SENTINEL_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9._-]+")  #: as the suite has it for organisations
_ORGANISATION = re.compile(r"^orgname:\s*['\"]?([^'\"\s#]+)", re.MULTILINE)


class SuiteLayout(NamedTuple):
    """The value MODE/ORG/SYSTEM of --suite-layout."""

    mode: str
    organisation: str
    system: str


def parse_layout(text: str) -> SuiteLayout:
    """Return the value of --suite-layout. ValueError says what is wrong with it."""
    parts = text.split("/")
    if len(parts) != len(SuiteLayout._fields):
        raise ValueError(f"{text!r} is not MODE/ORG/SYSTEM, like open/Acme/system-1")
    layout = SuiteLayout(*parts)
    if layout.mode not in MODES:
        raise ValueError(f"{layout.mode!r} is none of {', '.join(MODES)}")
    for part in layout[1:]:
        _check_name(part)
    return layout


def layout_directory(
    layout: SuiteLayout, results_dir: Path, benchmark: str, command: Sequence[str]
) -> Path:
    """Return the directory of the runs of COMMAND below ``results_dir``, without the datetime.

    benchmark: the suite's name of it in files. ResultsError when COMMAND names no model, and when
    the results directory is another organisation's.
    """
    _check_organisation(layout, results_dir)
    model = workload_of(command).model
    if model is None:
        raise ResultsError(
            "--suite-layout: COMMAND names no model, which a directory is called by; give it "
            "workload=MODEL or --model MODEL"
        )
    if benchmark == "checkpointing":  # there a model is written with hyphens
        model = model.replace("_", "-")
    try:
        _check_name(model)
    except ValueError as e:
        raise ResultsError(f"--suite-layout: the model {e}") from None
    above = Path(layout.mode, layout.organisation, "results", layout.system, benchmark, model)
    # the suite has no directory of the command for this one
    return above if benchmark == "checkpointing" else above / "run"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or not name.strip("."):
        raise ValueError(f"{name!r} may have letters, digits and . _ - only")


def _check_organisation(layout: SuiteLayout, results_dir: Path) -> None:
    sentinel = results_dir / SENTINEL
    try:
        found = _ORGANISATION.search(read_whole(sentinel, _SENTINEL_BYTES).decode(errors="replace"))
    except OSError:
        return  # ``mlpstorage init`` was not run there
    if found and found[1] != layout.organisation:
        raise ResultsError(
            f"--suite-layout: {results_dir} belongs to {found[1]} ({SENTINEL}), not to "
            f"{layout.organisation}; choose another with --results-dir"
        )
