"""What a run says of its COMMAND: where its data lies, read from its words."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    shell = f"dd if=/dev/zero of={here}/data/f bs=1M; (cd {here}/workload && cat '{here}/data/deep/x') | wc"
    assert found("-c", shell) == [f"{here}/data", f"{here}/workload", f"{here}/data/deep"]
    assert found("if=/dev/zero", "of=/dev/nvme0n1", "/proc/self/x", "/dev/shm/x") == ["/dev/shm"]
    assert found("-c", "echo it's=/far; ls") == ["/far;"]
    (tmp_path / "a b").mkdir()
    assert found(f"{here}/a b", f"--d={here}/a b") == [f"{here}/a b"]
    assert len(found(*(f"--d=/far/{n}" for n in range(99)))) == 15
