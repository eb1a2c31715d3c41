"""What a run says of its COMMAND: where its data lies, and none of its secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpi_collector.benchmark.run_document import discreet
from mpi_collector.cli.sampling import directories_of


def test_directories_of_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Directories, those of files and of files to be, relative ones, and places that only the hosts have; no programs."""
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "trace.bin").write_text("")
    (tmp_path / "tool").write_text("")
    (tmp_path / "tool").chmod(0o755)
    (tmp_path / "workload").mkdir()
    monkeypatch.chdir(tmp_path)
    here = str(tmp_path)

    def found(*command: str) -> list[str]:
        first, *rest = directories_of(Path("results"), ["prog", *command])
        assert first == f"{here}/results"
        return rest

    assert found(f"{here}/data", "-n", "4") == [f"{here}/data"]
    assert found("++workload.dataset.data_folder=data/deep") == [f"{here}/data/deep"]
    assert found("./data/") == [f"{here}/data"]
    assert found(f"{here}/trace.bin") == [here]
    assert found(f"--filename={here}/data/to-be") == [f"{here}/data"]
    assert found("--dir=/only/on/the/hosts") == ["/only/on/the/hosts"]
    assert (
        found(f"{here}/tool", "workload", "workload=unet3d", "/only/on/the/hosts", "-x", "", "\0/")
        == []
    )
    assert len(found(*(f"--d=/far/{n}" for n in range(99)))) == 15


def test_secrets_of_a_command() -> None:
    """By the name of the option; counts of tokens are none."""
    command = ["vdb", "--password", "hunter2", "--s3-secret-key=hunter2", "++storage.access_key=hunter2", "--token=hunter2", "--api-key",
               "hunter2", "http://joe:hunter2@db/x", "--DB_PASSWD=hunter2"]  # fmt: skip
    assert "hunter2" not in " ".join(discreet(command) or [])
    plain = [
        "kv",
        "--max-tokens",
        "128",
        "--num_tokens=7",
        "--token",
        "--x",
        "--key-size",
        "8",
        "passwords.txt",
        "--token=512",
    ]
    assert discreet(plain) == plain
    assert discreet(None) is None
