"""/sys/block/*/inflight: requests in flight on a block device (Documentation/block/stat.rst)."""

from ..read.kernel_file import list_names
from ..row.layout import Field
from ..row.scan import is_number
from .base import FileGroupSource, labelled

_NO_DEVICES = ("loop", "ram", "zram", "sr", "fd")


class Queue(FileGroupSource):
    """The moment of the sample, reads and writes apart; diskstats has their sum."""

    name = "queue"
    order = 16
    copies_numbers = True
    in_one_piece = True
    kernel_file = "/sys/block/*/inflight"
    doc = "reads and writes in flight on every block device at the moment of the sample"
    relist_s = 60
    later_bytes = 16384
    budget_us = 10000
    default = False
    fields_from_start = True
    fields = (
        Field("reads_in_flight", "requests", "gauge", "reads issued and not completed"),
        Field("writes_in_flight", "requests", "gauge", "writes issued and not completed"),
    )

    def files(self, root: str) -> "list[tuple[str, str]]":
        return [
            (name, "sys/block/%s/inflight" % name)
            for name in list_names(root, "sys/block")
            if not name.startswith(_NO_DEVICES) and " " not in name
        ]

    def prepare(self, raw: bytes) -> bytes:
        out = []
        for device, lines in labelled(raw):
            words = lines[0].split() if lines else []
            if len(words) == 2 and all(map(is_number, words)):
                out.append(b"%s reads_in_flight %s" % (device, words[0]))
                out.append(b"%s writes_in_flight %s" % (device, words[1]))
        return b"\n".join(out)
