"""Lustre client statistics: llite (file system calls), osc and mdc (RPCs), LNet.

/proc/fs/lustre, /sys/fs/lustre and, in newer versions and for root only, /sys/kernel/debug/lustre
(Lustre manual, "Monitoring the file system"). Where the module is there and its statistics are for
root alone, the status is ``denied``. A line is ``name N samples [unit] min max sum sumsq``; what
cannot be differenced (min, max, and sumsq, which wraps) is left out. LNet has one line of eleven
numbers for all networks (lnet/lnet/router_proc.c).
"""

import os

from ..row.layout import Field
from ..row.scan import is_number
from .base import FileGroupSource, labelled

_ROOTS = ("proc/fs/lustre", "sys/kernel/debug/lustre", "sys/fs/lustre")
_KINDS = ("llite", "osc", "mdc")
_LNET_AT = ("proc/sys/lnet/stats", "sys/kernel/debug/lnet/stats")
_LNET = (
    Field("msgs_alloc", "messages", "gauge", "messages that are active"),
    Field("msgs_max", "messages", "gauge", "most messages that were active at once"),
    Field("errors", "errors", "counter", "errors"),
    Field("send_count", "messages", "counter", "messages sent"),
    Field("recv_count", "messages", "counter", "messages received"),
    Field("route_count", "messages", "counter", "messages routed"),
    Field("drop_count", "messages", "counter", "messages dropped"),
    Field("send_length", "bytes", "counter", "bytes sent"),
    Field("recv_length", "bytes", "counter", "bytes received"),
    Field("route_length", "bytes", "counter", "bytes routed"),
    Field("drop_length", "bytes", "counter", "bytes dropped"),
)
#: what clients count, per kind of device. A line is printed once its count is not 0.
_CALLS = {
    "llite": (
        "read_bytes write_bytes read write ioctl open close mmap page_fault page_mkwrite seek fsync"
        " readdir setattr truncate flock getattr create link unlink symlink mkdir rmdir mknod"
        " rename statfs setxattr getxattr getxattr_hits listxattr removexattr inode_permission"
        " fallocate opencount openclosetime"
    ).split(),
    "osc": (
        "req_waittime req_active read_bytes write_bytes ost_read ost_write ost_setattr ost_punch"
        " ost_sync ost_statfs ost_connect ost_disconnect ldlm_enqueue ldlm_extent_enqueue"
        " ldlm_glimpse_enqueue ldlm_cancel obd_ping"
    ).split(),
    "mdc": (
        "req_waittime req_active mds_getattr mds_getattr_lock mds_close mds_readpage mds_statfs"
        " mds_sync mds_connect mds_getxattr mds_reint_setattr mds_reint_create mds_reint_link"
        " mds_reint_unlink mds_reint_rename mds_reint_open mds_reint_setxattr ldlm_enqueue"
        " ldlm_ibits_enqueue ldlm_flock_enqueue ldlm_cancel obd_ping"
    ).split(),
}
#: units of sums that are neither bytes nor microseconds
_UNITS = {
    "req_active": "requests",
    "req_qdepth": "requests",
    "req_timeout": "s",
    "opencount": "files",
    "ldlm_cancel": "locks",
}


class Lustre(FileGroupSource):
    """A device is a mount or target, ``llite/lfs-ffff8a``, or ``lnet``.

    Fields of mounts and targets are ``NAME_samples`` and ``NAME_sum``; llite, osc, mdc and lnet are
    a table each, since their fields differ.
    """

    name = "lustre"
    order = 22
    copies_numbers = True
    kernel_file = "lustre/{llite,osc,mdc}/*/stats, lnet/stats"
    file_bytes = 4096  # a line a call, as calls are made
    may_be_empty = True  # the module is loaded and nothing is mounted yet
    doc = (
        "Lustre client: calls, bytes and times of every mount (llite) and target (osc, mdc), "
        "and LNet's traffic"
    )
    may_block = True
    relist_s = 60
    later_bytes = 16384
    budget_us = 20000

    def files(self, root: str) -> "list[tuple[str, str]]":
        out: "dict[str, str]" = {}
        for path in _LNET_AT:
            if "lnet" not in out and os.path.exists(os.path.join(root, path)):
                out["lnet"] = path
        denied = False
        for base in _ROOTS:
            for kind in _KINDS:
                folder = base + "/" + kind
                try:
                    names = os.listdir(os.path.join(root, folder))
                except OSError as e:
                    denied = denied or isinstance(e, PermissionError)
                    continue
                for name in sorted(names):
                    label = "%s/%s" % (kind, name)
                    path = "%s/%s/stats" % (folder, name)
                    if " " in name or label in out:
                        continue
                    if os.path.exists(os.path.join(root, path)):
                        out[label] = path
        if not out and denied and os.path.isdir(os.path.join(root, "sys/fs/lustre")):
            raise PermissionError(
                13, "its statistics are for root alone (/sys/kernel/debug/lustre)"
            )
        if not out and not any(os.path.isdir(os.path.join(root, base)) for base in _ROOTS):
            raise FileNotFoundError(2, "no Lustre client")
        return sorted(out.items())

    def known_fields(self, raw: bytes) -> "dict[str, tuple[str, ...]]":
        known = {
            kind: tuple("%s_%s" % (call, what) for call in calls for what in ("samples", "sum"))
            for kind, calls in _CALLS.items()
        }
        known["lnet"] = tuple(f.name for f in _LNET)
        return known

    def spare_slots(self, table: str, devices: int) -> int:
        return 1 - min(devices, 1) if table == "lnet" else max(4, devices // 4)

    def field(self, table: str, name: str) -> Field:
        if table == "lnet":
            return next(f for f in _LNET if f.name == name)
        call, _, what = name.rpartition("_")
        if what == "samples":
            return Field(name, "calls", "counter", "%s: number of calls" % call)
        unit = "bytes" if call.endswith("bytes") else _UNITS.get(call, "us")
        return Field(name, unit, "counter", "%s: sum over its calls" % call)

    def prepare(self, raw: bytes) -> bytes:
        out: "list[bytes]" = []
        for device, lines in labelled(raw):
            if device == b"lnet":
                words = lines[0].split() if lines else []
                out += [
                    b"lnet %s %s" % (f.name.encode(), word)
                    for f, word in zip(_LNET, words)
                    if is_number(word)
                ]
            else:
                _add_statistics(device, lines, out)
        return b"\n".join(out)

    def table_of(self, line: bytes) -> str:
        return line.split(b" ")[0].partition(b"/")[0].decode("ascii", "replace")


def _add_statistics(device: bytes, lines: "list[bytes]", out: "list[bytes]") -> None:
    """Append ``device field value`` lines: how often each call was made, and its sum."""
    for line in lines:
        words = line.split()
        if len(words) < 4 or words[2] != b"samples" or not is_number(words[1]):
            continue
        out.append(b"%s %s_samples %s" % (device, words[0], words[1]))
        if len(words) > 6 and is_number(words[6]):
            out.append(b"%s %s_sum %s" % (device, words[0], words[6]))
