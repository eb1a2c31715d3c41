"""Reference readers of kernel files: line by line, sharing nothing with the package."""

from __future__ import annotations

from decimal import Decimal

Cells = dict[str, int]

DISK = (
    "reads_completed reads_merged sectors_read time_reading_ms writes_completed writes_merged sectors_written "
    "time_writing_ms ios_in_progress time_doing_ios_ms weighted_time_doing_ios_ms discards_completed discards_merged "
    "sectors_discarded time_discarding_ms flush_requests_completed time_flushing_ms"
).split()
NET = (
    "rx_bytes rx_packets rx_errors rx_dropped rx_fifo rx_frame rx_compressed rx_multicast "
    "tx_bytes tx_packets tx_errors tx_dropped tx_fifo tx_collisions tx_carrier tx_compressed"
).split()
MODES = "user nice system idle iowait irq softirq steal guest guest_nice".split()
SOFTIRQS = "hi timer net_tx net_rx block irq_poll tasklet sched hrtimer rcu".split()
LOADAVG = "load_1min load_5min load_15min running_processes total_processes last_pid".split()


def parse(source: str, text: bytes) -> tuple[Cells, bool]:
    """({column name: value}, is a line broken) of one kernel file.

    A value is missing where the text has none.
    """
    cells, broken = _PARSERS[source](text)
    return {f"{source}.{name}": int64(value) for name, value in cells.items()}, broken


def int64(value: int) -> int:
    """A counter modulo 2^64 as the signed number that is stored."""
    return (value + 2**63) % 2**64 - 2**63


def text_of(raw: bytes) -> str:
    """A name as text."""
    return raw.decode("utf-8", "backslashreplace")


def number(token: bytes) -> int | None:
    """The number, or None for anything else."""
    digits = token[1:] if token.startswith(b"-") else token
    return int(token) if digits and set(digits) <= set(b"0123456789") and len(token) <= 20 else None


def _nth(names: list[str], i: int) -> str:
    return names[i] if i < len(names) else f"field_{i + 1}"


def _again(name: str, seen: set[str]) -> str:
    """The second ``sda`` is ``sda#2``, the third ``sda#3``."""
    n, out = 1, name
    while out in seen:
        n += 1
        out = f"{name}#{n}"
    seen.add(out)
    return out


def _devices(lines: list[tuple[bytes, list[bytes], list[str]]]) -> tuple[Cells, bool]:
    cells: Cells = {}
    broken = False
    seen: set[str] = set()
    for device, values, names in lines:
        if not names:
            broken = True
            continue
        name = _again(text_of(device), seen)
        for i, token in enumerate(values):
            value = number(token)
            if value is None:
                broken = True
            else:
                cells[f"{name}.{_nth(names, i)}"] = value
    return cells, broken


def _diskstats(text: bytes) -> tuple[Cells, bool]:
    lines = []
    for line in text.split(b"\n"):
        tokens = line.split()
        values = tokens[3:]
        if len(values) == 4:
            names = ["reads_completed", "sectors_read", "writes_completed", "sectors_written"]
        elif len(values) > 17:
            names = DISK
        else:  # 11 numbers, then four more, then two more: what is between is of no use
            whole = max(n for n in (0, 11, 15, 17) if n <= len(values))
            names, values = DISK[:whole], values[:whole]
        if tokens:
            lines.append((tokens[2] if len(tokens) > 2 else b"", values, names))
    return _devices(lines)


def _netdev(text: bytes) -> tuple[Cells, bool]:
    lines = []
    for number_of_line, line in enumerate(text.split(b"\n")):
        if line.strip() and not (number_of_line < 2 and b"|" in line):
            words = line.split()
            name, _colon, value = (
                words[0].rpartition(b":") if b":" in words[0] else (words[0], b"", b"")
            )
            values = b" ".join([value, *words[1:]])
            lines.append((name.strip(), values.split(), NET if len(values.split()) >= 16 else []))
    return _devices(lines)


def _keyed(text: bytes) -> tuple[Cells, bool]:
    cells: Cells = {}
    broken = False
    seen: set[str] = set()
    for line in text.split(b"\n"):
        tokens = line.split()
        value = number(tokens[1]) if len(tokens) > 1 else None
        if value is not None:
            key = text_of(tokens[0][:-1] if tokens[0].endswith(b":") else tokens[0])
            cells[_again(key, seen)] = value
        broken = broken or (value is None and bool(tokens))
    return cells, broken


def _stat(text: bytes) -> tuple[Cells, bool]:
    cells: Cells = {}
    broken = False
    seen: set[str] = set()
    for line in text.split(b"\n"):
        if not line.split():
            continue
        key = _again(text_of(line.split()[0]), seen)
        values = line.split()[1:]
        if key.startswith("cpu"):
            named = [(f"{key}.{_nth(MODES, i)}", token) for i, token in enumerate(values)]
        elif key == "intr":
            named = [("intr_total", values[0])] if values else []
        elif key == "softirq":
            named = list(zip(["softirq_total", *("softirq_" + s for s in SOFTIRQS)], values))
        else:
            named = [(key, values[0])] if values else []
        broken = broken or not values or any(number(token) is None for _name, token in named)
        cells.update({name: value for name, token in named if (value := number(token)) is not None})
    return cells, broken


def _loadavg(text: bytes) -> tuple[Cells, bool]:
    tokens = text.replace(b"/", b" ").split()
    try:
        hundredths = [int(Decimal(t.decode()) * 100) for t in tokens[:3]]
        values = [*hundredths, *map(int, tokens[3:])]
    except (ArithmeticError, ValueError):
        return {}, True
    return (dict(zip(LOADAVG, values)), False) if len(values) == 6 else ({}, True)


_PARSERS = {
    "diskstats": _diskstats,
    "netdev": _netdev,
    "stat": _stat,
    "vmstat": _keyed,
    "meminfo": _keyed,
    "loadavg": _loadavg,
}
