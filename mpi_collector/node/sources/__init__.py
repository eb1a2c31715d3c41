"""The registry: one kernel file, one module, one line here."""

from .diskstats import Diskstats
from .loadavg import Loadavg
from .meminfo import Meminfo
from .netdev import Netdev
from .stat import Stat
from .vmstat import Vmstat

#: in reading order: what changes fastest and matters most first
ALL = (Diskstats, Netdev, Stat, Vmstat, Meminfo, Loadavg)
BY_NAME = {s.name: s for s in ALL}
GROUPS = {
    "basic": ("diskstats", "netdev", "vmstat", "meminfo", "loadavg"),
    "default": ("diskstats", "netdev", "stat", "vmstat", "meminfo", "loadavg"),
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
