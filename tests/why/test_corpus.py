"""Recordings judged against what was injected: modelled ones that are not held out, and real ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from corpus.judge import NOT_KNOWN, judge_all
from corpus.recipes import HELD_OUT, Recipe, recipes
from corpus.record import SOURCES, record
from selection import all_tests

from mpi_collector.store.recording import Recording
from mpi_collector.why.analysis import why

ALL = recipes()
FIRST = {r.family: r for r in reversed(ALL) if r.family not in HELD_OUT}
CAUSES = {cause for r in ALL for cause in r.causes}
#: a family of each cause, for a run that does not judge all of them
SAMPLE = {r.causes[0]: family for family, r in reversed(FIRST.items())}
FAMILIES = sorted(FIRST if all_tests() else SAMPLE.values())
REAL = Path(__file__).resolve().parents[1] / "corpus"
MANIFEST: list[dict[str, Any]] = json.loads((REAL / "manifest.json").read_text())
SHORT_S = 12  #: of a phase of the sample; the corpus has 40


def shortened(recipe: Recipe) -> Recipe:
    """The recipe with phases as long as a test can afford."""
    if all_tests():
        return recipe
    phases = tuple(replace(p, seconds=min(p.seconds, SHORT_S)) for p in recipe.phases)
    return replace(recipe, phases=phases)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_was_injected_is_named(family: str, tmp_path: Path) -> None:
    recipe = shortened(FIRST[family])
    path = tmp_path / "run.npz"
    record(path, recipe.machines, recipe.phases, seed=7, spec=recipe.sources or SOURCES)
    with Recording(path) as recording:
        answer = why(recording)
    limit = answer["limited_by"]
    if limit is None:
        assert answer["not_known"][0]["reason"]
        assert "not known" in recipe.causes or recipe.strength == "barely"
        return
    assert limit["cause"] in recipe.causes
    assert limit["for"], "a claim has evidence"
    assert limit["phase"] == "work" or recipe.family.startswith("cache")
    for evidence in limit["for"] + limit["against"]:
        assert evidence["begin_ns"] < evidence["end_ns"]
    if "slow_host" in recipe.facts and recipe.strength == "clear":
        assert limit["host"] == recipe.facts["slow_host"]
        waits = [c for c in answer["claims"] if c["cause"] == "another host"]
        assert len(waits) == len(recipe.machines) - 1
    ceiling = recipe.facts.get("ceiling", {})
    if "bytes_per_s" in ceiling:
        assert limit["device"] == ceiling["device"]
        assert limit["ceiling"] is not None
        assert limit["ceiling"]["value"] == pytest.approx(ceiling["bytes_per_s"], rel=0.1)


def test_the_recipes_cover_every_cause() -> None:
    """Twenty recordings of each cause or more, six of them barely, four held out."""
    for cause in CAUSES:
        own = [r for r in ALL if cause in r.causes]
        assert len(own) >= 20, cause
        assert sum(r.strength == "barely" for r in own) >= 6, cause
        assert sum(r.family in HELD_OUT for r in own) >= 4, cause
    assert len(ALL) >= 260
    assert len({r.name for r in ALL}) == len(ALL)


@pytest.mark.parametrize("entry", MANIFEST, ids=lambda e: e["file"].removesuffix(".npz"))
def test_a_real_recording_is_right_or_not_known(entry: dict[str, Any]) -> None:
    with Recording(REAL / entry["file"]) as recording:
        answer = why(recording)
    limit = answer["limited_by"]
    if limit is None:
        assert answer["not_known"][0]["reason"]
        return
    assert limit["cause"] in entry["causes"]
    ceiling = entry["facts"].get("ceiling")
    if ceiling is not None and limit["cause"] == "device":
        assert limit["device"].startswith(ceiling["device"])
        assert limit["ceiling"] is not None
        assert limit["ceiling"]["value"] == pytest.approx(ceiling["bytes_per_s"], rel=0.1)


def test_the_bars_of_the_real_recordings() -> None:
    """Of those whose waiting the kernel counts; a throttle above libaio is not seen by anybody."""
    judged = judge_all(REAL)
    seen = [j for j in judged if j.found is not None or NOT_KNOWN in j.causes]
    unseen = {j.file for j in judged} - {j.file for j in seen}
    assert sum(j.right for j in seen) >= 0.99 * len(seen)
    assert all("throttled" in name for name in unseen)
    assert len(seen) >= 0.7 * len(judged)


def test_the_real_recordings_are_small_and_say_how_they_were_made() -> None:
    sizes = [path.stat().st_size for path in REAL.glob("*.npz")]
    assert sum(sizes) <= min(60_000 * len(sizes), 15_000_000)
    assert {path.name for path in REAL.glob("*.npz")} == {e["file"] for e in MANIFEST}
    for entry in MANIFEST:
        assert entry["made"] == "real"
        assert entry["causes"]
        assert entry["strength"] in ("clear", "barely")
        assert entry["facts"]["kernel"]
