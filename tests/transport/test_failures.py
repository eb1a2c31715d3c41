"""What ssh, login shells, launchers and Python say when a host is not reached, and what is made of it."""

from __future__ import annotations

import pytest

from mpi_collector.transport.failures import BEGIN_MARK, launcher_failure, ssh_failure, telling_line

#: (what ssh and the shell said on stderr, words of our message)
SAID = {
    "changed key": (
        """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Someone could be eavesdropping on you right now (man-in-the-middle attack)!
It is also possible that a host key has just been changed.
The fingerprint for the ED25519 key sent by the remote host is
SHA256:9dBK.
Please contact your system administrator.
Add correct host key in /home/u/.ssh/known_hosts to get rid of this message.
Offending ECDSA key in /home/u/.ssh/known_hosts:12
  remove with:
  ssh-keygen -f "/home/u/.ssh/known_hosts" -R "node1"
Host key for [node1]:2222 has changed and you have requested strict checking.
Host key verification failed.
""",
        "host key has changed, /home/u/.ssh/known_hosts:12 has another one;"
        " if the host was reinstalled: ssh-keygen -R [node1]:2222",
    ),
    "changed key of the site": (
        "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n"
        "Offending ED25519 key in /etc/ssh/known_hosts:3\nHost key verification failed.\n",
        "/etc/ssh/known_hosts:3 has another one; if the host was reinstalled:"
        " ssh-keygen -f /etc/ssh/known_hosts -R HOST",
    ),
    "unknown key": (
        "No ED25519 host key is known for node1 and you have requested strict checking.\r\n"
        "Host key verification failed.\r\n",
        "its ED25519 host key is not known, and ssh is configured to require that:"
        " add it to known_hosts (ssh-keyscan node1)",
    ),
    "login": (
        "root@node1: Permission denied (publickey,password).\r\n",
        "root@node1: Permission denied (publickey,password): ssh must need no password",
    ),
    "open key": (
        "@@@\n@  WARNING: UNPROTECTED PRIVATE KEY FILE!  @\n@@@\n"
        "Permissions 0644 for '/home/u/.ssh/id' are too open.\n"
        "It is required that your private key files are NOT accessible by others.\n"
        "This private key will be ignored.\nu@node1: Permission denied (publickey).\n",
        "Permission denied (publickey): /home/u/.ssh/id may be read by others (chmod 600)",
    ),
    "jump host": (
        "ssh: Could not resolve hostname jump: Name or service not known\r\n"
        "kex_exchange_identification: Connection closed by remote host\r\n"
        "Connection closed by UNKNOWN port 65535\r\n",
        "ssh: Could not resolve hostname jump: Name or service not known",
    ),
    "no job there": (
        "Access denied by pam_slurm_adopt: you have no active jobs on this node\r\n"
        "Connection closed by 192.0.2.7 port 22\r\n",
        "Access denied by pam_slurm_adopt: you have no active jobs on this node",
    ),
    "crowded": (
        "kex_exchange_identification: read: Connection reset by peer\r\n"
        "Connection reset by 192.0.2.7 port 22\r\n",
        "Connection reset by 192.0.2.7 port 22",
    ),
    "configuration": (
        "/home/u/.ssh/config: line 3: Bad configuration option: foo\r\n"
        "/home/u/.ssh/config: terminating, 1 bad configuration options\r\n",
        "/home/u/.ssh/config: line 3: Bad configuration option: foo",
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_ssh(name: str) -> None:
    errors, words = SAID[name]
    said = ssh_failure(255, "", errors)
    assert words in said
    assert said.isprintable()


@pytest.mark.parametrize(
    ("code", "output", "errors", "words"),
    [
        (0, "", "", "ended before our command (exit 0, said nothing)"),
        (0, "Welcome\n", "", "(exit 0, said Welcome)"),
        (1, "", "quota exceeded\n", "(exit 1, said quota exceeded)"),
        (1, "This account is currently not available.\n", "", "said This account is currently not"),
        (1, "", "Password change required but no TTY available.\n", "Password change required"),
    ],
)
def test_login_shells_that_end(code: int, output: str, errors: str, words: str) -> None:
    said = ssh_failure(code, output, errors)
    assert words in said
    assert ".bashrc" in said


def test_what_our_command_says_itself() -> None:
    """Once it has begun, or where the shell found no program, ssh and the shell are not to blame."""
    assert ssh_failure(127, f"{BEGIN_MARK}\n", "mpi_collector: no python3") == ""
    assert ssh_failure(1, f"hello\n{BEGIN_MARK}\n", "") == ""
    assert ssh_failure(127, "", "sh: 1: exec: /opt/python: not found") == ""
    assert ssh_failure(1, "", "Traceback\nImportError: x") == ""


def test_the_shell_that_reads_our_first_line() -> None:
    errors = "Traceback (most recent call last):\nValueError: invalid literal for int() with base 10: b'import s'\n"
    said = ssh_failure(1, f"{BEGIN_MARK}\n", errors)
    assert said.startswith("the login shell read our first line")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("\n---\n", ""),
        ("Traceback:\n  File x\nModuleNotFoundError: No module named 'x'\n", "ModuleNotFoundError: No module named 'x'"),
        ("first\nsecond\n", "second"),
        ("ImportError: \n\nPLEASE READ THIS\n\nOriginal error was: libblas.so.3: cannot open\n", "Original error was: libblas.so.3: cannot open"),
        ("Connection closed by x\n", "Connection closed by x"),
        ("a\x1b[2Jb\n", "a?[2Jb"),
    ],
)  # fmt: skip
def test_telling_lines(text: str, line: str) -> None:
    assert telling_line(text) == line


_RULE = "-" * 74
LAUNCHERS = {
    "open mpi 5, control": (
        f"{_RULE}\nNo network interfaces were found for out-of-band communications. We require\n"
        f"at least one available network for out-of-band messaging.\n{_RULE}\n",
        "No network interfaces were found for out-of-band communications. We require at least one",
    ),
    "open mpi 5, ranks": (
        f"{_RULE}\nWARNING: An invalid value was given for btl_tcp_if_include.  This\nvalue will be ignored.\n\n"
        f"  Local host: vm\n  Value:      ib0\n  Message:    Unknown interface name\n{_RULE}\n {_RULE}\n"
        f"At least one pair of MPI processes are unable to reach each other for\nMPI communications.\n{_RULE}\n",
        "WARNING: An invalid value was given for btl_tcp_if_include. This value will be ignored. Local host: vm Value: ib0",
    ),
    "open mpi 4": (
        "[vm:1] [[16189,0],0] ORTE_ERROR_LOG: Out of resource in file ../orte/util/show_help.c at line 507\n"
        f"{_RULE}\nNone of the TCP networks specified to be included for out-of-band communications\ncould be found:\n\n"
        f"  Value given: ib0\n\nPlease revise the specification and try again.\n{_RULE}\n",
        "None of the TCP networks specified to be included for out-of-band communications could be found: Value given: ib0",
    ),
    "open mpi 6, ranks": (
        "[node3][[3605,1],1][../../opal/mca/btl/tcp/btl_tcp_proc.c:370:mca_btl_tcp_proc_create_interface_graph] Unable to find"
        " reachable pairing between local and remote interfaces\nTraceback (most recent call last):\n"
        "mpi4py.MPI.Exception: MPI_ERR_INTERN: internal error\n",
        "Unable to find reachable pairing",
    ),
    "its ssh": (
        f"ssh: Could not resolve hostname n9: Name or service not known\n{_RULE}\nPRTE has lost communication with a remote daemon.\n{_RULE}\n",
        "ssh: Could not resolve hostname n9: Name or service not known",
    ),
    "hydra": (
        "[mpiexec@vm] HYDU_sock_get_iface_ip (/mpich-5.0.2/src/pm/hydra/lib/utils/sock.c:447): unable to find interface ib0\n"
        "[mpiexec@vm] HYD_pmci_launch_procs (/mpich-5.0.2/x.c:98): unable to create PMI port\n",
        "unable to find interface ib0",
    ),
    "hydra's proxy": (
        "[proxy:0@vm] HYDT_topo_bind (/mpich-5.0.2/topo.c:108): no topology library available\n",
        "no topology library available",
    ),
    "mpich's ranks": (
        "Abort(338314639): Fatal error in internal_Init_thread: Other MPI error, error stack:\n"
        "internal_Init_thread(71)...: MPI_Init_thread(argc=(nil), argv=(nil), required=3) failed\nMPII_Init_thread(289)......: \n"
        "MPID_Init(549).............: \nMPIDI_OFI_init_local(665)..: \nfind_provider(132).........: OFI call getinfo failed (default nic=(n/a): No data available)\n",
        "OFI call getinfo failed",
    ),
    "a rank of ours": (
        f"Traceback (most recent call last):\nImportError: no numpy\n{_RULE}\nprterun detected that a process exited\n{_RULE}\n",
        "ImportError: no numpy",
    ),
    "nothing": ("", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", LAUNCHERS)
def test_launchers(name: str) -> None:
    """The first paragraph, or the line of a rank of ours."""
    errors, words = LAUNCHERS[name]
    said = launcher_failure(errors)
    assert words in said
    assert not words or not said.startswith(("[", "-"))
