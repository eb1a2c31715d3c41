"""The commands of docs/tutorial-laptop.md, one after the other, as somebody would type them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

TEXT = (Path(__file__).parents[1] / "docs" / "tutorial-laptop.md").read_text()


def test_the_laptop_tutorial(tmp_path: Path) -> None:
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    for name, words in (("mpi_collector", "-m mpi_collector"), ("python", "")):
        (bin_dir / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words} "$@"\n')
        (bin_dir / name).chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    blocks = re.findall(r"^```sh\n(.*?)^```", TEXT, flags=re.M | re.S)
    assert len(blocks) >= 6
    environ = {**os.environ, "PATH": f"{bin_dir}:{os.environ['PATH']}", "PYTHONPATH": str(Path(__file__).parents[1])}
    said = ""
    for block in blocks:
        done = subprocess.run(["sh", "-e", "-c", block], cwd=work, env=environ, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        said += done.stdout
    assert "complete ['write', 'read']" in said or "partial ['write', 'read']" in said
    assert "B / A" in said
    assert re.search(r"\d+ rows while it read", said)
    assert "MemTotal" not in said.partition("interface")[0]
