"""Secrets are removed from mount options, environment variables and COMMAND."""

from __future__ import annotations

from mpi_collector.node.host.secrets import hide_in_command


def test_secrets_of_a_command() -> None:
    """Values are hidden by the name of their option; a count of tokens is not a secret."""
    command = ["vdb", "--password", "hunter2", "--s3-secret-key=hunter2", "++storage.access_key=hunter2", "--token=hunter2", "--api-key",
               "hunter2", "http://joe:hunter2@db/x", "--DB_PASSWD=hunter2"]  # fmt: skip
    assert "hunter2" not in " ".join(hide_in_command(command))
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
    assert hide_in_command(plain) == plain
