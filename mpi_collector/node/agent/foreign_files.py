"""What a recorder asks of its host beside the sources, where a file of /proc or /sys may hang.

That is where other file systems are mounted there: see read/foreign_mounts.py.
"""

from ..host import memory
from ..host.snapshot import take
from ..read.foreign_mounts import foreign_mounts
from ..read.worker import call_with_timeout, stuck_in_kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Sequence

    from ..host.snapshot.document import Snapshot

_NO_ROOT = "/dev/null"  #: nothing is below it
_PATIENCE_S = 2.0
_SHORT_S = 0.1  #: where a file hangs already
_IN_PROGRESS_S = 0.3  #: longer than any reading that does not hang


def snapshot(directories: "Sequence[str]", root: str, full: bool = False) -> "Snapshot":
    """Return the snapshot of this host; one without its files where they do not answer in time."""
    mounts = foreign_mounts(root)
    if not mounts:
        return take(directories, root, full)
    try:
        return call_with_timeout(
            _patience_s(), lambda: take(directories, root, full), "the snapshot"
        )
    except TimeoutError as e:
        found = take((), _NO_ROOT, full)
        found["errors"] = {"snapshot": "%s: files on %s" % (e, ", ".join(mounts[:4]))}
        return found


def available(root: str) -> "tuple[int | None, str]":
    """Return as ``memory.available``; None where its files do not answer in time."""
    if not foreign_mounts(root):
        return memory.available(root)
    try:
        return call_with_timeout(_patience_s(), lambda: memory.available(root), "/proc/meminfo")
    except TimeoutError:
        return None, ""


def _patience_s() -> float:
    return _SHORT_S if stuck_in_kernel(_IN_PROGRESS_S) else _PATIENCE_S
