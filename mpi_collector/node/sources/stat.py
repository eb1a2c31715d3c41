"""/proc/stat: CPU time, interrupts, context switches, forks (proc(5), filesystems/proc.rst)."""

from ..row.layout import Field
from ..row.scan import IGNORE, LABEL, Cell, Scan, is_number, name_of, unique
from .base import KernelFileSource

_MODES = {
    "user": "time in user mode, guests included",
    "nice": "time in user mode at low priority",
    "system": "time in kernel mode",
    "idle": "time idle",
    "iowait": "time idle while a task of this CPU waited for I/O; unreliable, may decrease",
    "irq": "time in interrupts",
    "softirq": "time in soft interrupts",
    "steal": "time taken by the hypervisor; since Linux 2.6.11",
    "guest": "time running a guest; since Linux 2.6.24",
    "guest_nice": "time running a guest at low priority; since Linux 2.6.33",
}
_MODE_NAMES = tuple(_MODES)
_SOFTIRQS = (
    "hi",
    "timer",
    "net_tx",
    "net_rx",
    "block",
    "irq_poll",
    "tasklet",
    "sched",
    "hrtimer",
    "rcu",
)
_SCALARS = {
    f.name: f
    for f in (
        Field("ctxt", "switches", "counter", "context switches"),
        Field(
            "btime",
            "s",
            "gauge",
            "time of boot, seconds since the epoch; changes when the wall clock is stepped",
        ),
        Field("processes", "forks", "counter", "processes and threads created"),
        Field("procs_running", "threads", "gauge", "threads that are runnable"),
        Field("procs_blocked", "threads", "gauge", "threads that are blocked on I/O"),
    )
}


class Stat(KernelFileSource):
    """Times in USER_HZ ticks. Device ``cpu`` is the sum over all CPUs; ``cpu0`` ... are online."""

    name = "stat"
    order = 3
    path = "proc/stat"
    doc = (
        "CPU time per mode in total and per CPU, interrupts, context switches, forks, "
        "running and blocked"
    )
    fields = tuple(Field(mode, "USER_HZ", "counter", doc) for mode, doc in _MODES.items())

    def field(self, table: str, name: str) -> Field:
        if name in _SCALARS:
            return _SCALARS[name]
        if name.startswith(("intr_", "softirq_")):
            return Field(name, "interrupts", "counter", "interrupts serviced since boot")
        return super().field(table, name)

    def prepare(self, raw: bytes) -> bytes:
        """Return the text without the numbers of single interrupts, thousands on some machines."""
        start = raw.find(b"\nintr ")
        if start < 0:
            return raw
        after_sum = raw.find(b" ", start + 6)
        end = raw.find(b"\n", start + 6)
        return raw if after_sum < 0 or end < after_sum else raw[:after_sum] + raw[end:]

    def scan(self, text: bytes) -> Scan:
        scan = Scan()
        seen: "set[str]" = set()
        for line in text.split(b"\n"):
            tokens = line.split()
            if tokens:
                scan.add(LABEL)
                _scan_values(unique(name_of(tokens[0]), seen), tokens[1:], scan)
        return scan

    def spare_slots(self, table: str, devices: int) -> int:
        # Offline CPUs are few where there are any: enough for hyper-threading of a small host.
        return 4 if table == "cpu" else 0


def _scan_values(key: str, tokens: "list[bytes]", scan: Scan) -> None:
    """Add the roles of the values on the line of ``key``."""
    cells = _cells(key, len(tokens))
    bad = [t for t in tokens[: len(cells)] if not is_number(t)]
    if bad or not tokens:
        scan.problems.append("no number %r after %s" % (bad[:1], key))
    for i, token in enumerate(tokens):
        scan.add(cells[i] if i < len(cells) and is_number(token) else IGNORE)


def _cells(key: str, values: int) -> "list[Cell]":
    """Return the cells of a line with so many values."""
    if key.startswith("cpu"):
        known = len(_MODE_NAMES)
        return [
            Cell("cpu", key, _MODE_NAMES[i] if i < known else "field_%d" % (i + 1))
            for i in range(values)
        ]
    if key in ("intr", "softirq"):
        names = ("total",) + (_SOFTIRQS if key == "softirq" else ())
        return [Cell("", "", "%s_%s" % (key, name)) for name in names[:values]]
    return [Cell("", "", key)]
