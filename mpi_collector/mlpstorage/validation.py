"""The suite's check that ssh gets through to the hosts of a run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from mpi_collector.mlpstorage.hosts import unique_hosts, without_slots

_AT_ONCE = 10
#: ID or ID_LIKE of os-release(5) -> command that installs ssh there
_INSTALL = {
    "debian": "sudo apt-get install openssh-client",
    "ubuntu": "sudo apt-get install openssh-client",
    "fedora": "sudo dnf install openssh-clients",
    "rhel": "sudo dnf install openssh-clients",
    "suse": "sudo zypper install openssh-clients",
    "arch": "sudo pacman -S openssh",
    "alpine": "sudo apk add openssh-client",
}


class ValidationIssue(Exception):
    """What is wrong with the environment of a run, and the remedy.

    severity: error or warning. category: dependency, configuration, connectivity or filesystem.
    """

    def __init__(
        self,
        severity: str,
        category: str,
        message: str,
        suggestion: str,
        install_cmd: str | None = None,
        host: str | None = None,
    ) -> None:
        super().__init__(message)
        self.severity = severity
        self.category = category
        self.message = message
        self.suggestion = suggestion
        self.install_cmd = install_cmd
        self.host = host


def validate_ssh_connectivity(
    hosts: Sequence[str], timeout: int = 5
) -> list[tuple[str, bool, str]]:
    """Return (host, whether ssh gets through, a message) for each of ``hosts``, in their order.

    This host needs no ssh. ValidationIssue when there is no ssh at all.
    """
    from mpi_collector.transport.hosts import HostSpec, mark_local
    from mpi_collector.transport.launch.preflight import check_reachable

    if shutil.which("ssh") is None:
        raise ValidationIssue(
            "error",
            "dependency",
            "ssh is not installed, or not in PATH",
            "install the OpenSSH client",
            _install_command(),
        )
    specs = mark_local(HostSpec(name) for name in unique_hosts(hosts))
    remote = [spec for spec in specs if not spec.is_local]
    bad = check_reachable(remote, None, _AT_ONCE, float(timeout))
    asked = {spec.name for spec in remote}
    out = []
    for name in map(without_slots, hosts):
        if name and name not in asked:
            out.append((name, True, "this host: skipped"))
        elif name:
            out.append((name, name not in bad, _message(bad.get(name))))
    return out


def _message(problem: str | None) -> str:
    if problem is None:
        return "connected"
    return f"timed out: {problem}" if problem.startswith("no answer over ssh") else problem


def _install_command() -> str | None:
    """Return the command that installs ssh on this host, None where it is not known."""
    from mpi_collector.node.host.snapshot import proc

    try:
        with open("/etc/os-release", encoding="utf-8", errors="replace") as f:
            known = proc.os_release(f.read())
    except OSError:
        return None
    names = [known.get("ID", ""), *known.get("ID_LIKE", "").split()]
    return next((_INSTALL[name] for name in names if name in _INSTALL), None)
