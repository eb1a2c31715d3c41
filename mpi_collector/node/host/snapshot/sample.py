"""One sample of this host in the suite's form, apart from any recording."""

import socket
import time

from . import proc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: key of a sample -> file below /proc and its parser
_SAMPLED = {
    "diskstats": ("diskstats", proc.diskstats),
    "vmstat": ("vmstat", proc.vmstat),
    "meminfo": ("meminfo", proc.meminfo),
    "loadavg": ("loadavg", proc.loadavg),
    "netdev": ("net/dev", proc.netdev),
}


def one_sample(directory: str = "/proc/") -> "dict[str, Any]":
    """Return timestamp, hostname and the five files; one that cannot be read is in ``errors``.

    directory: that of proc, for tests.
    """
    now = time.time()
    sample: "dict[str, Any]" = {
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        "hostname": socket.gethostname(),
        "timestamp_ns": int(now * 1e9),
    }
    errors = {}
    for key, (name, parse) in _SAMPLED.items():
        try:
            with open(directory + name, "rb") as f:
                sample[key] = parse(f.read())
        except OSError as e:
            errors[key] = e.strerror or str(e)
    if errors:
        sample["errors"] = errors
    return sample
