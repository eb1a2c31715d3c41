"""The types of a snapshot, for type checkers; nothing here exists at run time."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict, Union

    #: a row of a kernel text; values are numbers or text as the kernel prints them
    Row = dict[str, Union[int, str]]
    CpuRow = dict[str, Union[int, float, str]]

    class Cgroup(TypedDict):
        subsys_name: str
        hierarchy: int
        num_cgroups: int
        enabled: bool

    class Mount(TypedDict):
        device: str
        mount_point: str
        fs_type: str
        options: str
        dump_freq: int
        pass_num: int

    class Directory(TypedDict):
        path: str
        mount_point: "str | None"
        fs_type: "str | None"
        options: "str | None"
        device: "str | None"
        size_bytes: "int | None"
        free_bytes: "int | None"
        inodes: "int | None"
        inodes_free: "int | None"
        error: "str | None"

    class BlockFacts(TypedDict):
        """A block device or partition in sysfs."""

        kind: str  #: disk, partition, dm, md, multipath, loop, ram, zram, optical or floppy
        parents: "list[str]"  #: the devices on which it is built
        device: bool  #: it belongs to a device of a driver, it is not made by software
        hidden: bool  #: a path of a multipath device, which is not for use by itself
        number: "str | None"  #: MAJOR:MINOR of a whole device

    class NetFacts(TypedDict):
        """A network interface in sysfs."""

        kind: str
        parents: "list[str]"  #: the interfaces on which it is built (lower_*)
        device: bool  #: it belongs to a device of a driver, it is not made by software
        master: "str | None"
        port: "str | None"  #: phys_port_name
        index: "int | None"
        link: "int | None"  #: index of the interface on which it is built, or its peer (iflink)

    class Drive(TypedDict):
        name: str
        model: "str | None"
        vendor: "str | None"
        firmware: "str | None"
        bus: str
        size_bytes: "int | None"
        rotational: "bool | None"
        scheduler: "str | None"
        nr_requests: "int | None"
        queue_depth: "int | None"
        read_ahead_kb: "int | None"
        logical_block_bytes: "int | None"
        write_cache: "str | None"
        numa_node: "int | None"
        link_bytes_per_s: "int | None"  #: greatest, of a drive on PCI Express

    class Nic(TypedDict):
        name: str
        kind: str
        physical: bool
        state: "str | None"
        speed_mbps: "int | None"
        duplex: "str | None"
        mtu_bytes: "int | None"
        driver: "str | None"
        numa_node: "int | None"
        master: "str | None"
        lower: "list[str]"
        bonding_mode: "str | None"

    class RdmaPort(TypedDict):
        device: str
        port: str
        link_layer: "str | None"
        state: "str | None"
        physical_state: "str | None"
        rate: "str | None"
        board: "str | None"
        firmware: "str | None"
        numa_node: "int | None"

    class CpuCounts(TypedDict):
        num_sockets: int
        num_cores: int
        num_logical_cores: int
        model: str

    class Cpu(CpuCounts):
        architecture: str
        vendor: "int | float | str | None"
        max_mhz: "int | None"
        governor: "str | None"
        driver: "str | None"
        smt: "str | None"
        online: "str | None"
        isolated: "str | None"
        vulnerable: "list[str]"
        hypervisor: bool

    class NumaNode(TypedDict):
        node: int
        cpus: "str | None"
        memory_bytes: "int | None"

    class CgroupLimits(TypedDict):
        version: "int | None"
        path: "str | None"
        memory_max_bytes: "int | None"
        memory_high_bytes: "int | None"
        cpus_max: "float | None"
        cpuset: "str | None"
        pids_max: "int | None"
        io_max: "list[str]"

    class Python(TypedDict):
        version: str
        executable: "str | None"

    class Snapshot(TypedDict):
        """The state of a host at one time.

        Sizes are in bytes where the name says so; ``meminfo`` is in kB as the kernel prints it. The
        second half, from ``block_topology`` to ``transparent_hugepage``, is None where it could not
        be taken; ``errors`` has the reason.
        """

        hostname: str
        collection_timestamp: str  #: UTC, 2024-01-31T12:00:00Z
        timestamp_ns: int  #: wall clock
        cpuinfo: "list[CpuRow]"  #: one entry per logical CPU if asked for, else empty
        mounts: "list[Mount]"
        meminfo: "dict[str, int]"
        diskstats: "list[Row]"
        netdev: "list[Row]"
        version: str  #: of the kernel
        loadavg: "dict[str, int | float]"
        uptime_seconds: "float | None"
        vmstat: "dict[str, int]"
        block_topology: "dict[str, BlockFacts] | None"
        cgroup_limits: "CgroupLimits | None"
        cgroups: "list[Cgroup] | None"
        chassis: "dict[str, str | None] | None"
        cpu: "Cpu | None"
        directories: "list[Directory] | None"
        drives: "list[Drive] | None"
        environment: "dict[str, str] | None"
        infiniband: "list[RdmaPort] | None"
        kernel_cmdline: "list[str] | None"
        limits: "dict[str, int | None] | None"
        net_topology: "dict[str, NetFacts] | None"
        nics: "list[Nic] | None"
        numa: "list[NumaNode] | None"
        os_release: "dict[str, str] | None"
        python: "Python | None"
        sysctls: "dict[str, str] | None"
        transparent_hugepage: "str | None"
        errors: (
            "dict[str, str]"  #: {path of a file, or key of this document: why it could not be read}
        )
