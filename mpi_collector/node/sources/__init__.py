"""The registry: one kernel file, one module, one line here."""

from .cgroup import Cgroup
from .diskstats import Diskstats
from .gpu import Gpu
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
from .slingshot import Slingshot
from .softnet import Softnet
from .stat import Stat
from .tcp import Tcp
from .vmstat import Vmstat

#: in reading order: what changes fastest and matters most first, what may hang last
ALL = (Diskstats, Netdev, Stat, Vmstat, Meminfo, Loadavg, Pressure, Nfs, Infiniband, Slingshot, Tcp, Softnet, Cgroup, Numa, Queue,
       Schedstat, Interrupts, Lustre, Gpu, Processes, Power)  # fmt: skip
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

    A name may be followed by ``:OPTION`` where a source has options. ValueError names what is not known and what there is.
    """
    wanted, options = set(), {}  # type: set, dict
    if spec == "none":
        return []
    for word in spec.replace(",", " ").split():
        name, colon, option = word.partition(":")
        name = ALIASES.get(name, name)
        if name not in GROUPS and name not in BY_NAME:
            raise ValueError(
                "unknown source %r; there are %s, and the groups basic, default, all" % (word, ", ".join(sorted(BY_NAME)))
            )
        wanted.update(GROUPS.get(name, (name,)))
        if colon:
            _check_option(name, option, options)
            options[name] = option
    if not wanted:
        raise ValueError("no source named; try basic, default or all")
    out = []
    for cls in ALL:
        if cls.name in wanted:
            source = cls()
            if cls.name in options:
                source.choose(options[cls.name])
            out.append(source)
    return out


def _check_option(name, option, options):
    # type: (str, str, dict) -> None
    with_options = [s.name for s in ALL if s.option_doc]
    if name not in with_options:
        raise ValueError("%s:%s: %s takes nothing after a colon; only %s does" % (name, option, name, ", ".join(with_options)))
    if not option:
        raise ValueError("%s: nothing after the colon" % name)
    if options.get(name, option) != option:
        raise ValueError("%s is given twice: %s and %s" % (name, options[name], option))
