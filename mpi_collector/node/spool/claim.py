"""Claims on a dead run: only one ``recover`` at a time takes its spools apart.

A claim is the exclusive flock on the file ``.claim`` in the directory of the run. Who recovers a
run claims it on every host before anything is read, and holds the claims until the spools are
removed; retention leaves a run that is claimed. A claim ends with its process.
"""

import fcntl
import os

from ..errors import RunClaimedError
from .directory import CLAIM, find_spools, remove_spool, run_directories

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TRIES = 20
_TOKEN_BYTES = 256


class RunClaim:
    """The claim on ``run`` below the directories ``places``.

    ``token``: of the one who claims. On a file system of several hosts each of them makes the same
    claim. RunClaimedError when somebody else has it.
    """

    def __init__(self, places: "list[str]", run: str, token: str) -> None:
        self._places = places
        self._run = run
        self._token = token
        self._held: "list[tuple[int, str]]" = []
        try:
            for place in places:
                for directory in run_directories(place, run):
                    self._claim(os.path.join(directory, CLAIM))
        except BaseException:
            self.release()
            raise

    def _claim(self, path: str) -> None:
        for _ in range(_TRIES):
            try:
                fd = os.open(path, _FLAGS, 0o600)
            except OSError:  # gone: who had claimed the run has removed it
                return
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                token = os.pread(fd, _TOKEN_BYTES, 0)
                os.close(fd)
                if token == self._token.encode():
                    return
                raise RunClaimedError("%s is claimed" % os.path.dirname(path)) from None
            except OSError:  # a file system without locks
                pass
            if _is_at(fd, path):
                os.ftruncate(fd, os.pwrite(fd, self._token.encode(), 0))
                self._held.append((fd, path))
                return
            os.close(fd)  # of a claim that was given up meanwhile

    def spools(self) -> "list[dict[str, Any]]":
        """Return the spools of the run that are there now, see ``find_spools``."""
        found = [s for place in self._places for s in find_spools(place)]
        return [s for s in found if s["run"] == self._run]

    def release(self) -> None:
        """Give the claim up. It may be called again."""
        held, self._held = self._held, []
        for fd, path in held:
            remove_spool(path)
            os.close(fd)


def _is_at(fd: int, path: str) -> bool:
    try:
        there = os.lstat(path)
    except OSError:
        return False
    return os.path.samestat(os.fstat(fd), there)
