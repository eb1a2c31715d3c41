"""Hosts that cannot be recorded, on real sshds, by shells, keys, limits and mounts: the message names the cause."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bed import Bed, hosts, missing_for_bed

#: {host: (start-up file, shell)} of the account there
ACCOUNTS = {
    1: ("[ -t 0 ] || exit 0\n", "/bin/bash"),
    2: ("", "/usr/sbin/nologin"),
    3: ("read -t 1 x\n", "/bin/bash"),
    4: ("echo Quota exceeded; exit 3\n", "/bin/bash"),
    5: ("echo 'Welcome to node5'\n", "/bin/bash"),
}
CHANGED_KEY = 6
READ_ONLY = 7  #: its /dev/shm
FEW_FILES = 8  #: that a login may open
SAID = {
    1: r"login shell ended before our command \(exit 0, said nothing\)",
    2: r"login shell ended before our command \(exit 1, said This account is currently not available",
    3: r"login shell read our first line",
    4: r"login shell ended before our command \(exit 3, said Quota exceeded\)",
    READ_ONLY: r"no spool can be made: /dev/shm/mpi_collector-\d+: Read-only file system",
    FEW_FILES: r"128 files cannot be open at once: Too many open files \(ulimit -n\)",
    6: r"host key has changed, .*known_hosts:\d+ has another one; if the host was reinstalled: ssh-keygen .*-R node6",
}


@pytest.fixture(scope="module")
def odd_accounts() -> Iterator[Bed]:
    """Hosts on which root has another home directory and shell than on the machine."""
    if missing := missing_for_bed():
        pytest.skip(missing)
    with hosts(8, pythons=[sys.executable]) as bed:
        passwd = Path("/etc/passwd").read_text()
        for host, (text, shell) in ACCOUNTS.items():
            home = bed.directory(f"home{host}-")
            (home / ".bashrc").write_text(text)
            own = bed.share / f"passwd{host}"
            own.write_text(re.sub(r"(?m)^(root:.*):[^:]*:[^:]*$", rf"\1:{home}:{shell}", passwd))
            bed.script("exec", str(host), "mount", "--bind", str(own), "/etc/passwd")
        bed.script("exec", str(READ_ONLY), "mount", "-o", "remount,ro", "/dev/shm")
        limit = "prlimit --nofile=96:96 --pid $(cat /run/sshd.pid)"
        bed.script("exec", str(FEW_FILES), "sh", "-c", limit)
        known = Path(f"/tmp/testbed-state-{bed.name}/known_hosts")
        lines = known.read_text().splitlines()
        (wrong,) = [line.split()[2] for line in lines if line.startswith("node1,")]
        known.write_text("".join(
            re.sub(rf"^(node{CHANGED_KEY},\S+ \S+) .*", rf"\1 {wrong}", line) + "\n" for line in lines
        ))  # fmt: skip
        yield bed


def test_messages_of_check(odd_accounts: Bed) -> None:
    """Each host in a line of the table; one whose shell only talks is fit, and told so."""
    bed = odd_accounts
    argv = [
        sys.executable,
        "-m",
        "mpi_collector",
        "check",
        "--ssh-timeout",
        "15",
        "--hosts",
        "node[1-8]",
    ]
    job = bed.run(0, argv, COLUMNS="400")
    table = {
        line.split()[0]: line for line in job.out.decode().splitlines() if line.startswith("node")
    }
    for host, words in SAID.items():
        assert re.search(words, table[f"node{host}"]), table[f"node{host}"]
        assert " FAILED " in table[f"node{host}"]
    assert " ok " in table["node5"]
    assert "the login shell says 'Welcome to node5' to programs, too" in table["node5"]
    assert "cannot connect to this host" not in job.out.decode()
    assert "1 of 8 hosts can be recorded" in job.out.decode()
    assert job.process.returncode == 1
    assert job.err == ""


def test_messages_before_a_launch(odd_accounts: Bed) -> None:
    """The check of ranks says the same where the shell ends; it writes nothing that a shell could read."""
    bed = odd_accounts
    words = ["training", "run", "--hosts", "node[1-2,4,6]", "--transport", "mpi", "--results-dir"]
    argv = [
        sys.executable,
        "-m",
        "mpi_collector",
        *words,
        str(bed.directory("results")),
        "--",
        "echo",
        "ran",
    ]
    job = bed.run(0, argv)
    assert job.out == b"ran\n"
    for host in (1, 2, 4, 6):
        assert re.search(rf"node{host}: .*{SAID[host]}", job.err), job.err
