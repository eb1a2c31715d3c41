"""mpi_collector as pip installs it: a wheel of this tree in a virtual environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: what a wheel is made of
_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "mpi_collector")
#: interpreters that may have what builds a wheel without a network
_BUILDERS = (sys.executable, "/usr/bin/python3")


def install(into: Path) -> Path:
    """Install this tree into a new environment ``into / "venv"``; return its folder of programs.

    Its dependencies are those of the running interpreter. Skips the test where no wheel can be built.
    """
    wheel = make_wheel(into)
    venv = into / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True, timeout=120)
    python = venv / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"]
    done = _run([*pip, "--no-index", wheel])
    assert done.returncode == 0, done.stderr
    (site,) = venv.glob("lib/python3*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return venv / "bin"


def clone(python: str, into: Path, wheel: Path) -> Path:
    """Copy the environment of ``python``, with its MPI, to ``into``; install ``wheel`` in place of this tree.

    Returns its folder of programs.
    """
    subprocess.run(["cp", "-al", Path(python).parents[1], into], check=True, timeout=120)
    pip = [sys.executable, "-m", "pip", "--python", into / "bin" / "python", "install", "--quiet"]
    done = _run([*pip, "--no-deps", "--no-index", "--force-reinstall", wheel])
    assert done.returncode == 0, done.stderr
    return into / "bin"


def environment(programs: Path, **more: str) -> dict[str, str]:
    """Return an environment in which ``programs`` comes first and this tree is not importable."""
    return {**_without_this_tree(), "PATH": f"{programs}:{os.environ['PATH']}", **more}


def _without_this_tree() -> dict[str, str]:
    """Return the environment without what makes this tree importable, and so installed for pip."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}


@cache
def _builder() -> str | None:
    """Return an interpreter that can build a wheel without a network, None if there is none."""
    for python in _BUILDERS:
        program = "import pip, wheel, setuptools as s; assert int(s.__version__.split('.')[0]) > 60"
        if shutil.which(python) and not _run([python, "-c", program]).returncode:
            return python
    return None


def make_wheel(into: Path) -> Path:
    """Return a wheel of this tree, made below ``into``. Skips the test where none can be built."""
    tree = into / "tree"
    tree.mkdir()
    for name in _SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    builder = _builder()
    offline = ["--no-build-isolation", "--no-index"] if builder else []
    done = _run([builder or sys.executable, "-m", "pip", "wheel", "--no-deps", *offline,
                 "-w", into / "wheels", tree])  # fmt: skip
    if done.returncode:
        pytest.skip(f"no wheel can be built here: {done.stderr.strip().splitlines()[-1:]}")
    (wheel,) = (into / "wheels").glob("*.whl")
    return wheel


def _run(argv: list[object]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, argv)),
        env=_without_this_tree(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
