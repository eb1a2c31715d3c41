"""The commands of docs/tutorial-laptop.md are run; those of all pages are parsed."""

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
PROGRAM = r"mpi[_-]collector"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
#: pages without a command line of this program
WITHOUT_COMMANDS = {
    "CONTRIBUTING",
    "adding-a-source",
    "architecture",
    "figures",
    "format",
    "glossary",
    "metrics",
    "mlpstorage",
    "performance",
    "reliability",
    "scaling",
    "when-it-does-not-start",
}


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
    """Return the words behind ``mpi_collector`` of every command in the page's code blocks."""
    text = re.sub(r"\\\n\s*", " ", page.read_text())
    for block in blocks_of(text):
        for line in block.splitlines():
            if re.match(rf"({PROGRAM}|mpirun|srun|docker|python3? -m mpi_collector)\s", line):
                words = shlex.split(line, comments=True)
                at = next((n for n, w in enumerate(words) if re.fullmatch(PROGRAM, w)), None)
                if at is not None:
                    behind = words[at + 1 :]
                    end = (n for n, w in enumerate(behind) if w in ("|", "||", "&&", ">", "<"))
                    yield behind[: next(end, None)]


def blocks_of(text: str) -> Iterator[str]:
    """Return the code blocks of a page: indented ones, and those of a shell or of no language."""
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.M | re.S):
        if language in ("", "sh", "bash", "console"):
            yield block
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    yield from re.findall(r"^(?:    |\t)(\S.*)$", text, flags=re.M)


class Understood(BaseException):
    """The command line was parsed; do not run the verb. Nothing in the program catches it."""


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
    assert bool(found) == (page.stem not in WITHOUT_COMMANDS), found
    for words in found:
        with pytest.raises((Understood, SystemExit)) as ended:
            main(words)
        assert ended.type is Understood, f"{' '.join(words)}: {capsys.readouterr().err}"


def test_the_site_has_every_page_and_every_link_leads_somewhere() -> None:
    """The checks of ``mkdocs build --strict``, without mkdocs."""
    pages = {p.name for p in (ROOT / "docs").glob("*.md")}
    assert set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), flags=re.M)) == pages
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            assert link.startswith("http") or (page.parent / link).exists(), f"{page.name}: {link}"
