"""Open the sources that this node has, read each once and declare the layout."""

from ..row.decode import make_layout
from ..status import status_of
from .file_group import FileGroup
from .kernel_file import KernelFile
from .pacing import Throttled
from .reader import ReaderFile
from .worker import BlockingReader, call_with_timeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


STAGE_SLOTS = 256  #: samples that are decoded at once, at most


STAGE_BYTES = 8 << 20  #: room for their texts, at most, unless they are huge


_LEAST_SLOTS = 8


class Probe:
    """The sources of this node that are there, opened and read once.

    ``sources``, ``files`` in step; ``absent`` {name: status} of those that could not be read, ``reasons`` {name: text}.
    """

    def __init__(self, sources: list, root: str = "/") -> None:
        self.sources: list = []
        self.files: list = []
        raws: list = []
        self.absent: dict = {}
        self.reasons: dict = {}
        for source in sources:
            try:
                kernel_file = open_source(source, root) or KernelFile(
                    root, source.path, source.record_max
                )
                raws.append(kernel_file.first())
            except OSError as e:
                self.absent[source.name] = status_of(e)
                self.reasons[source.name] = str(e.strerror or e)
                continue
            self.sources.append(source)
            self.files.append(kernel_file)
        self.layout = make_layout(self.sources, raws)

    @property
    def caps(self) -> list:
        return [f.capacity for f in self.files]

    @property
    def stage_slots(self) -> int:
        """For how many samples the spool should have room before they are decoded."""
        return max(_LEAST_SLOTS, min(STAGE_SLOTS, STAGE_BYTES // (sum(self.caps) or 1)))

    def meta(self) -> dict:
        """What a reader of the spool needs to know of the rows."""
        return {
            "layout": self.layout.to_dict(),
            "raw_bytes": self.caps,
            "absent": self.absent,
            "absent_reasons": self.reasons,
        }

    def close(self) -> None:
        for f in self.files:
            f.close()


def open_source(source: "Any", root: str) -> "Any":
    """What reads ``source``; None for a plain kernel file. OSError when it is not there, or does not answer."""
    if not (
        source.several
        or source.makes_its_text
        or source.every > 1
        or source.budget_us
        or source.may_block
    ):
        return None
    if source.may_block:
        inner = call_with_timeout(source.start_s, lambda: _opened(source, root), source.name)
        return Throttled(
            BlockingReader(inner, source.start_s), source.name, source.every, source.budget_us
        )
    return Throttled(_opened(source, root), source.name, source.every, source.budget_us)


def _opened(source: "Any", root: str) -> "Any":
    if source.several:
        return FileGroup(root, lambda: source.files(root), source.relist_every)
    if source.makes_its_text:
        return ReaderFile(source.reader(root))
    return FileGroup(root, lambda: [("", source.path)])
