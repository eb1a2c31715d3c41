"""The host beside its devices: processors, memory nodes, chassis, limits, and the settings that storage feels."""

import os
import platform
import re
import resource

from ..secrets import hide_in_settings, is_secret_variable
from .proc import summarize_cpuinfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .files import HostFiles

#: under /proc/sys; patterns end in *
SYSCTLS = (
    "vm/dirty_*", "vm/swappiness", "vm/min_free_kbytes", "vm/zone_reclaim_mode", "vm/vfs_cache_pressure",
    "vm/nr_hugepages", "vm/overcommit_*", "vm/max_map_count", "vm/watermark_scale_factor", "kernel/numa_balancing",
    "kernel/perf_event_paranoid", "kernel/sched_*", "kernel/pid_max", "kernel/threads-max", "fs/file-max", "fs/nr_open",
    "fs/aio-max-nr", "fs/aio-nr", "net/core/rmem_*", "net/core/wmem_*", "net/core/somaxconn", "net/core/netdev_*",
    "net/core/default_qdisc", "net/core/busy_*", "net/ipv4/tcp_rmem", "net/ipv4/tcp_wmem", "net/ipv4/tcp_mem",
    "net/ipv4/tcp_congestion_control", "net/ipv4/tcp_mtu_probing", "net/ipv4/tcp_timestamps", "net/ipv4/tcp_sack",
    "net/ipv4/tcp_window_scaling", "net/ipv4/tcp_slow_start_after_idle", "net/ipv4/tcp_max_syn_backlog",
    "net/ipv4/ip_local_port_range", "sunrpc/tcp_slot_table_entries", "sunrpc/tcp_max_slot_table_entries",
    "sunrpc/rdma_*", "fs/nfs/*", "dev/raid/speed_limit_*",
)  # fmt: skip
_VALUE_MAX = 200

#: words of the kernel's command line; it may hold secrets, so nothing else of it is kept
_CMDLINE = re.compile(
    r"(mitigations|isolcpus|nohz_full|rcu_nocbs|intel_pstate|amd_pstate|intel_idle\.max_cstate|processor\.max_cstate|"
    r"idle|nosmt|transparent_hugepage|hugepages|hugepagesz|default_hugepagesz|numa_balancing|iommu|intel_iommu|"
    r"amd_iommu|nvme[\w.]*|scsi_mod[\w.]*|elevator|cgroup_no_v1|systemd\.unified_cgroup_hierarchy|swapaccount|"
    r"psi|audit|selinux|nospectre_v2|spectre_v2|pti|noibrs|noibpb)(=[\w.,:@+-]*)?\Z"
)

#: launcher and scheduler variables, by name; none of them holds a secret, and no prefix is taken whole
_EXACT = frozenset(
    "SLURM_JOB_ID SLURM_JOB_NAME SLURM_JOB_PARTITION SLURM_JOB_NODELIST SLURM_JOB_NUM_NODES SLURM_NNODES "
    "SLURM_NTASKS SLURM_NTASKS_PER_NODE SLURM_CPUS_PER_TASK SLURM_CPUS_ON_NODE SLURM_JOB_CPUS_PER_NODE "
    "SLURM_TASKS_PER_NODE SLURM_MEM_PER_NODE SLURM_MEM_PER_CPU SLURM_STEP_ID SLURM_CLUSTER_NAME SLURM_MPI_TYPE "
    "SLURM_CPU_BIND SLURM_GPUS SLURM_GPUS_ON_NODE PBS_JOBID PBS_JOBNAME PBS_QUEUE PBS_NODEFILE PBS_NUM_NODES "
    "PBS_NUM_PPN PBS_NCPUS LSB_JOBID LSB_JOBNAME LSB_QUEUE LSB_HOSTS LSB_MCPU_HOSTS LSB_DJOB_NUMPROC "
    "OMP_NUM_THREADS OMP_PLACES OMP_PROC_BIND KMP_AFFINITY MKL_NUM_THREADS CUDA_VISIBLE_DEVICES "
    "ROCR_VISIBLE_DEVICES HIP_VISIBLE_DEVICES NVIDIA_VISIBLE_DEVICES MALLOC_ARENA_MAX LANG LC_ALL TZ "
    "CONDA_DEFAULT_ENV LOADEDMODULES DARSHAN_LOGPATH OMPI_COMM_WORLD_SIZE OMPI_COMM_WORLD_LOCAL_SIZE PMI_SIZE "
    "PALS_SIZE I_MPI_FABRICS I_MPI_PIN I_MPI_PIN_DOMAIN I_MPI_OFI_PROVIDER FI_PROVIDER UCX_TLS UCX_NET_DEVICES "
    "UCX_IB_GID_INDEX MPICH_OFI_NIC_POLICY ROMIO_HINTS LUSTRE_JOBID_VAR NCCL_SOCKET_IFNAME NCCL_IB_HCA NCCL_DEBUG "
    "GLOO_SOCKET_IFNAME".split()
)
#: of Open MPI the frameworks that move data: its launcher keeps keys and addresses under the same prefix
_TUNING = re.compile(
    r"(OMPI_MCA_(btl|pml|mtl|coll|osc|io|fs|fbtl|fcoll|sharedfp|mpi|opal|hwloc|smsc|accelerator|rmaps)|PRTE_MCA_(rmaps|hwloc)|"
    r"UCX|MPICH_(OFI|MPIIO|GPU))(_[A-Z0-9_a-z]+)?\Z"
)
#: holds the names of variables that a launch of the collectors added for itself, which the job does not have
OWN_VARIABLE = "MPI_COLLECTOR_OWN"


def environment(variables: "Any") -> dict:
    """Those of ``variables`` that say how a job was placed and tuned; never one that might hold a secret."""
    out = {}
    ours = variables.get(OWN_VARIABLE, "").split(",")
    for name in sorted(set(variables).difference(ours)):
        if (name in _EXACT or _TUNING.match(name)) and not is_secret_variable(name):
            out[name] = hide_in_settings(str(variables[name]))[:_VALUE_MAX]
    return out


def cpu(files: "HostFiles", cpus: list) -> dict:
    """Sockets, cores, threads, model, governor, SMT; ``cpus`` of ``proc.cpuinfo``."""
    base = "sys/devices/system/cpu/"
    out = summarize_cpuinfo(cpus)
    first = cpus[0] if cpus else {}
    governors = {
        files.word(base + n + "/cpufreq/scaling_governor")
        for n in files.names(base)
        if re.match(r"cpu\d+\Z", n)
    }
    khz = files.number(base + "cpu0/cpufreq/cpuinfo_max_freq")
    flaws = base + "vulnerabilities"
    weak = [
        n
        for n in files.names(flaws)
        if (files.word(flaws + "/" + n) or "").startswith("Vulnerable")
    ]
    out.update({
        "architecture": platform.machine(),
        "vendor": first.get("vendor_id") or first.get("CPU implementer"),
        "max_mhz": khz // 1000 if khz else None,
        "governor": ",".join(sorted(g for g in governors if g)) or None,
        "driver": files.word(base + "cpu0/cpufreq/scaling_driver"),
        "smt": files.word(base + "smt/control"),
        "online": files.word(base + "online"),
        "isolated": files.word(base + "isolated"),
        "vulnerable": weak,
        "hypervisor": "hypervisor" in str(first.get("flags", "")).split(),
    })  # fmt: skip
    return out


def numa(files: "HostFiles") -> list:
    """One dict per memory node: its CPUs and its memory."""
    out = []
    for name in files.names("sys/devices/system/node"):
        if re.match(r"node\d+\Z", name):
            base = "sys/devices/system/node/" + name
            total = re.search(r"MemTotal:\s+(\d+) kB", files.text(base + "/meminfo"))
            out.append({"node": int(name[4:]), "cpus": files.word(base + "/cpulist"),
                        "memory_bytes": int(total.group(1)) * 1024 if total else None})  # fmt: skip
    return sorted(out, key=lambda n: n["node"])


def chassis(files: "HostFiles") -> dict:
    """Vendor and model; no serial numbers."""
    base = "sys/class/dmi/id/"
    names = {
        "vendor": "sys_vendor",
        "product": "product_name",
        "board": "board_name",
        "bios": "bios_version",
    }
    return {key: files.word(base + name) for key, name in names.items()}


def sysctls(files: "HostFiles") -> dict:
    """{name with dots: value} of the settings that matter to storage and network and can be read."""
    out = {}
    for pattern in SYSCTLS:
        folder, _, name = pattern.rpartition("/")
        names = (
            [n for n in files.names("proc/sys/" + folder) if n.startswith(name[:-1])]
            if name.endswith("*")
            else [name]
        )
        for n in names:
            value = files.word("proc/sys/" + folder + "/" + n)
            if value is not None and not files.is_dir("proc/sys/" + folder + "/" + n):
                out[(folder + "/" + n).replace("/", ".")] = " ".join(value.split())[:_VALUE_MAX]
    return out


def kernel_cmdline(files: "HostFiles") -> list:
    return [w for w in files.text("proc/cmdline").split() if _CMDLINE.match(w)]


def limits() -> dict:
    """Soft resource limits of this process; None is unlimited."""
    names = {"open_files": "NOFILE", "processes": "NPROC", "locked_memory_bytes": "MEMLOCK", "stack_bytes": "STACK",
             "address_space_bytes": "AS", "core_bytes": "CORE"}  # fmt: skip
    out = {}
    for key, name in names.items():
        soft = resource.getrlimit(getattr(resource, "RLIMIT_" + name))[0]
        out[key] = None if soft == resource.RLIM_INFINITY else soft
    return out


def cgroup_limits(files: "HostFiles") -> dict:
    """The tightest limits on this process from its cgroup up to the root, v2 where there is one, else v1."""
    v2: "Any" = None
    v1: dict = {}
    for line in files.text("proc/self/cgroup").split("\n"):
        _number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if path and not controllers:
            v2 = path
        for controller in controllers.split(","):
            if path and controller:
                v1[controller] = path
    out: dict = {
        "version": None,
        "path": None,
        "memory_max_bytes": None,
        "memory_high_bytes": None,
        "cpus_max": None,
        "cpuset": None,
        "pids_max": None,
        "io_max": [],
    }
    base = "sys/fs/cgroup"
    if v2 is not None and files.exists(base + "/cgroup.controllers"):
        out.update(version=2, path=v2)
        for at in _upwards(base, v2):
            _tighten(out, "memory_max_bytes", files.number(at + "/memory.max"))
            _tighten(out, "memory_high_bytes", files.number(at + "/memory.high"))
            _tighten(out, "pids_max", files.number(at + "/pids.max"))
            _tighten(out, "cpus_max", _cpus(files.text(at + "/cpu.max").split()))
            out["cpuset"] = out["cpuset"] or files.word(at + "/cpuset.cpus.effective")
            out["io_max"] += [line for line in files.text(at + "/io.max").split("\n") if line]
    elif v1:
        out.update(version=1, path=v1.get("memory") or next(iter(v1.values())))
        for at in _upwards(base + "/memory", v1.get("memory", "/")):
            limit = files.number(at + "/memory.limit_in_bytes")
            _tighten(
                out, "memory_max_bytes", limit if limit is not None and limit < 1 << 60 else None
            )
        for at in _upwards(base + "/cpu", v1.get("cpu", "/")):
            quota = [
                files.word(at + "/cpu.cfs_quota_us") or "",
                files.word(at + "/cpu.cfs_period_us") or "",
            ]
            _tighten(out, "cpus_max", _cpus(quota))
        for at in _upwards(base + "/pids", v1.get("pids", "/")):
            _tighten(out, "pids_max", files.number(at + "/pids.max"))
        for at in _upwards(base + "/cpuset", v1.get("cpuset", "/")):
            out["cpuset"] = out["cpuset"] or files.word(at + "/cpuset.cpus")
    return out


def _upwards(base: str, path: str) -> list:
    """Directories from the cgroup to the root of what is visible."""
    parts = [p for p in path.split("/") if p and p != ".."]
    return [os.path.join(base, *parts[:n]) for n in range(len(parts), -1, -1)]


def _cpus(words: list) -> "Any":
    """Quota and period as a number of CPUs, None when there is no limit."""
    try:
        quota, period = int(words[0]), int(words[1])
    except (ValueError, IndexError):
        return None
    return quota / period if quota > 0 and period > 0 else None


def _tighten(out: dict, key: str, value: "Any") -> None:
    if value is not None and (out[key] is None or value < out[key]):
        out[key] = value
