"""The commands of docs/tutorial-laptop.md are run; those of the other pages are parsed."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from installed import environment

from mpi_collector.cli.main import main

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "tutorial-laptop.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_laptop_tutorial(tmp_path: Path, programs: Path) -> None:
    """With what pip installs: the name of the program is the one that users type."""
    work = tmp_path / "work"
    work.mkdir()
    blocks = re.findall(r"^```sh\n(.*?)^```", TEXT, flags=re.M | re.S)
    assert len(blocks) >= 6
    environ = environment(programs)
    said = ""
    for block in blocks:
        done = subprocess.run(
            ["sh", "-e", "-c", block],
            cwd=work,
            env=environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        said += done.stdout
    assert "complete ['write', 'read']" in said or "partial ['write', 'read']" in said
    assert "B / A" in said
    assert re.search(r"\d+ rows while it read", said)
    assert "MemTotal" not in said.partition("interface")[0]


def commands(page: Path) -> Iterator[list[str]]:
    """Return the words behind ``mpi_collector`` of every command of a page."""
    text = re.sub(r"\\\n\s*", " ", page.read_text())
    for line in re.findall(r"^(?:    |\t)(\S.*)$", text, flags=re.M):
        if re.match(
            r"(mpi_collector|mpi-collector|mpirun|srun|docker|python -m mpi_collector)\s", line
        ):
            words = shlex.split(line, comments=True)
            at = next(
                (n for n, w in enumerate(words) if w in ("mpi_collector", "mpi-collector")), None
            )
            if at is not None:
                yield [w for w in words[at + 1 :] if not w.startswith("|")]


class Understood(Exception):
    """The command line was parsed; do not run the verb."""


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_command_lines_of_the_docs(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command line on the page is accepted by the parser of its verb."""
    parse = argparse.ArgumentParser.parse_args

    def parse_only(*args: Any, **kwargs: Any) -> None:
        parse(*args, **kwargs)
        raise Understood

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    found = list(commands(page))
    assert found or page.stem not in {
        "README",
        "index",
        "analysis",
        "tutorial-slurm",
        "tutorial-mlpstorage",
        "tutorial-containers",
    }
    for words in found:
        try:
            main(words)
        except Understood:
            continue
        except SystemExit:
            pytest.fail(f"{' '.join(words)}: {capsys.readouterr().err}")
        pytest.fail(f"{' '.join(words)}: no command line")


def test_the_site_has_every_page_and_every_link_leads_somewhere() -> None:
    """The checks of ``mkdocs build --strict``, without mkdocs."""
    pages = {p.name for p in (ROOT / "docs").glob("*.md")}
    assert set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), flags=re.M)) == pages
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            assert link.startswith("http") or (page.parent / link).exists(), f"{page.name}: {link}"
