"""Is a host fit to be recorded: room for the spool, and what may wipe it when nobody looks."""

import glob
import os
import pwd
import re
import subprocess

from .snapshot.files import HostFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

SYSTEM_USERS_END = 1000  #: logind leaves users below alone (systemd's SYSTEM_UID_MAX)
SMALL_BYTES = 128 << 20  #: containers get 64 MB unless somebody asks for more
_SCONTROL_S = 3.0
#: where logind's settings lie, what counts more behind (logind.conf(5))
_LOGIND = ("usr/lib/systemd", "usr/local/lib/systemd", "run/systemd", "etc/systemd")
_TRUE, _FALSE = ("yes", "true", "on", "1", "y", "t"), ("no", "false", "off", "0", "n", "f")
_EPILOGUES = (
    "/var/spool/pbs/mom_priv/epilogue",
    "/var/spool/torque/mom_priv/epilogue",
)  # Slurm's are in its configuration
_EPILOGS_MAX = 20
_SLURM = ("etc/slurm", "etc/slurm-llnl", "run/slurm/conf")


def check_host(
    spool_dir: str, root: str = "/", uid: "Any" = None, environ: "Any" = os.environ
) -> dict:
    """Room on the spool's file system in bytes, its kind, and ``hazards``: sentences for the one who reads them."""
    files = HostFiles(root)
    mounts = list(_mounts(files.text("proc/self/mountinfo")))
    inside = [m for m in mounts if (spool_dir + "/").startswith(m["at"].rstrip("/") + "/")]
    mount: "Any" = max(inside, key=lambda m: len(m["at"])) if inside else None
    doc: dict = {"free_bytes": None, "file_system": mount and mount["kind"], "hazards": []}
    hazards = doc["hazards"]
    try:
        room = os.statvfs(files.path(spool_dir.lstrip("/")))
        doc["free_bytes"] = room.f_bavail * room.f_frsize
        total = room.f_blocks * room.f_frsize
        memory = re.search(r"^MemTotal:\s+(\d+) kB", files.text("proc/meminfo"), re.M)
        hazards += sizes(
            spool_dir, doc["file_system"], total, int(memory.group(1)) << 10 if memory else 0
        )
        if room.f_files and not room.f_favail:
            hazards.append("%s has no inode left" % spool_dir)
    except OSError as e:
        hazards.append("%s: %s" % (spool_dir, e.strerror))
    if (spool_dir + "/").startswith("/dev/shm/"):
        settings = _settings(files, environ)
        found = (
            _logind(files, os.getuid() if uid is None else uid),
            _slurm(files, mounts, environ, settings),
        )
        hazards += [h for h in found if h] + _epilogs(files, settings)
    return doc


def sizes(spool_dir: str, kind: "Any", total: int, memory: int) -> list:
    """What is wrong with the size of the file system, in bytes; ``memory`` 0: not known."""
    if kind not in (None, "tmpfs", "ramfs"):
        return ["%s is %s, not memory: writing to it may disturb the job" % (spool_dir, kind)]
    if kind != "tmpfs" or not total:
        return []
    if total < SMALL_BYTES:
        return [
            "%s holds only %.0f MB (in containers: --shm-size; else mount -o remount,size=)"
            % (spool_dir, total / 1e6)
        ]
    if memory and total > memory:
        return [
            "%s may grow to %.0f MB, more than the memory of %.0f MB"
            % (spool_dir, total / 1e6, memory / 1e6)
        ]
    return []


def _mounts(text: str) -> "Iterator[dict]":
    """/proc/self/mountinfo (proc_pid_mountinfo(5)); a later mount on the same place hides the one before."""
    found: dict = {}
    for line in text.splitlines():
        words = line.split()
        if "-" in words[6:] and len(words) > words.index("-", 6) + 1:
            dash = words.index("-", 6)
            at = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), words[4])
            found[at] = {"at": at, "kind": words[dash + 1], "propagation": words[6:dash]}
    return iter(found.values())


# ---- systemd-logind
def _logind(files: "HostFiles", uid: int) -> str:
    """It wipes a user's shared memory at the last logout unless it is told not to, or the user lingers."""
    if uid < SYSTEM_USERS_END or not os.path.isdir(files.path("run/systemd/seats")):
        return ""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # known to the host's other sources only
        name = ""
    if name and os.path.exists(files.path("var/lib/systemd/linger", name)):
        return ""
    setting, where = _remove_ipc(files)
    if not setting:
        return ""
    return (
        "RemoveIPC=yes (%s): /dev/shm is wiped when the last session of this user ends; see --rescue-dir"
        % where
    )


def _remove_ipc(files: "HostFiles") -> tuple:
    """(RemoveIPC, where that is said): the main file that counts most, then all drop-ins by their names."""
    mains = [d + "/logind.conf" for d in _LOGIND if os.path.exists(files.path(d, "logind.conf"))]
    drops: dict = {}
    for directory in _LOGIND:
        for name in files.names(directory + "/logind.conf.d"):
            if name.endswith(".conf"):
                drops[name] = "%s/logind.conf.d/%s" % (
                    directory,
                    name,
                )  # one that counts more replaces its namesake
    setting, where = True, "logind's default"
    for path in mains[-1:] + [drops[name] for name in sorted(drops)]:
        section = ""
        for line in files.text(path).splitlines():
            line = line.strip()
            if line.startswith("["):
                section = line
            default = (
                line.startswith("#RemoveIPC=") and where == "logind's default"
            )  # what it was built with, they write
            name, _, value = line.lstrip("#" if default else "").partition("=")
            value = value.strip().lower()
            if name.strip() == "RemoveIPC" and section == "[Login]" and value in _TRUE + _FALSE:
                setting, where = value in _TRUE, where if default else "/" + path
    return setting, where


# ---- Slurm
def _settings(files: "HostFiles", environ: "Any") -> str:
    """slurm.conf; "" where there is no Slurm."""
    settings = "".join(files.text(d + "/slurm.conf") for d in _SLURM)
    if not settings and (environ.get("SLURM_JOB_ID") or any(files.names(d) for d in _SLURM)):
        settings = _scontrol(files)  # configless
    return settings


def _slurm(files: "HostFiles", mounts: list, environ: "Any", settings: str) -> str:
    """A /dev/shm of every job's own, by the job's mounts or by the configuration."""
    if environ.get("SLURM_JOB_ID"):
        by = {m["at"]: m["propagation"] for m in mounts}
        # in a job's name space the mounts are slaves of the host's; what was made for the job is not
        slaves = [at for at, tags in by.items() if any(t.startswith("master:") for t in tags)]
        if "/" in slaves and "/dev/shm" in by and not by["/dev/shm"]:
            return (
                "this job has a /dev/shm of its own, which goes away with the job; see --rescue-dir"
            )
    if _container_directories(files, settings):
        return "Slurm gives every job a /dev/shm of its own (job_container/tmpfs), which goes away with it; see --rescue-dir"
    return ""


def _container_directories(files: "HostFiles", settings: str) -> bool:
    """Is /dev/shm among what job_container/tmpfs makes for every job?"""
    kind = re.findall(r"^\s*(?:JobContainerType|NamespaceType)\s*=\s*(\S+)", settings, re.M | re.I)
    if not kind or not kind[-1].lower().endswith("/tmpfs"):
        return False
    own = "".join(files.text(d + "/job_container.conf") for d in _SLURM)
    dirs = re.findall(r"^[^#\n]*\bDirs\s*=\s*(\S+)", own, re.M | re.I)
    return not dirs or any("/dev/shm" in d.split(",") for d in dirs)


def _epilogs(files: "HostFiles", settings: str) -> list:
    """Scripts that run on a host after every job and have to do with /dev/shm, as far as this user may read them."""
    named = re.findall(r"^\s*(?:Epilog|TaskEpilog)(?:\[\d+\])?\s*=\s*(/\S+)", settings, re.M | re.I)
    out = []
    for pattern in named + list(_EPILOGUES):
        for path in sorted(glob.glob(files.path(pattern.lstrip("/"))))[:_EPILOGS_MAX]:
            name = path[len(files.root.rstrip("/")) :]
            text = files.text(name.lstrip("/"))
            if any(
                "/dev/shm" in line
                for line in text.splitlines()
                if not line.lstrip().startswith("#")
            ):
                out.append(
                    "%s, which runs after every job, names /dev/shm: what is there may go; see --rescue-dir"
                    % name
                )
    return out


def _scontrol(files: "HostFiles") -> str:
    for place in ("usr/bin/scontrol", "usr/local/bin/scontrol", "opt/slurm/bin/scontrol"):
        if os.access(files.path(place), os.X_OK):
            try:
                out = subprocess.check_output([files.path(place), "show", "config"], stdin=subprocess.DEVNULL,
                                              stderr=subprocess.DEVNULL, timeout=_SCONTROL_S)  # fmt: skip
                return out.decode("utf-8", "replace")
            except (OSError, subprocess.SubprocessError):  # no controller answers
                return ""
    return ""
