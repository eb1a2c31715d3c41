"""What an answer of a host means to somebody who has to mend it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from mpi_collector._version import __version__
from mpi_collector.transport.hosts import HostSpec
from mpi_collector.transport.launch import PROFILES, FoundLauncher, rank_variables
from mpi_collector.transport.launch.preflight import (
    check_by_launcher,
    check_command,
    check_ranks,
    judge,
)
from mpi_collector.transport.launch.preflight.answers import parse_versions


@pytest.mark.parametrize(
    ("code", "out", "err", "words"),
    [
        (0, f"mpi_collector is here {__version__}\n", "", ""),
        (0, f"Welcome!\nmpi_collector is here {__version__}\n", "banner", ""),
        (0, "mpi_collector is here 0.0.0\n", "", "has mpi_collector 0.0.0"),
        (
            255,
            "",
            "ssh: Could not resolve hostname nodex: Name or service not known\r\n",
            "cannot be reached over ssh",
        ),
        (127, "", "sh: 1: exec: /opt/python: not found", "install the same environment"),
        (
            1,
            "",
            "ModuleNotFoundError: No module named 'mpi4py'\x1b[2J",
            "No module named 'mpi4py'?",
        ),
        (0, "", "", "the login shell ended before our command (exit 0, said nothing)"),
        (
            1,
            "This account is currently not available.\n",
            "",
            "exit 1, said This account is currently",
        ),
        (1, "mpi_collector begins\n", "", "cannot run mpi_collector (no reason given)"),
        (1, "mpi_collector begins\n", "/opt/python: Command not found.\n", "has no "),
        (255, "", "", "cannot be reached over ssh: no reason given"),
    ],
)
def test_judge(code: int, out: str, err: str, words: str) -> None:
    said = judge(code, out, err)
    assert words in said
    assert bool(said) == bool(words)
    assert said.isprintable()


def test_names_that_are_refused_reach_no_ssh() -> None:
    found = check_ranks(
        [HostSpec("-oProxyCommand=x"), HostSpec("a;reboot")], None, 4, 5.0, {}
    ).problems
    assert list(found) == ["-oProxyCommand=x", "a;reboot"]
    assert all("not a host name" in why for why in found.values())


def test_answers_of_a_launcher(tmp_path: Path) -> None:
    """Hosts that do not answer while others do are broken; names that are not known, or silence, prove nothing."""
    hosts = [HostSpec("a"), HostSpec("b")]
    names = {"a": "a", "b": "b"}

    def broken(*lines: str, error: str = "error: execve(): /x/python: not there") -> dict[str, str]:
        script = tmp_path / "launcher"
        script.write_text(
            "".join(f"echo '{line}'\n" for line in lines) + f"echo '{error}' >&2; exit 2\n"
        )
        return check_by_launcher(["sh", str(script)], os.environ, names, hosts, 20).problems

    here = f"mpi_collector is here {__version__}"
    assert broken(f"{here} a.example boot 1", "noise", f"{here} b boot 2") == {}
    assert list(broken(f"{here} a.example boot 1")) == ["b"]
    assert "execve(): /x/python: not there" in broken(f"{here} a boot 1")["b"]
    assert (
        "has mpi_collector 0.0.0"
        in broken(f"{here} a boot 1", "mpi_collector is here 0.0.0 b boot 2")["b"]
    )
    assert broken(f"{here} a boot 1", error="") == {}
    by_address = {"192.0.2.1": "a", "192.0.2.2": "b"}
    names.clear()
    names.update(by_address)
    assert list(broken(f"{here} w boot m 1 192.0.2.1,fe80::1")) == ["b"]
    assert list(broken(f"{here} w boot m 1 192.0.2.2")) == ["a"]
    names.update({"a": "a", "b": "b"})
    assert (
        broken(f"{here} nid1 boot 1")
        == broken(f"{here} nid1 boot 1", f"{here} a boot 2")
        == broken()
        == {}
    )


def test_modules_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """numpy and mpi4py by PYTHONPATH and libmpi by LD_LIBRARY_PATH: asked as the ranks will have them, in a bare session."""
    plain = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info[1]}"
    if sys.prefix == sys.base_prefix or not plain.exists():
        pytest.skip("not in a virtual environment")
    site, home = sysconfig.get_paths()["platlib"], Path(sys.prefix) / "lib"
    if not list(home.glob("libmpi.so*")):
        pytest.skip("no MPI wheel in this environment")
    monkeypatch.setattr(sys, "executable", str(plain))
    profile = next(p for p in PROFILES if p.name == "Open MPI 5")
    found = FoundLauncher(profile, "/opt/site/bin/mpirun", "5", "")
    library = next(str(path) for path in sorted(home.glob("libmpi.so.*")))

    def asked(**environ: str) -> tuple[str, dict[str, str]]:
        command = check_command(rank_variables(found, environ))
        bare = {"PATH": "/usr/bin:/bin", "HOME": "/"}
        done = subprocess.run(
            ["sh", "-c", command], env=bare, capture_output=True, text=True, cwd="/"
        )
        return judge(done.returncode, done.stdout, done.stderr), parse_versions(done.stdout)

    problem, versions = asked(PYTHONPATH=site, LD_LIBRARY_PATH=str(home), MPI4PY_LIBMPI=library)
    assert problem == ""
    assert set(versions) == {"Python", "numpy", "mpi4py", "MPI"}
    assert versions["Python"].startswith(f"3.{sys.version_info[1]}.")
    assert "it is not installed" in asked(LD_LIBRARY_PATH=str(home))[0]
    missing, _ = asked(PYTHONPATH=site, MPI4PY_LIBMPI="/nonexistent.so")
    assert missing.startswith("mpi4py cannot be loaded by ")
    assert "install or load the same there" in missing


def test_variables_of_ranks() -> None:
    """What decides on modules and libraries, and the launcher's own libraries behind the user's; nothing else."""
    environ = {
        "PYTHONPATH": "/p",
        "LD_LIBRARY_PATH": "/l",
        "MPI4PY_MPIABI": "mpich",
        "HOME": "/h",
        "LD_PRELOAD": "/x",
    }
    by_name = {p.name: p for p in PROFILES}
    exported = rank_variables(
        FoundLauncher(by_name["Open MPI 5"], "/opt/o/bin/mpirun", "5", ""), environ
    )
    assert exported["LD_LIBRARY_PATH"] == "/l:/opt/o/lib:/opt/o/lib64"
    assert set(exported) == {"PYTHONPATH", "LD_LIBRARY_PATH", "MPI4PY_MPIABI"}
    whole = rank_variables(FoundLauncher(by_name["MPICH"], "/usr/bin/mpirun", "5", ""), environ)
    assert whole["LD_LIBRARY_PATH"] == "/l"
    assert whole["LD_PRELOAD"] == "/x"
    odd = check_command({"PYTHONPATH": "/a b;$(x)", "MPI4PY_X": "a\nb"})
    assert "'PYTHONPATH=/a b;$(x)'" in odd
    assert "MPI4PY_X" not in odd


def test_another_version_there() -> None:
    """Known although nothing else of it can be asked."""
    out = "mpi_collector begins\nmpi_collector has version 0.0.0\n"
    assert "has mpi_collector 0.0.0" in judge(1, out, "ModuleNotFoundError: No module named 'x'")
    out = f"mpi_collector begins\nmpi_collector has version {__version__}\n"
    assert "No module named 'numpy'" in judge(
        1, out, "ModuleNotFoundError: No module named 'numpy'"
    )
