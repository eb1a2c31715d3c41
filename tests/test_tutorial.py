"""The commands of docs/tutorial-laptop.md are run; those of all pages are parsed."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from documented import SHELLS, command_lines, commands, unknown_lines
from installed import environment

from mpi_collector.cli.main import main

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "tutorial-laptop.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
#: pages that tell how to do something
WITH_COMMANDS = {
    "README",
    "index",
    "analysis",
    "why",
    *(p.stem for p in PAGES if "tutorial" in p.stem),
}
#: languages of code blocks that are no shell's
OTHER_LANGUAGES = {"python", "text", "json"}


def test_the_laptop_tutorial(tmp_path: Path, programs: Path) -> None:
    """With what pip installs: the name of the program is the one that users type."""
    work = tmp_path / "work"
    work.mkdir()
    blocks = re.findall(r"^```sh\n(.*?)^```", TEXT, flags=re.M | re.S)
    assert len(blocks) >= 6
    environ = environment(programs)
    said = ""

    def run(block: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-e", "-c", block],
            cwd=work,
            env=environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    for block in blocks:
        done = run(block)
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        said += done.stdout
    assert "complete ['write', 'read']" in said or "partial ['write', 'read']" in said
    assert "B / A" in said
    # what other pages do with a recording (the report was made above)
    (work / "old").mkdir()
    written = next((work / "results").glob("*_timeseries.json"))
    shutil.copy(written, work / "old" / "training_20260105_120000_timeseries.json")
    for page in ("README.md", "docs/tutorial-mlpstorage.md"):
        for line in command_lines(ROOT / page):
            if re.match(r"mpi_collector (why|compare|export) ", line):
                done = run(line)
                assert done.returncode == 0 or "--fail-if" in line, done.stderr
                assert "Traceback" not in done.stderr
    assert re.search(r"\d+ rows while it read", said)
    assert "MemTotal" not in said.partition("interface")[0]


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
    assert found or page.stem not in WITH_COMMANDS
    assert not unknown_lines(page)
    for words in found:
        with pytest.raises((Understood, SystemExit)) as ended:
            main(words)
        assert ended.type is Understood, f"{' '.join(words)}: {capsys.readouterr().err}"


def test_languages_of_code_blocks() -> None:
    """A block of an unknown language would be read by no test."""
    for page in PAGES:
        found = set(re.findall(r"^```(\w+)$", page.read_text(), flags=re.M))
        assert found <= SHELLS | OTHER_LANGUAGES, page.name


def test_the_site_has_every_page_and_every_link_leads_somewhere() -> None:
    """The checks of ``mkdocs build --strict``, without mkdocs."""
    pages = {p.name for p in (ROOT / "docs").glob("*.md")}
    assert set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), flags=re.M)) == pages
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            assert link.startswith("http") or (page.parent / link).exists(), f"{page.name}: {link}"
