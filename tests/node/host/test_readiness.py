"""What ``check`` finds on a host that may wipe a spool, or be too small for it; hosts are made of files."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpi_collector.node.host import readiness
from mpi_collector.node.host.readiness import check_host

HOST = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
25 22 0:22 / /dev/shm rw,nosuid,nodev shared:4 - tmpfs tmpfs rw
30 22 0:30 / /a\\040b rw - nfs4 server:/x rw
31 22 0:31 / /local rw shared:9 - xfs /dev/sdb rw
"""
JOB = HOST.replace("shared:", "master:").replace(
    "/dev/shm rw,nosuid,nodev master:4", "/dev/shm rw,nosuid,nodev"
)


def make(root: Path, files: dict[str, str]) -> Path:
    for name, text in {
        "proc/self/mountinfo": HOST,
        "dev/shm/.": "",
        "run/systemd/seats/.": "",
        **files,
    }.items():
        path = root / name
        if name.endswith("/."):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def hazards(
    root: Path, files: dict[str, str], uid: int = 4242, spool_dir: str = "/dev/shm", **environ: str
) -> str:
    found = check_host(spool_dir, str(make(root, files)), uid, environ)["hazards"]
    return "; ".join(h for h in found if "holds only" not in h and "may grow" not in h)


def conf(value: str) -> str:
    return f"[Login]\n#KillUserProcesses=no\nRemoveIPC={value}\n"


MAIN, DROP = "etc/systemd/logind.conf", "etc/systemd/logind.conf.d/{}.conf"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "RemoveIPC=yes (logind's default)"),
        ({MAIN: "[Login]\n#RemoveIPC=no\n"}, ""),
        ({MAIN: "[Login]\n#RemoveIPC=yes\n"}, "logind's default"),
        ({MAIN: conf("no")}, ""),
        ({MAIN: conf("On")}, "RemoveIPC=yes (/etc/systemd/logind.conf)"),
        ({MAIN: "[Other]\nRemoveIPC=no\n"}, "logind's default"),
        ({MAIN: "[Login]\nRemoveIPC=\nRemoveIPC=perhaps\n"}, "logind's default"),
        (
            {MAIN: conf("no"), DROP.format("50"): conf("yes")},
            "RemoveIPC=yes (/etc/systemd/logind.conf.d/50.conf)",
        ),
        ({MAIN: conf("yes"), DROP.format("50"): conf("no")}, ""),
        ({DROP.format("50"): conf("no"), DROP.format("60"): conf("yes")}, "60.conf"),
        ({"usr/lib/systemd/logind.conf.d/90.conf": conf("no"), DROP.format("10"): conf("yes")}, ""),
        ({"usr/lib/systemd/logind.conf.d/50.conf": conf("yes"), DROP.format("50"): conf("no")}, ""),
        ({"usr/lib/systemd/logind.conf": conf("yes"), MAIN: conf("no")}, ""),
        ({"usr/lib/systemd/logind.conf": conf("no"), MAIN: "[Login]\n"}, "logind's default"),
        ({"etc/systemd/logind.conf.d/50.txt": conf("no")}, "logind's default"),
        ({f"var/lib/systemd/linger/{pwd.getpwuid(0).pw_name}": ""}, "logind's default"),
        ({MAIN: "\x00" * 5000 + "\xff=[Login"}, "logind's default"),
    ],
)
def test_remove_ipc(tmp_path: Path, files: dict[str, str], says: str) -> None:
    """By logind.conf(5): the main file that counts most, drop-ins by name, namesakes replaced, only section [Login]."""
    found = hazards(tmp_path, files)
    assert says in found
    assert bool(found) == bool(says)
    assert not says or "--rescue-dir" in found


def test_who_is_not_affected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """System users, hosts without logind, spools elsewhere, users who linger."""
    files = {MAIN: conf("yes"), "local/.": ""}
    assert hazards(tmp_path, files)
    assert not hazards(tmp_path, files, uid=999)
    assert not hazards(tmp_path, files, uid=0)
    assert "RemoveIPC" not in hazards(tmp_path, files, spool_dir="/local")
    monkeypatch.setattr(readiness.pwd, "getpwuid", lambda uid: pwd.getpwnam("root"))
    assert hazards(tmp_path, files)
    make(tmp_path, {"var/lib/systemd/linger/root": ""})
    assert not hazards(tmp_path, files)
    monkeypatch.undo()
    (tmp_path / "run/systemd/seats").rmdir()
    assert not check_host("/dev/shm", str(tmp_path), 4242, {})["hazards"][1:]


SLURM = "ClusterName=x\nJobContainerType=job_container/tmpfs\n"


@pytest.mark.parametrize(
    ("files", "environ", "says"),
    [
        ({}, {}, ""),
        ({}, {"SLURM_JOB_ID": "7"}, ""),
        ({"proc/self/mountinfo": JOB}, {"SLURM_JOB_ID": "7"}, "this job has a /dev/shm of its own"),
        ({"proc/self/mountinfo": JOB}, {}, ""),
        ({"proc/self/mountinfo": HOST.replace("shared:", "master:")}, {"SLURM_JOB_ID": "7"}, ""),
        ({"etc/slurm/slurm.conf": SLURM}, {}, "job_container/tmpfs"),
        ({"run/slurm/conf/slurm.conf": SLURM}, {}, "job_container/tmpfs"),
        ({"etc/slurm/slurm.conf": "#" + SLURM.replace("\n", "\n#")}, {}, ""),
        ({"etc/slurm/slurm.conf": "JobContainerType=job_container/none\n"}, {}, ""),
        (
            {
                "etc/slurm/slurm.conf": SLURM,
                "etc/slurm/job_container.conf": "AutoBasePath=true\nDirs=/tmp\n",
            },
            {},
            "",
        ),
        (
            {"etc/slurm/slurm.conf": SLURM, "etc/slurm/job_container.conf": "Dirs=/tmp,/dev/shm\n"},
            {},
            "job_container/tmpfs",
        ),
        (
            {
                "usr/bin/scontrol": "#!/bin/sh\necho 'JobContainerType        = job_container/tmpfs'\n"
            },
            {"SLURM_JOB_ID": "7"},
            "job_container",
        ),
        (
            {
                "etc/slurm/slurm.conf": "Epilog=/etc/slurm/epilog.d/*\n",
                "etc/slurm/epilog.d/10-clean": "#!/bin/sh\nrm -rf /dev/shm/*\n",
            },
            {},
            "/etc/slurm/epilog.d/10-clean, which runs after every job",
        ),
        (
            {
                "etc/slurm/slurm.conf": "Epilog=/etc/slurm/epilog\n",
                "etc/slurm/epilog": "# not /dev/shm\nrm -rf /scratch/$SLURM_JOB_ID\n",
            },
            {},
            "",
        ),
        (
            {
                "etc/slurm/slurm.conf": "#Epilog=/etc/slurm/epilog\n",
                "etc/slurm/epilog": "rm -rf /dev/shm/*\n",
            },
            {},
            "",
        ),
        ({"etc/slurm/slurm.conf": "Epilog=/no/such/job\n"}, {}, ""),
        (
            {
                "usr/bin/scontrol": "#!/bin/sh\necho 'Epilog[0]               = /opt/e.sh'\n",
                "opt/e.sh": "find /dev/shm -user $U -delete\n",
            },
            {"SLURM_JOB_ID": "7"},
            "/opt/e.sh, which runs after every job",
        ),
        (
            {"var/spool/pbs/mom_priv/epilogue": "rm -f /dev/shm/*\n"},
            {},
            "/var/spool/pbs/mom_priv/epilogue, which runs after every job",
        ),
        ({"usr/bin/scontrol": "#!/bin/sh\nsleep 60\n"}, {"SLURM_JOB_ID": "7"}, ""),
        ({"usr/bin/scontrol": "#!/bin/sh\nexit 1\n"}, {"SLURM_JOB_ID": "7"}, ""),
    ],
)
def test_slurm(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, str],
    environ: dict[str, str],
    says: str,
) -> None:
    monkeypatch.setattr(readiness, "SCONTROL_S", 0.3)
    make(tmp_path, files)
    scontrol = tmp_path / "usr/bin/scontrol"
    if scontrol.exists():
        scontrol.chmod(0o755)
    found = check_host("/dev/shm", str(tmp_path), 0, environ)["hazards"]
    text = "; ".join(h for h in found if "job" in h)
    assert says in text
    assert bool(text) == bool(says)


@pytest.mark.parametrize(
    ("kind", "total", "memory", "says"),
    [
        ("tmpfs", 64 << 20, 8 << 30, "holds only 67 MB"),
        ("tmpfs", 4 << 30, 8 << 30, ""),
        ("tmpfs", 8 << 30, 8 << 30, ""),
        ("tmpfs", 9 << 30, 8 << 30, "more than the memory"),
        ("tmpfs", 9 << 30, 0, ""),
        ("tmpfs", 0, 8 << 30, ""),
        ("ramfs", 0, 8 << 30, ""),
        ("xfs", 1 << 40, 8 << 30, "is xfs, not memory"),
        (None, 1 << 20, 0, ""),
    ],
)
def test_sizes(kind: str | None, total: int, memory: int, says: str) -> None:
    (found,) = readiness.size_hazards("/dev/shm", kind, total, memory) or [""]
    assert says in found and bool(says) == bool(found)


def test_where_it_is(tmp_path: Path) -> None:
    """The innermost mount counts, names with blanks too; a directory that is not there is said."""
    make(tmp_path, {"local/x/.": "", "a b/.": ""})
    assert check_host("/dev/shm", str(tmp_path), 0, {})["file_system"] == "tmpfs"
    assert check_host("/local/x", str(tmp_path), 0, {})["file_system"] == "xfs"
    assert check_host("/a b", str(tmp_path), 0, {})["file_system"] == "nfs4"
    assert check_host("/localish", str(tmp_path), 0, {})["file_system"] == "ext4"
    doc = check_host("/nowhere", str(tmp_path), 0, {})
    assert doc["free_bytes"] is None and "No such file" in doc["failures"][0]


@given(
    st.text(max_size=60) | st.text(alphabet="ab1 -:/\\0", max_size=60),
    st.text(alphabet="[]Login#RemvIPC=yes\n ", max_size=80),
)
@settings(max_examples=100, deadline=None)
def test_any_text(tmp_path_factory: pytest.TempPathFactory, mounts: str, login: str) -> None:
    root = make(tmp_path_factory.getbasetemp() / "any", {})
    for name, text in (
        ("proc/self/mountinfo", mounts),
        (MAIN, login),
        ("etc/slurm/slurm.conf", login),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert isinstance(
        check_host("/dev/shm", str(root), 4242, {"SLURM_JOB_ID": "1"})["hazards"], list
    )


def test_this_host() -> None:
    doc = check_host("/dev/shm")
    assert doc["free_bytes"] is None or doc["free_bytes"] >= 0
    assert os.path.isdir("/dev/shm") == (doc["free_bytes"] is not None)
