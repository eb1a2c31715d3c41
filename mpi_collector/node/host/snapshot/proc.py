"""Kernel text files as plain data, for snapshots: once at the start and once at the end, so nothing here is fast.

Every function takes the text (str or bytes) and gives what is in it; a line that is cut or malformed is left out, never
turned into zeros. Formats: proc(5), Documentation/admin-guide/iostats.rst, os-release(5).
"""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DISK = ("reads_completed", "reads_merged", "sectors_read", "time_reading_ms", "writes_completed", "writes_merged",
         "sectors_written", "time_writing_ms", "ios_in_progress", "time_doing_ios_ms",
         "weighted_time_doing_ios_ms")  # fmt: skip
_DISK_LATER = (("discards_completed", "discards_merged", "sectors_discarded", "time_discarding_ms"),
               ("flush_requests_completed", "time_flushing_ms"))  # fmt: skip
_NET = ("rx_bytes", "rx_packets", "rx_errors", "rx_dropped", "rx_fifo", "rx_frame", "rx_compressed", "rx_multicast",
        "tx_bytes", "tx_packets", "tx_errors", "tx_dropped", "tx_fifo", "tx_collisions", "tx_carrier",
        "tx_compressed")  # fmt: skip
_OCTAL = re.compile(r"\\([0-7]{3})")
_INT = re.compile(r"-?[0-9]{1,20}\Z")
_FLOAT = re.compile(r"-?[0-9]{1,300}\.[0-9]{1,20}\Z")


def text_of(raw: "Any") -> str:
    """Whatever the kernel printed, as text."""
    return raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw


def _ints(words: list) -> "Any":
    """All of ``words`` as numbers, or None when one is none."""
    return [int(w) for w in words] if all(_INT.match(w) for w in words) else None


def _keyed(text: "Any", colon: bool) -> dict:
    out = {}
    for line in text_of(text).split("\n"):
        words = line.split()
        if len(words) >= 2 and words[0].endswith(":") == colon and _INT.match(words[1]):
            out[words[0].rstrip(":")] = int(words[1])
    return out


def meminfo(text: "Any") -> dict:
    """{name: number as printed}: kB, except the counts of huge pages."""
    return _keyed(text, True)


def vmstat(text: "Any") -> dict:
    """{name: number} in the kernel's units."""
    return _keyed(text, False)


def cpuinfo(text: "Any") -> list:
    """One dict per logical CPU, keys as printed, numbers as numbers."""
    out = []
    for block in re.split(r"\n\s*\n", text_of(text)):
        cpu = {}
        for line in block.split("\n"):
            key, colon, value = line.partition(":")
            if colon and key.strip():
                cpu[key.strip()] = _number(value.strip())
        if "processor" in cpu:
            out.append(cpu)
    return out


def _number(text: str) -> "Any":
    if _INT.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text


def summarize_cpuinfo(cpus: list) -> dict:
    """num_sockets, num_cores (physical), num_logical_cores, model, of what ``cpuinfo`` gives.

    A machine that prints no topology (arm64, some guests) has as many cores as logical CPUs, in one socket.
    """
    sockets = {c["physical id"] for c in cpus if "physical id" in c}
    cores = {
        (c["physical id"], c["core id"]) for c in cpus if "physical id" in c and "core id" in c
    }
    model = next(
        (
            str(c[k])
            for c in cpus
            for k in ("model name", "Processor", "cpu model", "cpu")
            if c.get(k)
        ),
        "",
    )
    return {
        "num_sockets": len(sockets) or (1 if cpus else 0),
        "num_cores": len(cores) or len(cpus),
        "num_logical_cores": len(cpus),
        "model": model,
    }


def diskstats(text: "Any") -> list:
    """One dict per device; what this kernel does not print is not there."""
    out = []
    for line in text_of(text).split("\n"):
        words = line.split()
        values = _ints(words[3:]) if len(words) >= 3 + len(_DISK) else None
        if values is None:
            continue
        row = dict(zip(_DISK, values), device_name=words[2])
        rest = values[len(_DISK) :]
        for names in _DISK_LATER:
            if len(rest) >= len(names):
                row.update(zip(names, rest))
                rest = rest[len(names) :]
        out.append(row)
    return out


def netdev(text: "Any") -> list:
    """One dict per interface, ``lo`` included."""
    out = []
    for line in text_of(text).split("\n"):
        name, colon, rest = line.rpartition(":")
        words = rest.split()
        values = _ints(words[: len(_NET)]) if colon and len(words) >= len(_NET) else None
        if values is not None:
            out.append(dict(zip(_NET, values), interface_name=name.strip()))
    return out


def version(text: "Any") -> str:
    """The whole line."""
    return text_of(text).strip()


def loadavg(text: "Any") -> dict:
    """load_1min, load_5min, load_15min, running_processes, total_processes; {} when it is cut."""
    words = text_of(text).split()
    running, _slash, total = words[3].partition("/") if len(words) > 3 else ("", "", "")
    try:
        loads: list = [float(w) for w in words[:3]]
        counts = [int(running), int(total)]
    except ValueError:
        return {}
    loads += counts
    return dict(
        zip(("load_1min", "load_5min", "load_15min", "running_processes", "total_processes"), loads)
    )


def uptime(text: "Any") -> "Any":
    """Seconds since boot; None when it is not there."""
    words = text_of(text).split()
    return float(words[0]) if words and (_FLOAT.match(words[0]) or _INT.match(words[0])) else None


def mounts(text: "Any") -> list:
    """One dict per line of /proc/mounts; blanks in names are real blanks."""
    out = []
    for line in text_of(text).split("\n"):
        words = [_OCTAL.sub(lambda m: chr(int(m.group(1), 8)), w) for w in line.split(" ")]
        numbers = _ints(words[4:6]) if len(words) >= 6 else None
        if numbers is not None:
            names = ("device", "mount_point", "fs_type", "options")
            out.append(dict(zip(names, words), dump_freq=numbers[0], pass_num=numbers[1]))
    return out


def cgroups(text: "Any") -> list:
    """One dict per controller of /proc/cgroups."""
    out = []
    for line in text_of(text).split("\n"):
        words = line.split()
        numbers = _ints(words[1:4]) if len(words) >= 4 and not line.startswith("#") else None
        if numbers is not None:
            out.append({"subsys_name": words[0], "hierarchy": numbers[0], "num_cgroups": numbers[1],
                        "enabled": bool(numbers[2])})  # fmt: skip
    return out


def os_release(text: "Any") -> dict:
    """{NAME: value}, quotes and backslashes resolved."""
    out = {}
    for line in text_of(text).split("\n"):
        key, equals, value = line.strip().partition("=")
        if equals and re.match(r"[A-Za-z_][A-Za-z0-9_]*\Z", key):
            value = value.strip()
            if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
                value = value[1:-1]
            out[key] = re.sub(r"\\(.)", r"\1", value)
    return out
