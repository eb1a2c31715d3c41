"""COMMAND's environment: what the launcher put there goes, what the user had stays."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from mpi_collector.benchmark.environment import (
    find_launcher_pid,
    has_no_stdin,
    launcher_environment,
    original_command,
    original_environment,
)


def process(
    proc: Path,
    pid: int,
    parent: int,
    name: str,
    words: str = "",
    environ: Mapping[str, str] | None = None,
) -> None:
    """A process in a /proc of a test."""
    place = proc / str(pid)
    place.mkdir(parents=True)
    (place / "comm").write_text(name[:15] + "\n")
    (place / "stat").write_text(f"{pid} ({name[:15]}) S {parent} 0 0\n")
    (place / "cmdline").write_bytes("".join(f"{w}\0" for w in words.split()).encode())
    (place / "environ").write_bytes(
        "".join(f"{k}={v}\0" for k, v in (environ or {}).items()).encode()
    )


@pytest.mark.parametrize(
    "name",
    ["mpirun", "mpirun.openmpi", "mpiexec.hydra", "prterun", "mpiexec.mpich", "hydra_pmi_proxy"],
)
def test_launchers_by_all_their_names(tmp_path: Path, name: str) -> None:
    """Debian's alternatives have an ending of their own, and long names are cut by the kernel."""
    process(tmp_path, 10, 1, "bash")
    process(tmp_path, 20, 10, name, f"/usr/bin/{name} -np 2 -- prog --mapby x")
    assert find_launcher_pid(20, tmp_path) == 20
    assert original_command(["prog", "--mapby", "y"], 20, tmp_path) == ["prog", "--mapby", "x"]


def test_what_is_no_launcher(tmp_path: Path) -> None:
    """A program whose name only begins like one of a launcher."""
    process(tmp_path, 20, 1, "mpirunner", "mpirunner -- prog")
    assert find_launcher_pid(20, tmp_path) is None


def test_variables_that_mpirun_gave_to_itself(tmp_path: Path) -> None:
    """Open MPI 5's mpirun sets some and becomes prterun: they are in its environ, and yet not the user's."""
    own = {
        "PATH": "/bin",
        "OMPI_MCA_btl": "tcp",
        "OMPI_VERSION": "5.0.11",
        "PMIX_PREFIX": "/wheel",
        "OMPI_TOOL_NAME": "mpirun",
    }
    process(tmp_path, 10, 1, "bash", environ={"PMIX_PREFIX": "/site"})
    process(tmp_path, 20, 10, "prterun", environ=own)
    current = {**own, "OMPI_COMM_WORLD_RANK": "0", "PMIX_RANK": "0", "HOME": "/root"}
    assert original_environment(current, launcher_environment(20, tmp_path)) == {
        "PATH": "/bin", "HOME": "/root", "OMPI_MCA_btl": "tcp", "PMIX_PREFIX": "/wheel",
    }  # fmt: skip
    assert original_environment(current, None) == {"PATH": "/bin", "HOME": "/root"}
    assert launcher_environment(os.getpid()) is not None


@pytest.mark.parametrize(
    ("mpirun", "kept"), [("OPAL_PREFIX", False), ("OPAL_PREFIX OMPI_VERSION", True), ("", True)]
)
def test_prefix_of_a_wheel(tmp_path: Path, mpirun: str, kept: bool) -> None:
    """OPAL_PREFIX is a site's setting, unless the wrapper around a wheel's mpirun has made it: another Open MPI fails by it."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mpirun").write_text(mpirun)
    process(tmp_path, 10, 1, "bash")
    process(tmp_path, 20, 10, "prterun", environ={"OPAL_PREFIX": str(tmp_path)})
    current = {"OPAL_PREFIX": str(tmp_path)}
    assert original_environment(current, launcher_environment(20, tmp_path)) == (
        current if kept else {}
    )


@pytest.mark.parametrize(("name", "source", "nothing"), [
    ("prterun", "/dev/null", True), ("prterun", "pipe:[1]", False), ("prted", "/dev/null", False), ("srun", "/dev/pts/1", False),
])  # fmt: skip
def test_a_launcher_without_input(tmp_path: Path, name: str, source: str, nothing: bool) -> None:
    """Only the head of a launcher tells: its daemons on other hosts have no input of their own."""
    process(tmp_path, 20, 1, name)
    (tmp_path / "20" / "fd").mkdir()
    (tmp_path / "20" / "fd" / "0").symlink_to(source)
    assert has_no_stdin(20, tmp_path) is nothing
    assert not has_no_stdin(None, tmp_path)
