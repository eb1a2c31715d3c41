"""Open the sources that this node has, read each once and declare the layout."""

from ..row.decode import make_layout
from ..status import ABSENT, ERROR, status_of
from .foreign_mounts import Patience, foreign_mounts, may_lie_on
from .kernel_file import KernelFile
from .late import LateReadable
from .pacing import Throttled
from .worker import BlockingReader, call_with_timeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Protocol

    from ..row.decode import Decodable
    from .readable import OpenSource, Readable

    class Openable(Decodable, Protocol):
        """What a probe needs of a source (node/sources/base.py)."""

        every: int
        budget_us: int
        apart_s: float
        tells_pace: bool
        may_block: bool
        start_s: float
        named: bool

        def location(self) -> str: ...

        def open(self, root: str) -> "Readable": ...

        def is_there(self, root: str) -> bool: ...


STAGE_SLOTS = 256  #: samples that are decoded together, at most
STAGE_BYTES = 8 << 20  #: room for their texts, unless eight of them need more
_LEAST_SLOTS = 8
_START_S_MOST = 3.0  #: a source whose start may take longer (NVML) is not asked again
_LOOK_S = 0.3  #: for a look at what is there now, at the end of a run


class Probe:
    """The sources that this node has, opened and read once.

    ``sources`` and ``files`` go in step. ``absent``: {name: status} of the sources that could not
    be read, ``reasons``: {name: text}. ``layout``: the columns of all sources that are there, and
    of those that may come: they were asked for by name, or did not answer, and their fields are
    known (``Source.later_fields``). These are in ``sources`` and in ``absent``. ``root``: root
    directory of the file system that sources read.
    """

    def __init__(self, sources: "Iterable[Openable]", root: str = "/") -> None:
        self.sources: "list[Openable]" = []
        self.files: "list[OpenSource]" = []
        self.absent: "dict[str, int]" = {}
        self.reasons: "dict[str, str]" = {}
        self._root = root
        self._left_out: "list[Openable]" = []
        raws: "list[bytes | None]" = []
        patience = Patience(foreign_mounts(root))
        for source in sources:
            try:
                opened = open_source(source, root, patience)
                raws.append(opened.first())
            except OSError as e:
                self.absent[source.name] = status_of(e)
                self.reasons[source.name] = str(e.strerror or e)
                if not may_come(source, e):
                    self._left_out.append(source)
                    continue
                opened = _open_later(source, root, e, patience)
                opened.first()
                raws.append(None)
            self.sources.append(source)
            self.files.append(opened)
        self.layout = make_layout(self.sources, raws)

    @property
    def caps(self) -> "list[int]":
        """Bytes of buffer that each source needs."""
        return [f.capacity for f in self.files]

    @property
    def stage_slots(self) -> int:
        """Samples that the spool should have room for before they are decoded."""
        return max(_LEAST_SLOTS, min(STAGE_SLOTS, STAGE_BYTES // (sum(self.caps) or 1)))

    def meta(self) -> "dict[str, Any]":
        """Return what a reader of the spool needs to know of the rows."""
        return {
            "layout": self.layout.to_dict(),
            "raw_bytes": self.caps,
            "absent": self.absent,
            "absent_reasons": self.reasons,
        }

    def came(self) -> "list[str]":
        """Return the sources that were absent, have no columns, and are there now."""
        found: "list[str]" = []

        def look() -> None:
            for source in self._left_out:
                if self.absent[source.name] == ABSENT and source.is_there(self._root):
                    found.append(source.name)

        if self._left_out:
            try:
                call_with_timeout(_LOOK_S, look, "a look at what has come")
            except OSError:
                return []
        return found

    def close(self) -> None:
        """Close all files."""
        for f in self.files:
            f.close()


def may_come(source: "Openable", error: OSError) -> bool:
    """Return whether a source that could not be read at the start is asked again.

    Its columns are made then, so it must be wanted: by its name; or it is there, and failed.
    """
    return (source.named or status_of(error) == ERROR) and can_come(source)


def can_come(source: "Openable") -> bool:
    """Return whether a source that is not there at the start has columns for what comes later."""
    return source.start_s <= _START_S_MOST and bool(source.later_fields())


def _open_later(source: "Openable", root: str, error: OSError, patience: Patience) -> Throttled:
    late: "Readable" = LateReadable(lambda: source.open(root), error)
    blocks = source.may_block or may_lie_on(source.location(), root, patience.mounts)
    return _throttled(BlockingReader(late, source.start_s) if blocks else late, source)


def open_source(source: "Openable", root: str, patience: "Patience | None" = None) -> "OpenSource":
    """Open a source below ``root`` as its declaration says.

    A kernel file that is read at every tick, whatever it costs, is left to the sampler; everything
    else is throttled, and what may block is opened and read in a thread. So is what may lie on the
    mounts of ``patience``. OSError when there is nothing to read, or when it does not answer in
    time.
    """
    foreign = patience is not None and may_lie_on(source.location(), root, patience.mounts)
    if source.may_block or foreign:
        limit_s = source.start_s
        if foreign and patience is not None:
            limit_s = min(limit_s, patience.left_s())
        inner = call_with_timeout(limit_s, lambda: source.open(root), source.name)
        return _throttled(BlockingReader(inner, limit_s), source)
    opened = source.open(root)
    if isinstance(opened, KernelFile) and source.every == 1 and not source.budget_us:
        return opened
    return _throttled(opened, source)


def _throttled(inner: "Readable", source: "Openable") -> Throttled:
    out = Throttled(inner, source.name, source.every, source.budget_us, apart_s=source.apart_s)
    out.tells = source.tells_pace
    return out
