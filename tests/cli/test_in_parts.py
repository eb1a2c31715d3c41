"""The verbs that read a recording: of one in parts they say what they say of one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import in_process
from in_parts import both

import mpi_collector


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return both(tmp_path_factory.mktemp("recordings"), 5, 2)


def cli(*words: object) -> str:
    done = in_process(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def without_paths(found: Any) -> Any:
    """Return a document without what names the file."""
    return {k: v for k, v in found.items() if k not in ("file", "path", "recording")}


@pytest.mark.parametrize("verb", ["summary", "why"])
def test_texts_and_documents(made: tuple[Path, Path], verb: str) -> None:
    one, parts = (without_paths(json.loads(cli(verb, path, "--json"))) for path in made)
    assert one == parts
    one_text, parts_text = (cli(verb, path).replace(str(path), "FILE") for path in made)
    assert one_text == parts_text


@pytest.mark.parametrize("words", [["csv"], ["csv", "--figures"], ["openmetrics", "--figures"]])
def test_exports(made: tuple[Path, Path], tmp_path: Path, words: list[str]) -> None:
    texts = []
    for n, path in enumerate(made):
        cli("export", "--to", *words, "-o", tmp_path / f"{n}", path)
        texts.append((tmp_path / f"{n}").read_text())
    assert texts[0] == texts[1]
    assert "node005" in texts[0]


def test_compare_and_report(made: tuple[Path, Path], tmp_path: Path) -> None:
    """Nothing is different between the two; the page has the hosts of every part."""
    one, parts = made
    document = json.loads(cli("compare", one, parts, "--json"))
    assert json.dumps(document).count("node005") == json.dumps(
        json.loads(cli("compare", one, one, "--json"))
    ).count("node005")
    assert cli("compare", one, parts).replace(str(parts), str(one)) == cli("compare", one, one)
    cli("report", parts, "-o", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert all(f"node00{n}" in page for n in range(1, 6))


def test_a_mark_on_a_finished_recording(tmp_path: Path) -> None:
    _, parts = both(tmp_path, 3, 2)
    cli("mark", "afterwards", "--at", "2026-01-05T12:00:10Z", "--results-dir", parts.parent)
    with mpi_collector.load(parts) as recording:
        assert "afterwards" in [p.name for p in recording.marks]
