"""The host apart from its devices: processors, memory nodes, chassis, limits, settings."""

import platform
import re
import resource

from .devices import chosen
from .proc import summarize_cpuinfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .document import Cpu, CpuRow, NumaNode
    from .files import HostFiles

#: below /proc/sys; a pattern ends with *
SYSCTLS = tuple(
    "vm/dirty_* vm/swappiness vm/min_free_kbytes vm/zone_reclaim_mode vm/vfs_cache_pressure"
    " vm/nr_hugepages vm/overcommit_* vm/max_map_count vm/watermark_scale_factor"
    " kernel/numa_balancing kernel/perf_event_paranoid kernel/sched_* kernel/pid_max"
    " kernel/threads-max fs/file-max fs/nr_open fs/aio-max-nr fs/aio-nr"
    " net/core/rmem_* net/core/wmem_* net/core/somaxconn net/core/netdev_*"
    " net/core/default_qdisc net/core/busy_*"
    " net/ipv4/tcp_rmem net/ipv4/tcp_wmem net/ipv4/tcp_mem net/ipv4/tcp_congestion_control"
    " net/ipv4/tcp_mtu_probing net/ipv4/tcp_timestamps net/ipv4/tcp_sack"
    " net/ipv4/tcp_window_scaling net/ipv4/tcp_slow_start_after_idle net/ipv4/tcp_max_syn_backlog"
    " net/ipv4/ip_local_port_range sunrpc/tcp_slot_table_entries"
    " sunrpc/tcp_max_slot_table_entries sunrpc/rdma_* fs/nfs/* dev/raid/speed_limit_*".split()
)
_MAX_CHARS = 200

#: options of the kernel's command line; others may hold secrets and are left out
_CMDLINE = re.compile(
    r"(mitigations|isolcpus|nohz_full|rcu_nocbs|intel_pstate|amd_pstate|intel_idle\.max_cstate"
    r"|processor\.max_cstate|idle|nosmt|transparent_hugepage|hugepages|hugepagesz"
    r"|default_hugepagesz|numa_balancing|iommu|intel_iommu|amd_iommu|nvme[\w.]*|scsi_mod[\w.]*"
    r"|elevator|cgroup_no_v1|systemd\.unified_cgroup_hierarchy|swapaccount|psi|audit|selinux"
    r"|nospectre_v2|spectre_v2|pti|noibrs|noibpb)(=[\w.,:@+-]*)?\Z"
)
#: key in the snapshot: the resource, RLIMIT_... of getrlimit(2)
_LIMITS = {
    "open_files": resource.RLIMIT_NOFILE,
    "processes": resource.RLIMIT_NPROC,
    "locked_memory_bytes": resource.RLIMIT_MEMLOCK,
    "stack_bytes": resource.RLIMIT_STACK,
    "address_space_bytes": resource.RLIMIT_AS,
    "core_bytes": resource.RLIMIT_CORE,
}
_CPU = "sys/devices/system/cpu/"


def cpu(files: "HostFiles", cpus: "list[CpuRow]") -> "Cpu":
    """Return sockets, cores, threads, model and settings; ``cpus``: see ``list_cpus``."""
    counts = summarize_cpuinfo(cpus)
    first = cpus[0] if cpus else {}
    khz = files.number(_CPU + "cpu0/cpufreq/cpuinfo_max_freq")
    return {
        "num_sockets": counts["num_sockets"],
        "num_cores": counts["num_cores"],
        "num_logical_cores": counts["num_logical_cores"],
        "model": counts["model"],
        "architecture": platform.machine(),
        "vendor": first.get("vendor_id") or first.get("CPU implementer"),
        "max_mhz": khz // 1000 if khz else None,
        "governor": _governors(files),
        "driver": files.word(_CPU + "cpu0/cpufreq/scaling_driver"),
        "smt": files.word(_CPU + "smt/control"),
        "online": files.word(_CPU + "online"),
        "isolated": files.word(_CPU + "isolated"),
        "vulnerable": _vulnerabilities(files),
        "hypervisor": "hypervisor" in str(first.get("flags", "")).split(),
    }


def _governors(files: "HostFiles") -> "str | None":
    """Return the frequency governors of all CPUs, sorted and separated by commas."""
    found = {
        files.word(_CPU + name + "/cpufreq/scaling_governor")
        for name in files.names(_CPU)
        if re.match(r"cpu\d+\Z", name)
    }
    return ",".join(sorted(governor for governor in found if governor)) or None


def _vulnerabilities(files: "HostFiles") -> "list[str]":
    """Return the names of hardware vulnerabilities that are not mitigated."""
    directory = _CPU + "vulnerabilities"
    return [
        name
        for name in files.names(directory)
        if (files.word(directory + "/" + name) or "").startswith("Vulnerable")
    ]


def numa(files: "HostFiles") -> "list[NumaNode]":
    """Return one dict per memory node: its CPUs and the size of its memory."""
    out: "list[NumaNode]" = []
    for name in files.names("sys/devices/system/node"):
        if re.match(r"node\d+\Z", name):
            base = "sys/devices/system/node/" + name
            total = re.search(r"MemTotal:\s+(\d+) kB", files.text(base + "/meminfo"))
            out.append(
                {
                    "node": int(name[4:]),
                    "cpus": files.word(base + "/cpulist"),
                    "memory_bytes": int(total.group(1)) * 1024 if total else None,
                }
            )
    return sorted(out, key=lambda n: n["node"])


def chassis(files: "HostFiles") -> "dict[str, str | None]":
    """Return vendor and model of the machine; no serial numbers."""
    base = "sys/class/dmi/id/"
    return {
        "vendor": files.word(base + "sys_vendor"),
        "product": files.word(base + "product_name"),
        "board": files.word(base + "board_name"),
        "bios": files.word(base + "bios_version"),
    }


def sysctls(files: "HostFiles") -> "dict[str, str]":
    """Return {name with dots: value} of the settings in SYSCTLS that can be read."""
    out = {}
    for pattern in SYSCTLS:
        folder, _, name = pattern.rpartition("/")
        names = [name]
        if name.endswith("*"):
            names = [n for n in files.names("proc/sys/" + folder) if n.startswith(name[:-1])]
        for n in names:
            key = folder + "/" + n
            value = files.word("proc/sys/" + key)
            if value is not None and not files.is_dir("proc/sys/" + key):
                out[key.replace("/", ".")] = " ".join(value.split())[:_MAX_CHARS]
    return out


def kernel_cmdline(files: "HostFiles") -> "list[str]":
    """Return the options of the kernel's command line that affect performance."""
    return [word for word in files.text("proc/cmdline").split() if _CMDLINE.match(word)]


def transparent_hugepage(files: "HostFiles") -> "str | None":
    """Return when transparent huge pages are used: always, madvise or never."""
    return chosen(files.word("sys/kernel/mm/transparent_hugepage/enabled"))


def limits() -> "dict[str, int | None]":
    """Return the soft resource limits of this process; None is unlimited."""
    out: "dict[str, int | None]" = {}
    for key, number in _LIMITS.items():
        soft = resource.getrlimit(number)[0]
        out[key] = None if soft == resource.RLIM_INFINITY else soft
    return out
