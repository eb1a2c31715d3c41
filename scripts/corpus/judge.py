"""Judge `why` by the labelled recordings: tables by cause and by word of confidence."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.recipes import HELD_OUT, recipes
from corpus.record import SOURCES, record

from mpi_collector.formats.why_document import Claim
from mpi_collector.store.recording import Recording
from mpi_collector.why.analysis import why

BEGIN, END = "<!-- scripts/why_corpus: begin -->\n", "<!-- scripts/why_corpus: end -->\n"
NOT_KNOWN = "not known"
_NEAR = 0.1  #: of the injected ceiling


@dataclass(frozen=True)
class Judgement:
    """One recording. ``found``: the cause that was named, None where nothing was.

    ``ceiling``: the ceiling that was named / the injected one; None where there are not both.
    ``made``: model or real.
    """

    file: str
    made: str
    causes: tuple[str, ...]
    strength: str
    held_out: bool
    found: str | None
    confidence: str | None
    ceiling: float | None

    @property
    def right(self) -> bool:
        return (self.found or NOT_KNOWN) in self.causes


def make_all(directory: Path) -> None:
    """Make every modelled recording and the manifest."""
    directory.mkdir(parents=True, exist_ok=True)
    manifest = []
    for seed, recipe in enumerate(recipes()):
        path = directory / f"{recipe.name}.npz"
        record(
            path,
            recipe.machines,
            recipe.phases,
            seed=seed,
            interval_s=recipe.interval_s,
            spec=recipe.sources or SOURCES,
        )
        manifest.append(
            {
                "file": path.name,
                "recipe": recipe.family,
                "causes": list(recipe.causes),
                "strength": recipe.strength,
                "held_out": recipe.family in HELD_OUT,
                "made": "model",
                "facts": recipe.facts,
            }
        )
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


def judge_all(directory: Path) -> list[Judgement]:
    """Return the judgement of every recording of the manifest."""
    out = []
    for entry in json.loads((directory / "manifest.json").read_text()):
        with Recording(directory / entry["file"]) as recording:
            limit = why(recording)["limited_by"]
        out.append(
            Judgement(
                entry["file"],
                entry["made"],
                tuple(entry["causes"]),
                entry["strength"],
                entry["held_out"],
                limit["cause"] if limit else None,
                limit["confidence"] if limit else None,
                _ceiling(limit, entry["facts"]),
            )
        )
    return out


def _ceiling(limit: Claim | None, facts: Mapping[str, Any]) -> float | None:
    injected = facts.get("ceiling", {}).get("bytes_per_s")
    if limit is None or limit["ceiling"] is None or not injected:
        return None
    return limit["ceiling"]["value"] / injected if limit["cause"] == "device" else None


def upper_end(wrong: int, all_: int) -> float:
    """Return the upper end of the 95 % interval of a share (Wilson), 1 of nothing."""
    if not all_:
        return 1.0
    z, share = 1.96, wrong / all_
    middle = share + z * z / (2 * all_)
    half = z * math.sqrt(share * (1 - share) / all_ + z * z / (4 * all_ * all_))
    return (middle + half) / (1 + z * z / all_)


def _row(name: str, found: Sequence[Judgement]) -> str:
    right = sum(j.right for j in found)
    abstained = sum(not j.right and j.found is None for j in found)
    wrong = len(found) - right - abstained
    share = f"{100 * right / len(found):.0f} %" if found else "-"
    return f"| {name} | {len(found)} | {right} | {abstained} | {wrong} | {share} |"


def tables(judgements: Sequence[Judgement]) -> list[str]:
    """Return the tables: by cause (the first label), all and held out, and by confidence."""
    open_ = [j for j in judgements if not j.held_out]
    held = [j for j in judgements if j.held_out]
    lines = ["| injected | recordings | right | abstained | wrong | right |",
             "|---|---:|---:|---:|---:|---:|"]  # fmt: skip
    for cause in dict.fromkeys(j.causes[0] for j in judgements):
        lines.append(_row(cause, [j for j in judgements if j.causes[0] == cause]))
    lines.append(_row("**all**", judgements))
    lines.append(_row("barely (within 20 % of another label)",
                      [j for j in judgements if j.strength == "barely"]))  # fmt: skip
    lines.append(_row("not held out", open_))
    lines.append(_row("held out", held))
    lines.append(_row("made for real", [j for j in judgements if j.made == "real"]))
    lines += ["", "| said | claims | wrong | share | upper end of the 95 % interval |",
              "|---|---:|---:|---:|---:|"]  # fmt: skip
    for word in ("certain", "likely"):
        said = [j for j in judgements if j.confidence == word]
        wrong = sum(not j.right for j in said)
        share = 100 * wrong / len(said) if said else 0.0
        end = 100 * upper_end(wrong, len(said))
        lines.append(f"| {word} | {len(said)} | {wrong} | {share:.1f} % | {end:.1f} % |")
    named = [j.ceiling for j in judgements if j.ceiling is not None]
    near = sum(abs(ratio - 1) <= _NEAR for ratio in named)
    lines += ["", f"Of {len(named)} ceilings of devices that were learned, {near} are within 10 % "
              "of the injected one."]  # fmt: skip
    return lines


def write_tables(judgements: Sequence[Judgement], page: Path) -> None:
    """Write the tables between the markers of a page."""
    text = page.read_text()
    before, rest = text.split(BEGIN)
    page.write_text(
        before + BEGIN + "\n".join(tables(judgements)) + "\n" + END + rest.split(END)[1]
    )
