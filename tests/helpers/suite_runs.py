"""Runs of ``mpi_collector mlpstorage`` with the stand-in of the suite."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suite_standin import StandIn, build

#: ARGS of the same run in both forms of the suite's command line, {whether it is January's: words}
ARGS = {
    True: "training run --model unet3d --open",
    False: "open training unet3d run file",
}
OWN = "the suite's own"
PARAMETERS = ("--num-accelerators", 2, "--accelerator-type", "h100", "--params", "dataset.num_files_train=6")  # fmt: skip


def adopt_words(results: Path, january: bool, *args: object, options: str = "") -> list[str]:
    """Return the words of the verb with a short interval; ``args`` go to the suite."""
    fast = ["--timeseries-interval", "0.1", "--sources", "basic", "--spool-dir", results.parent]
    suite = [*ARGS[january].split(), "--results-dir", results, *args]
    words = [sys.executable, "-m", "mpi_collector", "mlpstorage", *fast, *options.split(), "--"]
    return [*map(str, words), *map(str, suite)]


def adopt(
    suite: StandIn, results: Path, january: bool, *args: object, options: str = "", **env: str
) -> subprocess.CompletedProcess[str]:
    """Run the verb."""
    return subprocess.run(
        adopt_words(results, january, *args, options=options),
        capture_output=True,
        text=True,
        timeout=120,
        env={**suite.environ, **env},
        cwd=results.parent,
        check=False,
    )


def run_directory(results: Path) -> Path:
    """Return the only directory with a metadata file."""
    (path,) = (p.parent for p in results.rglob("*_metadata.json"))
    return path


@dataclass(frozen=True)
class AdoptedRun:
    """A run that has ended, which several tests judge."""

    suite: StandIn
    january: bool
    results: Path
    done: subprocess.CompletedProcess[str]
    changed: bool  #: whether a file of the suite is another one than before

    @property
    def directory(self) -> Path:
        return run_directory(self.results)

    @property
    def ours(self) -> Path:
        """The folder with our files."""
        (path,) = self.directory.glob("mpi_collector_*")
        return path

    @classmethod
    def make(
        cls, directory: Path, january: bool, *args: object, options: str = "", **build_as: Any
    ) -> AdoptedRun:
        """Build the stand-in in ``directory`` and run it there."""  # fmt: skip
        suite = build(directory / "suite", january, **build_as)
        image = suite.image()
        done = adopt(suite, directory / "results", january, *args, options=options)
        return cls(suite, january, directory / "results", done, suite.image() != image)
