"""What a program that failed to reach a host has said: the line that names the cause.

ssh and launchers say much, and the cause is rarely the last line: a jump host that cannot be
resolved is followed by two lines about the connection that was closed.
"""

from __future__ import annotations

import re

from mpi_collector.terminal_text import remote_text

#: printed on stdout by every command of ours on a host, before anything else
BEGIN_MARK = "mpi_collector begins"
SSH_FAILED = 255  #: ssh(1): exit status if an error occurred
NOT_EXECUTABLE = (126, 127)  #: exit status of a shell

#: errors of Python, and our own; those of an MPI library follow from what the launcher has said
_ERROR = re.compile(
    r"(?!\s*mpi4py\.MPI\.|.*does not connect the ranks)"
    r"(?:\s*(?:\w+\.)*\w*(?:Error|Exception)\b.*:|mpi_collector: )"
)
_ORIGINAL = re.compile(r"\s*Original error was: ")  # numpy's, behind a page of advice
#: lines that follow a cause, and name none
_CONSEQUENCE = re.compile(
    r"(?:ssh: )?(?:kex_exchange_identification|banner exchange|ssh_exchange_identification)|"
    r"Connection (?:to \S+ )?(?:closed|reset) by|Connection to \S+ closed|client_loop: |"
    r"ssh_dispatch_run_fatal|Host key verification failed|Killed by signal|"
    r".*terminating, \d+ bad configuration option|It is (?:required|recommended) that your private|"
    r"This private key will be ignored|@+$|@ .* @$"
)
_CHANGED_KEY = "REMOTE HOST IDENTIFICATION HAS CHANGED"
_OFFENDING = re.compile(r"Offending (?:\S+ )?key in (\S+?):(\d+)")
_NAME_OF_KEY = re.compile(r"[Hh]ost key for (\S+) has changed")
_UNKNOWN_KEY = re.compile(r"No (\S+) host key is known for (\S+) and")
_REVOKED_KEY = re.compile(r"[Hh]ost key (?:for )?(\S+ )?.*revoked|REVOKED HOST KEY DETECTED")
_REFUSED_LOGIN = re.compile(r"(?:\S+: )?Permission denied \([\w,-]+\)\.?")
_OPEN_KEY = re.compile(r"Permissions \d+ for '?([^']+)'? are too open")
#: the first eight characters that Python reads are a number; a shell's "read" took them
_FIRST_LINE_READ = re.compile(r"ValueError: invalid literal for int\(\)")
#: before a message of Hydra: process, host, function, file and line; of a rank of MPICH: function
#: and line; of a rank of Open MPI 6: host, process, file and line
_PLACE = re.compile(
    r"\[\w[\w:]*@[\w.-]+\] \w+ \([^()]*:\d+\): |\w+\(\d+\)\.*: ?|"
    r"\[[\w.-]+\]\[\[\d+,\d+\],\d+\]\[[^\]]*\] "
)
_RULE = re.compile(r"\s*[-=]{20,}\s*$")  #: around a paragraph of a launcher
#: lines of launchers that name no cause
_NOISE = re.compile(
    r".*ORTE_ERROR_LOG|.*sent help message help-|.*Set MCA parameter|.*help_aggregate|"
    r"Fatal error in internal_|MPI_Init_thread\(argc|.*no version information available"
)


def telling_line(text: str) -> str:
    """Return the line of ``text`` that names the cause, "" if it has none.

    Of the errors of Python the last one, since it ends a traceback; else the last line, without
    those that only report a consequence: banners come first.
    """
    lines = [line.strip() for line in text.splitlines() if any(c.isalnum() for c in line)]
    for pattern in (_ORIGINAL, _ERROR):
        if named := [line for line in lines if pattern.match(line)]:
            return remote_text(named[-1])
    causes = [line for line in lines if not _CONSEQUENCE.match(line)]
    return remote_text((causes or lines or [""])[-1])


def launcher_failure(errors: str) -> str:
    """Return what a launcher or its ranks said first about their failure, "" if they said nothing.

    An error of Python, of a rank of ours, comes before all. Open MPI writes paragraphs between
    lines of dashes; the first one is about the cause, later ones are about what follows from it.
    """
    if any(_ERROR.match(line) for line in errors.splitlines()):
        return telling_line(errors)
    paragraphs: list[list[str]] = []
    inside = False
    for line in errors.splitlines():
        if _RULE.match(line):
            inside = not inside
            paragraphs.append([])
            continue
        text = _PLACE.sub("", line, count=1)
        if any(c.isalnum() for c in text) and not _NOISE.match(text):
            if not inside or not paragraphs:
                paragraphs.append([])
            paragraphs[-1].append(" ".join(text.split()))
    first = next((paragraph for paragraph in paragraphs if paragraph), [])
    return remote_text(" ".join(first))


def ssh_failure(code: int | None, output: str, errors: str) -> str:
    """Return why an ssh session did not come to what it should run, and what to do.

    code: exit status of ssh, None if not known. output, errors: what came on stdout and stderr.
    The text is "" if our command has begun: then its own failure is what counts.
    """
    if why := _key_failure(errors) or _login_failure(errors):
        return why
    if _FIRST_LINE_READ.search(errors):
        return (
            "the login shell read our first line: a start-up file of that user (.bashrc, .profile)"
            " reads stdin; let it do so only in interactive shells"
        )
    if BEGIN_MARK in output or code in NOT_EXECUTABLE or _ERROR.search(errors):
        return ""
    said = telling_line(errors) or telling_line(output)
    if code == SSH_FAILED or code is None:
        return said
    return (
        f"the login shell ended before our command (exit {code}, said {said or 'nothing'}):"
        " see the start-up files of that user (.bashrc, .profile) and /etc/passwd"
    )


def _key_failure(errors: str) -> str:
    """Return what is wrong with the key of a host, "" if nothing is."""
    if _CHANGED_KEY in errors:
        place, name = _OFFENDING.search(errors), _NAME_OF_KEY.search(errors)
        file = place[1] if place else "known_hosts"
        where = f"{file}:{place[2]} has another one" if place else "known_hosts has another one"
        own = file.endswith("/.ssh/known_hosts")
        remedy = f"ssh-keygen {'' if own else f'-f {file} '}-R {name[1] if name else 'HOST'}"
        return remote_text(
            f"its host key has changed, {where}; if the host was reinstalled: {remedy}"
        )
    if unknown := _UNKNOWN_KEY.search(errors):
        return remote_text(
            f"its {unknown[1]} host key is not known, and ssh is configured to require that:"
            f" add it to known_hosts (ssh-keyscan {unknown[2]})"
        )
    if _REVOKED_KEY.search(errors):
        return "its host key is revoked"
    return ""


def _login_failure(errors: str) -> str:
    """Return why a host refuses the login, "" if it does not."""
    lines = [line.strip() for line in errors.splitlines()]
    refused = next((line for line in lines if _REFUSED_LOGIN.fullmatch(line)), "")
    if refused:
        key = _OPEN_KEY.search(errors)
        why = f"{key[1]} may be read by others (chmod 600)" if key else "ssh must need no password"
        return remote_text(f"{refused.rstrip('.')}: {why}")
    return ""
