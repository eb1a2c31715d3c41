"""MLPerf Storage's classes and functions, under the suite's names, on top of this package.

A module that needs numpy or a transport is loaded when one of its names is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: module -> the names that it defines
_NAMES = {
    "parsers": """
        collect_local_system_info collect_timeseries_sample parse_os_release parse_proc_cgroups
        parse_proc_cpuinfo parse_proc_diskstats parse_proc_loadavg parse_proc_meminfo
        parse_proc_mounts parse_proc_net_dev parse_proc_uptime parse_proc_version
        parse_proc_vmstat""",
    "rows": """
        CgroupInfo HostCPUInfo HostDiskInfo HostMemoryInfo HostNetworkInfo HostSystemInfo
        MountInfo""",
    "models": """
        HostInfo summarize_cpuinfo""",
    "interfaces": """
        ClusterCollectorInterface CollectionResult LocalCollectorInterface
        TimeSeriesCollectorInterface""",
    "information": """
        ClusterInformation ClusterSnapshots TimeSeriesData TimeSeriesSample""",
    "hosts": """
        LOCALHOST_IDENTIFIERS _is_localhost""",
    "collectors": """
        MPIClusterCollector SSHClusterCollector collect_cluster_info""",
    "probes": """
        run_results_dir_shared_probe run_shared_fs_probe""",
    "validation": """
        ValidationIssue validate_ssh_connectivity""",
    "script": """
        TIMESERIES_SSH_SCRIPT""",
    "series": """
        MultiHostTimeSeriesCollector TimeSeriesCollector""",
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names.split()}
__all__ = [name for name in _MODULE_OF if not name.startswith("_")]


def __getattr__(name: str) -> Any:
    """Import the module of ``name`` on first use."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
