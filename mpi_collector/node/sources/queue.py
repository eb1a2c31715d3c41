"""/sys/block/*/inflight: requests that a device has been given and not answered (Documentation/block/stat.rst)."""

import os

from ..row.layout import Field
from .base import Source, is_number, labelled, scan_cells

_NO_DEVICES = ("loop", "ram", "zram", "sr", "fd")


class Queue(Source):
    name = "queue"
    order = 16
    kernel_file = "/sys/block/*/inflight"
    doc = "reads and writes in flight on every block device at the moment of the sample"
    several = True
    budget_us = 10000
    relist_every = 256
    default = False  # diskstats has their sum
    fields = (
        Field("reads_in_flight", "requests", "gauge", "reads given and not answered"),
        Field("writes_in_flight", "requests", "gauge", "writes given and not answered"),
    )

    def files(self, root: str) -> list:
        try:
            names = sorted(os.listdir(os.path.join(root, "sys/block")))
        except OSError:
            return []
        return [
            (n, "sys/block/%s/inflight" % n)
            for n in names
            if not n.startswith(_NO_DEVICES) and " " not in n
        ]

    def prepare(self, raw: bytes) -> bytes:
        out = []
        for device, lines in labelled(raw):
            words = lines[0].split() if lines else []
            if len(words) == 2 and all(map(is_number, words)):
                out.append(
                    b"%s reads_in_flight %s\n%s writes_in_flight %s"
                    % (device, words[0], device, words[1])
                )
        return b"\n".join(out)

    def scan(self, text: bytes) -> tuple:
        roles: list = []
        problems: list = []
        scan_cells(text.split(b"\n"), roles, problems)
        return roles, problems
