"""/proc/stat: CPU time per mode, interrupts, context switches, forks (proc(5), Documentation/filesystems/proc.rst)."""

from ..row.layout import IGNORE, LABEL, Cell, Field
from .base import Source, is_number, name_of, unique

_MODES = (
    "user",
    "nice",
    "system",
    "idle",
    "iowait",
    "irq",
    "softirq",
    "steal",
    "guest",
    "guest_nice",
)
_MODE_DOC = {
    "user": "user mode, guests included",
    "nice": "user mode at low priority",
    "system": "kernel mode",
    "idle": "idle",
    "iowait": "idle while this CPU had I/O outstanding; not reliable, may decrease",
    "irq": "interrupts",
    "softirq": "soft interrupts",
    "steal": "taken by the hypervisor; Linux 2.6.11",
    "guest": "running a guest; Linux 2.6.24",
    "guest_nice": "running a guest at low priority; Linux 2.6.33",
}
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
    "ctxt": Field("ctxt", "switches", "counter", "context switches"),
    "btime": Field(
        "btime",
        "s",
        "gauge",
        "boot time, seconds since the epoch; moves when the wall clock is stepped",
    ),
    "processes": Field("processes", "forks", "counter", "processes and threads created"),
    "procs_running": Field("procs_running", "threads", "gauge", "runnable now; Linux 2.5.45"),
    "procs_blocked": Field("procs_blocked", "threads", "gauge", "blocked on I/O now; Linux 2.5.45"),
}


class Stat(Source):
    """Times in USER_HZ ticks. Device ``cpu`` is the sum over all CPUs, ``cpu0`` ... are the online ones."""

    name = "stat"
    order = 3
    path = "proc/stat"
    doc = "CPU time per mode in total and per CPU, interrupts, context switches, forks, running and blocked"
    fields = tuple(Field(m, "USER_HZ", "counter", "time in " + _MODE_DOC[m]) for m in _MODES)

    def field(self, table: str, name: str) -> "Field":
        if name in _SCALARS:
            return _SCALARS[name]
        if name.startswith(("intr_", "softirq_")):
            return Field(name, "interrupts", "counter", "serviced since boot")
        return Source.field(self, table, name)

    def prepare(self, raw: bytes) -> bytes:
        # thousands of numbers, one per interrupt: only their sum is kept
        start = raw.find(b"\nintr ")
        if start < 0:
            return raw
        after_sum = raw.find(b" ", start + 6)
        end = raw.find(b"\n", start + 6)
        return raw if after_sum < 0 or end < after_sum else raw[:after_sum] + raw[end:]

    def scan(self, text: bytes) -> tuple:
        roles: list = []
        problems: list = []
        seen: set = set()
        for line in text.split(b"\n"):
            tokens = line.split()
            if tokens:
                roles.append(LABEL)
                roles.extend(self._values(unique(name_of(tokens[0]), seen), tokens[1:], problems))
        return roles, problems

    @staticmethod
    def _values(key: str, tokens: list, problems: list) -> list:
        if key.startswith("cpu"):
            cells = [
                Cell("cpu", key, _MODES[i] if i < len(_MODES) else "field_%d" % (i + 1))
                for i in range(len(tokens))
            ]
        elif key in ("intr", "softirq"):
            names = ("total",) + (_SOFTIRQS if key == "softirq" else ())
            cells = [Cell("", "", "%s_%s" % (key, n)) for n in names[: len(tokens)]]
        else:
            cells = [Cell("", "", key)]
        bad = [t for t in tokens[: len(cells)] if not is_number(t)]
        cells = list(cells) + [IGNORE] * (len(tokens) - len(cells))  # type: ignore[list-item]
        if bad or not tokens:
            problems.append("no number %r after %s" % (bad[:1], key))
        return [c if is_number(t) else IGNORE for c, t in zip(cells, tokens)]

    def spare_slots(self, table: str, devices: int) -> int:
        # offline CPUs are few where there are any: enough for a hyper-threading switch on a small host
        return 4 if table == "cpu" else 0
