"""Readiness of a host to record: room for the spool, and what may remove it unexpectedly."""

import glob
import os
import pwd
import re
import subprocess

from .snapshot.files import HostFiles
from .snapshot.proc import unescape_octal
from .trial import failures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping, TypedDict

    class HostCheck(TypedDict):
        """The outcome of a check.

        free_bytes: room on the file system of the spool, None if unknown. file_system: its type.
        failures: what keeps the host from recording. hazards: further sentences for the user.
        """

        free_bytes: "int | None"
        file_system: "str | None"
        failures: "list[str]"
        hazards: "list[str]"


FIRST_USER_ID = 1000  #: logind ignores users below (systemd's SYSTEM_UID_MAX)
SMALL_BYTES = 128 << 20  #: containers have 64 MB of shared memory by default
SCONTROL_S = 3.0  #: for scontrol to answer

#: directories of logind.conf below the root directory, later ones take precedence (logind.conf(5))
_LOGIND = ("usr/lib/systemd", "usr/local/lib/systemd", "run/systemd", "etc/systemd")
_TRUE = ("yes", "true", "on", "1", "y", "t")
_FALSE = ("no", "false", "off", "0", "n", "f")
_DEFAULT = "logind's default"

_SLURM = ("etc/slurm", "etc/slurm-llnl", "run/slurm/conf")
_SCONTROL = ("usr/bin/scontrol", "usr/local/bin/scontrol", "opt/slurm/bin/scontrol")
#: of PBS and Torque; those of Slurm are in its configuration
_EPILOGUES = ("/var/spool/pbs/mom_priv/epilogue", "/var/spool/torque/mom_priv/epilogue")
_MAX_EPILOGS = 20

_SHM = "/dev/shm"


class _Mount:
    """A line of /proc/self/mountinfo: mount point, file system type and propagation flags."""

    __slots__ = ("fs_type", "point", "propagation")

    def __init__(self, point: str, fs_type: str, propagation: "list[str]") -> None:
        self.point = point
        self.fs_type = fs_type
        self.propagation = propagation


def check_host(
    spool_dir: str,
    root: str = "/",
    uid: "int | None" = None,
    environ: "Mapping[str, str]" = os.environ,
) -> "HostCheck":
    """Return whether this host can record to ``spool_dir``, and what may remove the spool.

    root: root directory of the file system that is read. uid: of the user, None: of this process.
    """
    files = HostFiles(root)
    mounts = _parse_mountinfo(files.text("proc/self/mountinfo"))
    fs_type = _file_system_of(spool_dir, mounts)
    out: "HostCheck" = {
        "free_bytes": None,
        "file_system": fs_type,
        "failures": failures(files.path(spool_dir.lstrip("/"))),
        "hazards": [],
    }
    hazards = out["hazards"]
    try:
        room = os.statvfs(files.path(spool_dir.lstrip("/")))
    except OSError:  # named by the trial
        pass
    else:
        out["free_bytes"] = room.f_bavail * room.f_frsize
        total_bytes = room.f_blocks * room.f_frsize
        hazards += size_hazards(spool_dir, fs_type, total_bytes, _memory_bytes(files))
        if room.f_files and not room.f_favail:
            hazards.append("%s has no inode left" % spool_dir)
    if (spool_dir + "/").startswith(_SHM + "/"):
        settings = _slurm_settings(files, environ)
        hazards += _logind_hazards(files, os.getuid() if uid is None else uid)
        hazards += _slurm_hazards(files, mounts, environ, settings)
        hazards += _epilog_hazards(files, settings)
    return out


def size_hazards(
    spool_dir: str, fs_type: "str | None", total_bytes: int, memory_bytes: int
) -> "list[str]":
    """Return what is wrong with the type and the size of a file system.

    fs_type: None if unknown. memory_bytes: of the host, 0 if unknown.
    """
    if fs_type not in (None, "tmpfs", "ramfs"):
        return ["%s is %s, not memory: writing to it may disturb the job" % (spool_dir, fs_type)]
    if fs_type != "tmpfs" or not total_bytes:
        return []
    if total_bytes < SMALL_BYTES:
        return [
            "%s holds only %.0f MB (in containers: --shm-size; else mount -o remount,size=)"
            % (spool_dir, total_bytes / 1e6)
        ]
    if memory_bytes and total_bytes > memory_bytes:
        return [
            "%s may grow to %.0f MB, more than the memory of %.0f MB"
            % (spool_dir, total_bytes / 1e6, memory_bytes / 1e6)
        ]
    return []


def _memory_bytes(files: "HostFiles") -> int:
    total = re.search(r"^MemTotal:\s+(\d+) kB", files.text("proc/meminfo"), re.M)
    return int(total.group(1)) << 10 if total else 0


def _parse_mountinfo(text: str) -> "list[_Mount]":
    """Parse /proc/self/mountinfo (proc_pid_mountinfo(5)); the last mount on a place counts."""
    found: "dict[str, _Mount]" = {}
    for line in text.splitlines():
        words = line.split()
        if "-" in words[6:] and len(words) > words.index("-", 6) + 1:
            dash = words.index("-", 6)
            point = unescape_octal(words[4])
            found[point] = _Mount(point, words[dash + 1], words[6:dash])
    return list(found.values())


def _file_system_of(directory: str, mounts: "list[_Mount]") -> "str | None":
    inside = [m for m in mounts if (directory + "/").startswith(m.point.rstrip("/") + "/")]
    return max(inside, key=lambda m: len(m.point)).fs_type if inside else None


# ---- systemd-logind
def _logind_hazards(files: "HostFiles", uid: int) -> "list[str]":
    """Return the hazard of RemoveIPC: shared memory of a user is removed at the last logout.

    Not for system users, nor for a user who lingers (loginctl(1)).
    """
    if uid < FIRST_USER_ID or not os.path.isdir(files.path("run/systemd/seats")):
        return []
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # known only to a name service that this process does not reach
        name = ""
    if name and os.path.exists(files.path("var/lib/systemd/linger", name)):
        return []
    setting = _RemoveIPC(files)
    if not setting.value:
        return []
    return [
        "RemoveIPC=yes (%s): /dev/shm is wiped when the last session of this user ends;"
        " see --rescue-dir" % setting.place
    ]


class _RemoveIPC:
    """The setting RemoveIPC of logind: its value, and the file that sets it.

    The main file of the highest precedence counts, then all drop-ins in the order of their names.
    """

    def __init__(self, files: "HostFiles") -> None:
        self.value = True
        self.place = _DEFAULT
        for path in _logind_files(files):
            self._read(path, files.text(path))

    def _read(self, path: str, text: str) -> None:
        section = ""
        for line in text.splitlines():
            line = line.strip()
            if line.startswith("["):
                section = line
            # the comment shows the default with which logind was built
            is_default = line.startswith("#RemoveIPC=") and self.place == _DEFAULT
            name, _, value = line.lstrip("#" if is_default else "").partition("=")
            value = value.strip().lower()
            if name.strip() != "RemoveIPC" or section != "[Login]" or value not in _TRUE + _FALSE:
                continue
            self.value = value in _TRUE
            if not is_default:
                self.place = "/" + path


def _logind_files(files: "HostFiles") -> "list[str]":
    """Return the configuration files of logind that count, in the order in which they are read."""
    mains = [d + "/logind.conf" for d in _LOGIND if os.path.exists(files.path(d, "logind.conf"))]
    drop_ins = {}
    for directory in _LOGIND:
        for name in files.names(directory + "/logind.conf.d"):
            if name.endswith(".conf"):  # one of a higher precedence replaces its namesake
                drop_ins[name] = "%s/logind.conf.d/%s" % (directory, name)
    return mains[-1:] + [drop_ins[name] for name in sorted(drop_ins)]


# ---- Slurm
def _slurm_settings(files: "HostFiles", environ: "Mapping[str, str]") -> str:
    """Return the text of slurm.conf, "" if there is no Slurm."""
    settings = "".join(files.text(d + "/slurm.conf") for d in _SLURM)
    if not settings and (environ.get("SLURM_JOB_ID") or any(files.names(d) for d in _SLURM)):
        settings = _scontrol(files)  # configless Slurm
    return settings


def _scontrol(files: "HostFiles") -> str:
    """Return the configuration as scontrol prints it, "" if it does not."""
    for place in _SCONTROL:
        program = files.path(place)
        if not os.access(program, os.X_OK):
            continue
        try:
            out = subprocess.check_output(
                [program, "show", "config"],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=SCONTROL_S,
            )
        except (OSError, subprocess.SubprocessError):  # no controller answers
            return ""
        return out.decode("utf-8", "replace")
    return ""


def _slurm_hazards(
    files: "HostFiles", mounts: "list[_Mount]", environ: "Mapping[str, str]", settings: str
) -> "list[str]":
    """Return the hazard of a private /dev/shm of each job, by the mounts or the configuration."""
    if environ.get("SLURM_JOB_ID") and _has_private_shm(mounts):
        return [
            "this job has a /dev/shm of its own, which goes away with the job; see --rescue-dir"
        ]
    if _configures_private_shm(files, settings):
        return [
            "Slurm gives every job a /dev/shm of its own (job_container/tmpfs), which goes away"
            " with it; see --rescue-dir"
        ]
    return []


def _has_private_shm(mounts: "list[_Mount]") -> bool:
    """Return whether /dev/shm was mounted in a mount namespace of the job.

    There the host's mounts are slaves ("master:N"), and those made for the job are not.
    """
    propagation = {m.point: m.propagation for m in mounts}
    root_is_slave = any(flag.startswith("master:") for flag in propagation.get("/", []))
    return root_is_slave and _SHM in propagation and not propagation[_SHM]


def _configures_private_shm(files: "HostFiles", settings: str) -> bool:
    """Return whether /dev/shm is among the directories that job_container/tmpfs mounts."""
    plugin = re.findall(
        r"^\s*(?:JobContainerType|NamespaceType)\s*=\s*(\S+)", settings, re.M | re.I
    )
    if not plugin or not plugin[-1].lower().endswith("/tmpfs"):
        return False
    own = "".join(files.text(d + "/job_container.conf") for d in _SLURM)
    dirs = re.findall(r"^[^#\n]*\bDirs\s*=\s*(\S+)", own, re.M | re.I)
    return not dirs or any(_SHM in d.split(",") for d in dirs)


# ---- epilogs
def _epilog_hazards(files: "HostFiles", settings: str) -> "list[str]":
    """Return one hazard per readable script that runs after every job and mentions /dev/shm."""
    named = re.findall(r"^\s*(?:Epilog|TaskEpilog)(?:\[\d+\])?\s*=\s*(/\S+)", settings, re.M | re.I)
    out = []
    for pattern in named + list(_EPILOGUES):
        for path in sorted(glob.glob(files.path(pattern.lstrip("/"))))[:_MAX_EPILOGS]:
            name = path[len(files.root.rstrip("/")) :]
            code = [
                line
                for line in files.text(name.lstrip("/")).splitlines()
                if not line.lstrip().startswith("#")
            ]
            if any(_SHM in line for line in code):
                out.append(
                    "%s, which runs after every job, names /dev/shm and may empty it;"
                    " see --rescue-dir" % name
                )
    return out
