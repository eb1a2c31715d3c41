"""Obvious line-by-line readers of the kernel files, to hold the real ones against."""

from __future__ import annotations

from pathlib import Path

DISK = (
    "reads_completed reads_merged sectors_read time_reading_ms writes_completed writes_merged sectors_written "
    "time_writing_ms ios_in_progress time_doing_ios_ms weighted_time_doing_ios_ms discards_completed discards_merged "
    "sectors_discarded time_discarding_ms flush_requests_completed time_flushing_ms"
).split()
NET = (
    "rx_bytes rx_packets rx_errors rx_dropped rx_fifo rx_frame rx_compressed rx_multicast tx_bytes tx_packets tx_errors "
    "tx_dropped tx_fifo tx_collisions tx_carrier tx_compressed"
).split()
MODES = "user nice system idle iowait irq softirq steal guest guest_nice".split()


def read(root: Path) -> dict[str, int]:
    """{column name: number} of all sources of a tree, as text says it; loads as hundredths."""
    out: dict[str, int] = {}
    proc = root / "proc"
    for line in (proc / "diskstats").read_text().splitlines():
        words = line.split()
        for name, value in zip(DISK, words[3:]):
            out[f"diskstats.{words[2]}.{name}"] = int(value)
    for line in (proc / "net/dev").read_text().splitlines()[2:]:
        name, _, rest = line.partition(":")
        for field, value in zip(NET, rest.split()):
            out[f"netdev.{name.strip()}.{field}"] = int(value)
    for source in ("vmstat", "meminfo"):
        for line in (proc / source).read_text().splitlines():
            words = line.split()
            out[f"{source}.{words[0].rstrip(':')}"] = int(words[1])
    one, five, fifteen, threads, last = (proc / "loadavg").read_text().split()
    for name, load in (("load_1min", one), ("load_5min", five), ("load_15min", fifteen)):
        out[f"loadavg.{name}"] = round(float(load) * 100)
    out["loadavg.running_processes"], out["loadavg.total_processes"] = map(int, threads.split("/"))
    out["loadavg.last_pid"] = int(last)
    for line in (proc / "stat").read_text().splitlines():
        words = line.split()
        if words[0].startswith("cpu"):
            for mode, value in zip(MODES, words[1:]):
                out[f"stat.{words[0]}.{mode}"] = int(value)
        elif words[0] == "intr":
            out["stat.intr_total"] = int(words[1])
        elif words[0] != "softirq":
            out[f"stat.{words[0]}"] = int(words[1])
    return out
