"""Parsers of kernel texts for snapshots, which are taken twice in a run: clear rather than fast.

Every function takes a text and returns the values in it. A line that is cut or malformed is left
out, never turned into zeros. Formats: proc(5), Documentation/admin-guide/iostats.rst,
os-release(5).
"""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .document import Cgroup, CpuCounts, CpuRow, Mount, Row

_DISK = (
    "reads_completed",
    "reads_merged",
    "sectors_read",
    "time_reading_ms",
    "writes_completed",
    "writes_merged",
    "sectors_written",
    "time_writing_ms",
    "ios_in_progress",
    "time_doing_ios_ms",
    "weighted_time_doing_ios_ms",
)
#: groups of further fields: since Linux 4.18 and 5.5
_DISK_LATER = (
    ("discards_completed", "discards_merged", "sectors_discarded", "time_discarding_ms"),
    ("flush_requests_completed", "time_flushing_ms"),
)
_NET = (
    "rx_bytes",
    "rx_packets",
    "rx_errors",
    "rx_dropped",
    "rx_fifo",
    "rx_frame",
    "rx_compressed",
    "rx_multicast",
    "tx_bytes",
    "tx_packets",
    "tx_errors",
    "tx_dropped",
    "tx_fifo",
    "tx_collisions",
    "tx_carrier",
    "tx_compressed",
)
_MODEL_KEYS = ("model name", "Processor", "cpu model", "cpu")
#: keys of the block in which s390x counts and lists its CPUs; the group: number of one
_S390_CPU = re.compile(r"(?:# processors|processor ([0-9]{1,6}))\Z")
_OCTAL = re.compile(r"\\([0-7]{3})")
_INT = re.compile(r"-?[0-9]{1,20}\Z")
_FLOAT = re.compile(r"-?[0-9]{1,300}\.[0-9]{1,20}\Z")


def text_of(raw: "str | bytes") -> str:
    """Return a text of the kernel as str; bytes that are not UTF-8 become escapes."""
    return raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw


def unescape_octal(word: str) -> str:
    """Return a word of a mount table with ``\\040`` and the like replaced by their characters."""
    return _OCTAL.sub(lambda m: chr(int(m.group(1), 8)), word)


def _ints(words: "list[str]") -> "list[int] | None":
    """Return all words as numbers, None if one of them is not a number."""
    return [int(w) for w in words] if all(_INT.match(w) for w in words) else None


def _named_numbers(text: "str | bytes", colon: bool) -> "dict[str, int]":
    """Return {name: number} of lines ``name number`` or, with ``colon``, ``name: number``."""
    out = {}
    for line in text_of(text).split("\n"):
        words = line.split()
        if len(words) >= 2 and words[0].endswith(":") == colon and _INT.match(words[1]):
            out[words[0].rstrip(":")] = int(words[1])
    return out


def meminfo(text: "str | bytes") -> "dict[str, int]":
    """Return {name: number as printed}: kB, except the counts of huge pages."""
    return _named_numbers(text, colon=True)


def vmstat(text: "str | bytes") -> "dict[str, int]":
    """Return {name: number} in the kernel's units."""
    return _named_numbers(text, colon=False)


def cpuinfo(text: "str | bytes") -> "list[CpuRow]":
    """Return one dict per logical CPU: keys as printed, numbers as numbers.

    On s390x a CPU is a block with ``cpu number``, or, before Linux 4.11, only a line ``processor
    N: ...``; such a row gets ``processor``, and what the first block says of all CPUs.
    """
    blocks = [_cpuinfo_block(block) for block in re.split(r"\n\s*\n", text_of(text))]
    rows = [block for block in blocks if "processor" in block]
    if rows:
        return rows
    common = {k: v for b in blocks for k, v in b.items() if not _S390_CPU.match(k)}
    numbered = [block for block in blocks if "cpu number" in block]
    if numbered:
        shared = {k: v for k, v in common.items() if not any(k in b for b in numbered)}
        return [{**shared, **block, "processor": block["cpu number"]} for block in numbered]
    out: "list[CpuRow]" = []
    for block in blocks:
        for key, value in block.items():
            line = _S390_CPU.match(key)
            if line and line.group(1):
                parts = [part.partition("=") for part in str(value).split(",")]
                own = {name.strip(): _number_or_text(v.strip()) for name, _equals, v in parts}
                out.append({**common, **own, "processor": int(line.group(1))})
    return out


def _cpuinfo_block(text: str) -> "CpuRow":
    block: "CpuRow" = {}
    for line in text.split("\n"):
        key, colon, value = line.partition(":")
        if colon and key.strip():
            block[key.strip()] = _number_or_text(value.strip())
    return block


def _number_or_text(text: str) -> "int | float | str":
    if _INT.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text


def summarize_cpuinfo(cpus: "list[CpuRow]") -> "CpuCounts":
    """Return the numbers of sockets, cores and logical CPUs, and the model, of ``cpuinfo`` rows.

    Rows without a topology, neither printed nor from sysfs (``cpus.list_cpus``), count as a core
    each, in one socket.
    """
    sockets = {_socket_of(c) for c in cpus if "physical id" in c}
    cores = {(_socket_of(c), c["core id"]) for c in cpus if "core id" in c}
    complete = all("core id" in c for c in cpus)
    model = next((str(c[key]) for c in cpus for key in _MODEL_KEYS if c.get(key)), "")
    return {
        "num_sockets": len(sockets) or (1 if cpus else 0),
        "num_cores": len(cores) if complete else len(cpus),
        "num_logical_cores": len(cpus),
        "model": model,
    }


def _socket_of(cpu: "CpuRow") -> "tuple[object, ...]":
    """Return what names the socket of a CPU: on s390x sockets are numbered within their book."""
    return tuple(cpu.get(key) for key in ("drawer id", "book id", "physical id"))


def diskstats(text: "str | bytes") -> "list[Row]":
    """Return one dict per device; fields that this kernel does not print are missing."""
    out = []
    for line in text_of(text).split("\n"):
        words = line.split()
        values = _ints(words[3:]) if len(words) >= 3 + len(_DISK) else None
        if values is None:
            continue
        row: "Row" = dict(zip(_DISK, values))
        row["device_name"] = words[2]
        rest = values[len(_DISK) :]
        for names in _DISK_LATER:
            if len(rest) >= len(names):
                row.update(zip(names, rest))
                rest = rest[len(names) :]
        out.append(row)
    return out


def netdev(text: "str | bytes") -> "list[Row]":
    """Return one dict per interface of /proc/net/dev, ``lo`` included."""
    out = []
    for line in text_of(text).split("\n"):
        name, colon, rest = line.rpartition(":")
        words = rest.split()
        values = _ints(words[: len(_NET)]) if colon and len(words) >= len(_NET) else None
        if values is not None:
            row: "Row" = dict(zip(_NET, values))
            row["interface_name"] = name.strip()
            out.append(row)
    return out


def version(text: "str | bytes") -> str:
    """Return the line of /proc/version."""
    return text_of(text).strip()


def loadavg(text: "str | bytes") -> "dict[str, int | float]":
    """Return load_{1,5,15}min, running_processes and total_processes; {} if the text is cut."""
    words = text_of(text).split()
    running, _slash, total = words[3].partition("/") if len(words) > 3 else ("", "", "")
    try:
        return {
            "load_1min": float(words[0]),
            "load_5min": float(words[1]),
            "load_15min": float(words[2]),
            "running_processes": int(running),
            "total_processes": int(total),
        }
    except (ValueError, IndexError):
        return {}


def uptime(text: "str | bytes") -> "float | None":
    """Return the seconds since boot, None if the text does not say."""
    words = text_of(text).split()
    return float(words[0]) if words and (_FLOAT.match(words[0]) or _INT.match(words[0])) else None


def mounts(text: "str | bytes") -> "list[Mount]":
    """Return one dict per line of /proc/mounts; escaped blanks in names are blanks again."""
    out: "list[Mount]" = []
    for line in text_of(text).split("\n"):
        words = [unescape_octal(word) for word in line.split(" ")]
        numbers = _ints(words[4:6]) if len(words) >= 6 else None
        if numbers is not None:
            out.append(
                {
                    "device": words[0],
                    "mount_point": words[1],
                    "fs_type": words[2],
                    "options": words[3],
                    "dump_freq": numbers[0],
                    "pass_num": numbers[1],
                }
            )
    return out


def cgroups(text: "str | bytes") -> "list[Cgroup]":
    """Return one dict per controller of /proc/cgroups."""
    out: "list[Cgroup]" = []
    for line in text_of(text).split("\n"):
        words = line.split()
        numbers = _ints(words[1:4]) if len(words) >= 4 and not line.startswith("#") else None
        if numbers is not None:
            out.append(
                {
                    "subsys_name": words[0],
                    "hierarchy": numbers[0],
                    "num_cgroups": numbers[1],
                    "enabled": bool(numbers[2]),
                }
            )
    return out


def os_release(text: "str | bytes") -> "dict[str, str]":
    """Return {NAME: value} with quotes and backslashes resolved."""
    out = {}
    for line in text_of(text).split("\n"):
        key, equals, value = line.strip().partition("=")
        if equals and re.match(r"[A-Za-z_][A-Za-z0-9_]*\Z", key):
            value = value.strip()
            if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
                value = value[1:-1]
            out[key] = re.sub(r"\\(.)", r"\1", value)
    return out
