"""The directories of the job's cgroup, of version 1, version 2 or both (cgroups(7))."""

import os
import re

from .command_process import first_process
from .kernel_file import read_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    #: directory below the root, names of the files to read there
    Place = tuple[str, tuple[str, ...]]

_JOB = re.compile(r"(.*/job_[0-9]+)/.*", re.DOTALL)  #: of Slurm's .../job_N/step_M/user/task_0


class JobCgroup:
    """The files of the cgroup of COMMAND's first process on this host.

    Where there is no such process, those of this process's cgroup. Under Slurm it is the cgroup of
    the whole job. ``of_command``: its /proc/PID/cgroup, b"" as long as it is unknown. ``run``: the
    run that is recorded, "" if unknown. ``v2``: names of files; ``v1``: (controller, name of a
    file).
    """

    def __init__(
        self, root: str, run: str, v2: "tuple[str, ...]", v1: "tuple[tuple[str, str], ...]"
    ) -> None:
        self._root = root
        self._run = run
        self._v2 = v2
        self._v1 = v1
        self._pid: "int | None" = None  # of COMMAND's first process
        self.of_command = b""
        self._text = b""
        self._places: "list[Place]" = []

    def files(self) -> "list[tuple[str, str]]":
        """Return (name, path below the root) of what is there. OSError when no cgroup is known.

        A cgroup that is known stays the one, also when its directory is removed: its files are not
        those of the cgroup above it.
        """
        text = self._look_at_command() or read_whole(self._root, "proc/self/cgroup")
        if text != self._text:
            self._text = text
            self._places = self._find(text.decode("utf-8", "backslashreplace"))
        if not self._places:
            raise FileNotFoundError(2, "no cgroup of this process is mounted")
        there: "dict[str, str]" = {}
        for at, names in self._places:
            paths = {name: at + "/" + name for name in names}
            there.update({name: path for name, path in paths.items() if self._exists(path)})
        return list(there.items())

    def _look_at_command(self) -> bytes:
        """Return COMMAND's /proc/PID/cgroup, as it was last if it has ended; b"" if unknown."""
        if self._pid is None and self._run:
            self._pid = first_process(self._run)
        if self._pid is not None:
            text = read_whole(self._root, "proc/%d/cgroup" % self._pid)
            self.of_command = text or self.of_command
        return self.of_command

    def _exists(self, path: str) -> bool:
        return os.path.exists(os.path.join(self._root, path))

    def _find(self, text: str) -> "list[Place]":
        """Return the directories of a text of /proc/PID/cgroup."""
        v2_path, v1_paths = _paths(text)
        out: "list[Place]" = []
        for base in ("sys/fs/cgroup", "sys/fs/cgroup/unified"):
            if v2_path and self._exists(base + "/cgroup.controllers"):
                out.append((self._visible(base, v2_path), self._v2))
        # Version 2 without controllers beside version 1 with them: both are read.
        if not any(self._exists(at + "/memory.current") for at, _names in out):
            out += self._find_v1(v1_paths)
        return [
            (at, names)
            for at, names in out
            if at and any(self._exists(at + "/" + name) for name in names)
        ]

    def _find_v1(self, paths: "dict[str, tuple[str, str]]") -> "list[Place]":
        out: "list[Place]" = []
        for controller, name in self._v1:
            # "cpu,cpuacct" has links of either name on most systems
            together, path = paths.get(controller, (controller, ""))
            at = self._visible("sys/fs/cgroup/" + controller, path)
            out.append((at or self._visible("sys/fs/cgroup/" + together, path), (name,)))
        return out

    def _visible(self, base: str, path: str) -> str:
        """Return the deepest directory of ``path`` below ``base`` that is there, "" if none is.

        In a container only a part of the path can be seen, or nothing.
        """
        parts = [p for p in re.split("/+", path) if p and p != ".."]
        for n in range(len(parts), -1, -1):
            at = "/".join([base] + parts[:n])
            if os.path.isdir(os.path.join(self._root, at)):
                return at
        return ""


def _paths(text: str) -> "tuple[str, dict[str, tuple[str, str]]]":
    """Return the cgroup of version 2, "" if none, and {controller: (its hierarchy, cgroup)} of v1.

    ``text``: /proc/self/cgroup, lines ``NUMBER:CONTROLLERS:PATH`` (cgroups(7)).
    """
    v2 = ""
    v1 = {}
    for line in text.split("\n"):
        _number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        path = _JOB.sub(r"\1", path)
        if path and not controllers:
            v2 = path
        for controller in controllers.split(","):
            if path:
                v1[controller] = (controllers, path)
    return v2, v1
