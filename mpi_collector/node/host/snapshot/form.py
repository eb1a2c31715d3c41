"""The form of a snapshot (document.py) that another process has sent."""

from ...forms import (
    MOMENT,
    NAME,
    NAME_BYTES,
    PATH,
    PATH_CHARS,
    REASON,
    Anything,
    Flag,
    Form,
    Items,
    Maybe,
    Real,
    Record,
    Table,
    Text,
    Whole,
)

TYPE_CHECKING = False

_ROWS_MOST = 1 << 17  #: of a table: mounts, drives, interfaces
_SCALAR = Anything(depth=0)
_CPU_ROW = Table(_SCALAR, 256, NAME)
_WORD = Maybe(Text(PATH_CHARS))
_NUMBER = Maybe(Whole(-(2**63), 2**64))


def _rows(**fields: Form) -> Form:
    """Return the form of a list of rows that have at least ``fields``; None: it was not taken."""
    return Maybe(Items(Record(fields, further=Anything(depth=2)), _ROWS_MOST))


def _table(form: Form) -> Form:
    return Maybe(Table(form, _ROWS_MOST, NAME))


_MAYBE_NAME = Maybe(Text(NAME_BYTES))
#: of disks or interfaces; "leaf" is of an earlier version
TOPOLOGY = _table(
    Record(
        {"kind": NAME},
        {
            "parents": Items(NAME, _ROWS_MOST),
            "device": Flag(),
            "hidden": Flag(),
            "master": _MAYBE_NAME,
            "port": _MAYBE_NAME,
            "index": _NUMBER,
            "link": _NUMBER,
            "number": _MAYBE_NAME,
            "leaf": Flag(),
        },
    )
)

SNAPSHOT = Record(
    {"hostname": Text(NAME_BYTES)},
    {
        "collection_timestamp": Maybe(Text(40)),
        "timestamp_ns": MOMENT,
        "cpuinfo": Maybe(Items(_CPU_ROW, _ROWS_MOST)),
        "condensed_cpus": Record({"common": _CPU_ROW, "own": Items(_CPU_ROW, _ROWS_MOST)}),
        "mounts": _rows(device=PATH, mount_point=PATH, fs_type=PATH, options=Text(1 << 16)),
        "meminfo": _table(_NUMBER),
        "diskstats": _rows(),
        "netdev": _rows(),
        "version": REASON,
        "loadavg": _table(Anything(depth=0)),
        "uptime_seconds": Maybe(Real()),
        "vmstat": _table(_NUMBER),
        "block_topology": TOPOLOGY,
        "cgroup_limits": _table(Anything(depth=1)),
        "cgroups": _rows(),
        "chassis": _table(_WORD),
        "cpu": Maybe(
            Record(
                {},
                {
                    "num_sockets": Whole(0, 1 << 20),
                    "num_cores": Whole(0, 1 << 20),
                    "num_logical_cores": Whole(0, 1 << 20),
                    "model": REASON,
                    "architecture": REASON,
                },
                further=Anything(depth=1),
            )
        ),
        "directories": _rows(path=PATH, size_bytes=_NUMBER, free_bytes=_NUMBER),
        "drives": _rows(name=NAME, model=_WORD, size_bytes=_NUMBER),
        "environment": _table(Text(1 << 16)),
        "infiniband": _rows(device=NAME, rate=_WORD, state=_WORD),
        "kernel_cmdline": Maybe(Items(PATH, _ROWS_MOST)),
        "limits": _table(_NUMBER),
        "net_topology": TOPOLOGY,
        "nics": _rows(name=NAME, kind=NAME, physical=Flag(), state=_WORD, speed_mbps=_NUMBER),
        "numa": _rows(),
        "os_release": _table(Text(PATH_CHARS)),
        "python": _table(_WORD),
        "sysctls": _table(Text(PATH_CHARS)),
        "transparent_hugepage": _WORD,
        "errors": _table(REASON),
    },
    further=Anything(),
)
