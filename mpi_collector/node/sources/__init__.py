"""The registry: one kernel file, one module, one line here."""

from .cgroup import Cgroup
from .diskstats import Diskstats
from .infiniband import Infiniband
from .interrupts import Interrupts
from .loadavg import Loadavg
from .lustre import Lustre
from .meminfo import Meminfo
from .netdev import Netdev
from .nfs import Nfs
from .numa import Numa
from .power import Power
from .pressure import Pressure
from .processes import Processes
from .queue import Queue
from .schedstat import Schedstat
from .softnet import Softnet
from .stat import Stat
from .tcp import Tcp
from .vmstat import Vmstat

#: in reading order: what changes fastest and matters most first, what may hang last
ALL = (Diskstats, Netdev, Stat, Vmstat, Meminfo, Loadavg, Pressure, Nfs, Infiniband, Tcp, Softnet, Cgroup, Numa, Queue, Schedstat,
       Interrupts, Lustre, Processes, Power)  # fmt: skip
BY_NAME = {s.name: s for s in ALL}
GROUPS = {
    "basic": ("diskstats", "netdev", "vmstat", "meminfo", "loadavg"),
    "default": tuple(s.name for s in ALL if s.default and not s.privileged),
    "all": tuple(s.name for s in ALL),
    "none": (),
}
ALIASES = {"net/dev": "netdev", "net_dev": "netdev"}


def select(spec):
    # type: (str) -> list
    """Source objects for ``basic``, ``default``, ``all``, or names separated by commas (groups may be among them).

    ValueError names what is not known and what there is.
    """
    wanted = []  # type: list
    if spec == "none":
        return wanted
    for word in spec.replace(",", " ").split():
        word = ALIASES.get(word, word)
        if word not in GROUPS and word not in BY_NAME:
            raise ValueError(
                "unknown source %r; there are %s, and the groups basic, default, all" % (word, ", ".join(sorted(BY_NAME)))
            )
        wanted.extend(GROUPS.get(word, (word,)))
    if not wanted:
        raise ValueError("no source named; try basic, default or all")
    return [cls() for cls in ALL if cls.name in wanted]
