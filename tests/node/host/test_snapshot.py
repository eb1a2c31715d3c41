"""Snapshots: the kernel's texts as data, a host's devices from sysfs, the same keys whatever is there, and no secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from faulty import faulty_directory
from hypothesis import given
from hypothesis import strategies as st

from mpi_collector.node.host.snapshot import devices, proc, take
from mpi_collector.node.host.snapshot.cgroup import cgroup_limits
from mpi_collector.node.host.snapshot.environment import environment
from mpi_collector.node.host.snapshot.files import HostFiles
from mpi_collector.node.host.snapshot.mounts import mount_of

FIXTURES = Path(__file__).parents[2] / "fixtures"
PARSERS = {
    "meminfo": proc.meminfo,
    "vmstat": proc.vmstat,
    "cpuinfo": proc.cpuinfo,
    "diskstats": proc.diskstats,
    "netdev": proc.netdev,
    "version": proc.version,
    "loadavg": proc.loadavg,
    "uptime": proc.uptime,
    "mounts": proc.mounts,
    "cgroups": proc.cgroups,
    "os_release": proc.os_release,
}


def tree(root: Path, texts: dict[str, str]) -> HostFiles:
    """Files under ``root``; a text that begins with "-> " is a symlink."""
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        elif text.startswith("-> "):
            path.symlink_to(text[3:])
        else:
            path.write_text(text)
    return HostFiles(str(root))


# ---- texts
def test_cpuinfo_counts_sockets_cores_and_threads() -> None:
    text = "".join(
        f"processor\t: {n}\nmodel name\t: Intel(R) Xeon(R) 8480+\nphysical id\t: {n // 4}\ncore id\t\t: {n // 2 % 2}\ncpu MHz\t\t: 2000.5\n\n"
        for n in range(8)
    )
    cpus = proc.cpuinfo(text)
    assert (len(cpus), cpus[3]["processor"], cpus[3]["cpu MHz"]) == (8, 3, 2000.5)
    assert proc.summarize_cpuinfo(cpus) == {
        "num_sockets": 2,
        "num_cores": 4,
        "num_logical_cores": 8,
        "model": "Intel(R) Xeon(R) 8480+",
    }
    arm = proc.cpuinfo("processor : 0\nBogoMIPS : 50.00\n\nprocessor : 1\nBogoMIPS : 50.00\n")
    assert proc.summarize_cpuinfo(arm) == {
        "num_sockets": 1,
        "num_cores": 2,
        "num_logical_cores": 2,
        "model": "",
    }
    assert proc.summarize_cpuinfo([]) == {
        "num_sockets": 0,
        "num_cores": 0,
        "num_logical_cores": 0,
        "model": "",
    }


def test_diskstats_of_three_kernels() -> None:
    old = " 8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n"
    assert proc.diskstats(old)[0] | {"device_name": ""} == {
        "device_name": "",
        "reads_completed": 1,
        "reads_merged": 2,
        "sectors_read": 3,
        "time_reading_ms": 4,
        "writes_completed": 5,
        "writes_merged": 6,
        "sectors_written": 7,
        "time_writing_ms": 8,
        "ios_in_progress": 9,
        "time_doing_ios_ms": 10,
        "weighted_time_doing_ios_ms": 11,
    }
    assert proc.diskstats(old.strip() + " 12 13 14 15")[0]["time_discarding_ms"] == 15
    assert proc.diskstats(old.strip() + " 12 13 14 15 16 17 18")[0]["time_flushing_ms"] == 17
    assert proc.diskstats(" 8 0 sda 1 2 3\n 8 1 sdb x x x x x x x x x x x\n") == []


def test_netdev_takes_glued_numbers() -> None:
    row = proc.netdev(
        "Inter-| Receive\n face |bytes\neth0:" + " ".join(map(str, range(16))) + "\nib0.8001: 1 2\n"
    )
    assert len(row) == 1
    assert (row[0]["interface_name"], row[0]["rx_bytes"], row[0]["tx_compressed"]) == (
        "eth0",
        0,
        15,
    )


def test_the_small_ones() -> None:
    assert proc.loadavg("0.50 1.25 2.00 3/400 5\n") == {
        "load_1min": 0.5,
        "load_5min": 1.25,
        "load_15min": 2.0,
        "running_processes": 3,
        "total_processes": 400,
    }
    assert proc.loadavg("0.50 1.25") == {}
    assert proc.uptime("12.34 56.78\n") == 12.34
    assert proc.uptime("") is None
    assert proc.mounts("srv:/a\\040b /mnt/a\\040b nfs4 rw,vers=4.2 0 0\ncut /x\n") == [
        {
            "device": "srv:/a b",
            "mount_point": "/mnt/a b",
            "fs_type": "nfs4",
            "options": "rw,vers=4.2",
            "dump_freq": 0,
            "pass_num": 0,
        }
    ]
    assert proc.cgroups(
        "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t2\t5\t1\nmemory\t0\t1\t0\n"
    ) == [
        {"subsys_name": "cpu", "hierarchy": 2, "num_cgroups": 5, "enabled": True},
        {"subsys_name": "memory", "hierarchy": 0, "num_cgroups": 1, "enabled": False},
    ]
    assert proc.os_release('NAME="Rocky \\"Linux\\""\nVERSION_ID=9.4\n# x\nbad line\n') == {
        "NAME": 'Rocky "Linux"',
        "VERSION_ID": "9.4",
    }
    assert proc.meminfo("MemTotal: 100 kB\nHugePages_Total: 3\nbad\nWorse: x kB\n") == {
        "MemTotal": 100,
        "HugePages_Total": 3,
    }


@pytest.mark.parametrize("name", sorted(PARSERS))
@given(data=st.binary(max_size=600))
def test_no_text_is_too_strange(name: str, data: bytes) -> None:
    """Nothing raises, and what comes out is JSON."""
    json.dumps(PARSERS[name](data))
    json.dumps(PARSERS[name](data.decode("latin-1")))


@pytest.mark.parametrize(
    "kernel",
    sorted(
        p.name
        for p in FIXTURES.iterdir()
        if all((p / "proc" / name).exists() for name in ("diskstats", "meminfo"))
    ),
)
def test_real_kernels(kernel: str) -> None:
    """Every device and key of the text is there."""
    root = FIXTURES / kernel / "proc"
    lines = (root / "diskstats").read_bytes().splitlines()
    found = proc.diskstats((root / "diskstats").read_bytes())
    assert len(found) == sum(
        len(line.split()) >= 14 and all(w.isdigit() for w in line.split()[3:14]) for line in lines
    )
    assert proc.meminfo((root / "meminfo").read_bytes()).get("MemTotal", 1) > 0


# ---- the whole
def test_this_host_against_psutil() -> None:
    found = take([os.getcwd(), "/nonexistent"])
    assert found["errors"] == {}
    assert found["cpu"]["num_logical_cores"] == psutil.cpu_count()
    assert found["meminfo"]["MemTotal"] * 1024 == psutil.virtual_memory().total
    assert {n["name"] for n in found["nics"]} == set(psutil.net_if_stats())
    assert found["version"].startswith("Linux version ")
    here, nowhere = found["directories"]
    assert here["size_bytes"] == os.statvfs(os.getcwd()).f_blocks * os.statvfs(os.getcwd()).f_frsize
    assert here["mount_point"]
    assert nowhere["error"] == "No such file or directory"
    assert found["cpuinfo"] == []
    assert len(take(full=True)["cpuinfo"]) == psutil.cpu_count()


def test_the_keys_are_always_the_same(tmp_path: Path) -> None:
    """An empty root, every fixture, this host: one set of keys, and what was not there is named."""
    keys = set(take())
    for root in [tmp_path, *(p for p in FIXTURES.iterdir() if (p / "proc").is_dir())]:
        found = take(root=str(root))
        assert set(found) == keys
        json.dumps(found)
    assert {"proc/meminfo", "proc/diskstats", "usr/lib/os-release"} <= set(
        take(root=str(tmp_path))["errors"]
    )


@pytest.mark.parametrize(
    "python",
    sorted(
        Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions").glob(
            "3.*/bin/python"
        )
    ),
)
def test_old_pythons(python: Path) -> None:
    """The same keys from every interpreter that an agent may meet."""
    program = ("import sys, types, json; m = types.ModuleType('mpi_collector'); m.__path__ = [sys.argv[1]]; sys.modules['mpi_collector'] = m; "
               "from mpi_collector.node.host.snapshot import take; print(json.dumps(sorted(take(['/']))))")  # fmt: skip
    package = Path(proc.__file__).parents[3]
    done = subprocess.run(
        [str(python), "-c", program, str(package)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == sorted(take())


def test_it_is_bounded(tmp_path: Path) -> None:
    """1,000 mounts, 256 CPUs, 300 disks: below 400 kB."""
    texts = {"proc/mounts": "".join(f"srv:/v{n} /mnt/volume{n} nfs4 rw,vers=4.2,rsize=1048576 0 0\n" for n in range(1000)),
             "proc/cpuinfo": "".join(f"processor : {n}\nflags : {'x ' * 300}\n\n" for n in range(256))}  # fmt: skip
    texts.update({f"sys/block/sd{n}/device/model": "HUH721010AL\n" for n in range(300)})
    tree(tmp_path, texts)
    found = take(root=str(tmp_path))
    assert len(json.dumps(found)) < 400_000
    assert len(found["mounts"]) == 500
    assert "500 of 1000" in found["errors"]["mounts"]


def test_a_file_system_that_hangs(tmp_path: Path) -> None:
    """Its sizes are unknown and the error says so, the others' are not; who asked can end meanwhile."""
    program = (
        "import json, sys; from mpi_collector.node.host.snapshot import take; "
        "print(json.dumps(take(sys.argv[1:])['directories']))"
    )
    with faulty_directory(tmp_path) as directory:
        directory.hang()
        paths = [str(tmp_path), str(directory.path), "/nonexistent", "/"]
        done = subprocess.run(
            [sys.executable, "-c", program, *paths], capture_output=True, timeout=30, check=True
        )
        found = json.loads(done.stdout)
    assert [d["path"] for d in found] == paths
    assert [d["error"] for d in found] == [
        None,
        "does not answer",
        "No such file or directory",
        None,
    ]
    assert found[1]["size_bytes"] is None and found[1]["fs_type"] == "fuse"
    assert found[0]["size_bytes"] and found[3]["inodes"]


def test_the_mount_of_a_directory() -> None:
    """The deepest mount; of two on one directory the last, which hides the other; a prefix of a name is none."""
    mounts = proc.mounts(
        "a / ext4 rw 0 0\nb /mnt nfs rw 0 0\nc /mnt xfs rw 0 0\nd /mnt/data tmpfs rw 0 0\n"
    )
    for path, device in (("/mnt", "c"), ("/mnt/x", "c"), ("/mnt/data/x", "d"), ("/mntx", "a")):
        found = mount_of(path, mounts)
        assert found is not None
        assert found["device"] == device
    assert mount_of("/x", []) is None


# ---- devices
def test_block_devices(tmp_path: Path) -> None:
    """Leaf physical devices once: not the partitions, dm, md, multipath and NVMe paths on and under them."""
    files = tree(
        tmp_path,
        {
            "sys/block/nvme0n1/device/model": "Samsung PM9A3 \n",
            "sys/block/nvme0n1/device/firmware_rev": "GDC7\n",
            "sys/block/nvme0n1/size": "1000\n",
            "sys/block/nvme0n1/queue/scheduler": "[none] mq-deadline\n",
            "sys/block/nvme0n1/queue/rotational": "0\n",
            "sys/block/nvme0n1/nvme0n1p1/partition": "1\n",
            "sys/block/nvme1c0n1/hidden": "1\n",
            "sys/block/sda/device/model": "ST\n",
            "sys/block/sda/size": "7\n",
            "sys/block/sda/dev": "8:0\n",
            "sys/block/dm-0/dm/uuid": "mpath-3600\n",
            "sys/block/dm-0/slaves/sda": "-> ../../sda",
            "sys/block/dm-1/dm/uuid": "LVM-x\n",
            "sys/block/dm-1/slaves/dm-0": "-> ../../dm-0",
            "sys/block/md0/md/level": "raid0\n",
            "sys/block/md0/slaves/sda": "-> ../../sda",
            "sys/block/loop0/size": "0\n",
            "sys/block/zram0/size": "0\n",
            "sys/block/sr0/size": "0\n",
        },
    )
    topology = devices.block_topology(files)
    assert [n for n, t in topology.items() if t["device"]] == ["nvme0n1", "sda"]
    assert [n for n, t in topology.items() if t["hidden"]] == ["nvme1c0n1"]
    assert {n: t["kind"] for n, t in topology.items()} == {
        "nvme0n1": "disk",
        "nvme0n1p1": "partition",
        "nvme1c0n1": "disk",
        "sda": "disk",
        "dm-0": "multipath",
        "dm-1": "dm",
        "md0": "md",
        "loop0": "loop",
        "zram0": "zram",
        "sr0": "optical",
    }
    assert topology["dm-1"]["parents"] == ["dm-0"]
    assert {n: t["number"] for n, t in topology.items() if t.get("number")} == {"sda": "8:0"}
    nvme, sda = devices.drives(files)
    assert (
        nvme["model"],
        nvme["size_bytes"],
        nvme["bus"],
        nvme["scheduler"],
        nvme["rotational"],
    ) == ("Samsung PM9A3", 512000, "nvme", "none", False)
    assert (sda["name"], sda["size_bytes"]) == ("sda", 3584)


def test_interfaces(tmp_path: Path) -> None:
    files = tree(
        tmp_path,
        {
            "sys/class/net/eth0/type": "1\n",
            "sys/class/net/eth0/device/x": "",
            "sys/class/net/eth0/speed": "25000\n",
            "sys/class/net/eth0/operstate": "up\n",
            "sys/class/net/eth0/mtu": "9000\n",
            "sys/class/net/eth0/master": "-> ../bond0",
            "sys/class/net/bond0/type": "1\n",
            "sys/class/net/bond0/bonding/mode": "802.3ad 4\n",
            "sys/class/net/bond0/lower_eth0": "-> ../eth0",
            "sys/class/net/bond0.7/type": "1\n",
            "sys/class/net/bond0.7/uevent": "DEVTYPE=vlan\n",
            "sys/class/net/ib0/type": "32\n",
            "sys/class/net/ib0/device/x": "",
            "sys/class/net/ib0.8001/type": "32\n",
            "sys/class/net/ib0.8001/device/x": "",
            "sys/class/net/veth1/type": "1\n",
            "sys/class/net/lo/type": "772\n",
            "sys/class/net/eth1/type": "1\n",
            "sys/class/net/eth1/device/x": "",
            "sys/class/net/eth1/speed": "-1\n",
            "sys/class/net/bonding_masters": "bond0\n",
        },
    )
    nics = {n["name"]: n for n in devices.nics(files)}
    assert {n: v["kind"] for n, v in nics.items()} == {
        "eth0": "ethernet",
        "eth1": "ethernet",
        "bond0": "bond",
        "bond0.7": "vlan",
        "ib0": "infiniband",
        "ib0.8001": "infiniband partition",
        "veth1": "virtual",
        "lo": "loopback",
    }
    assert [n for n, t in devices.net_topology(files).items() if t["device"]] == [
        "eth0",
        "eth1",
        "ib0",
        "ib0.8001",
    ]
    assert devices.net_topology(files)["ib0.8001"]["parents"] == ["ib0"]
    assert devices.net_device(files, "bond0") == devices.net_topology(files)["bond0"]
    assert devices.net_device(files, "bonding_masters") is devices.net_device(files, "x") is None
    assert (nics["eth0"]["speed_mbps"], nics["eth0"]["mtu_bytes"], nics["eth0"]["master"]) == (
        25000,
        9000,
        "bond0",
    )
    assert nics["eth1"]["speed_mbps"] is None
    assert nics["bond0"]["lower"] == ["eth0"]


def test_infiniband(tmp_path: Path) -> None:
    at = "sys/class/infiniband/mlx5_0/"
    files = tree(tmp_path, {at + "fw_ver": "20.31.1014\n", at + "hca_type": "MT4123\n", at + "ports/1/state": "4: ACTIVE\n",
                            at + "ports/1/phys_state": "5: LinkUp\n", at + "ports/1/rate": "200 Gb/sec (4X HDR)\n",
                            at + "ports/1/link_layer": "InfiniBand\n"})  # fmt: skip
    assert devices.infiniband(files) == [
        {
            "device": "mlx5_0",
            "port": "1",
            "link_layer": "InfiniBand",
            "state": "ACTIVE",
            "physical_state": "LinkUp",
            "rate": "200 Gb/sec (4X HDR)",
            "board": "MT4123",
            "firmware": "20.31.1014",
            "numa_node": None,
        }
    ]


def test_what_explains_a_result(tmp_path: Path) -> None:
    """Chassis, governor, memory nodes, buses and settings; no serial number, no address of a card, no other setting."""
    dmi, cpus, nodes = "sys/class/dmi/id/", "sys/devices/system/cpu/", "sys/devices/system/node/"
    pci = "sys/devices/pci0000:00/"
    files = {
        dmi + "sys_vendor": "Dell Inc.\n", dmi + "product_name": "PowerEdge R760\n", dmi + "product_serial": "HUNTER2\n",
        dmi + "board_name": "0X\n", cpus + "cpu0/cpufreq/scaling_governor": "performance\n", cpus + "smt/control": "off\n",
        cpus + "cpu1/cpufreq/scaling_governor": "powersave\n", cpus + "cpu0/cpufreq/cpuinfo_max_freq": "3800000\n",
        nodes + "node0/cpulist": "0-31\n", nodes + "node0/meminfo": "Node 0 MemTotal:       65536 kB\n",
        nodes + "node10/cpulist": "32-63\n", "proc/sys/vm/dirty_ratio": "20\n", "proc/sys/net/ipv4/tcp_rmem": "4096\t131072\t6291456\n",
        "proc/sys/kernel/hostname": "HUNTER2\n", "proc/sys/net/core/rmem_max": "212992\n",
        "sys/class/net/eth0/address": "HU:NT:ER:2\n", "sys/class/net/eth0/type": "1\n",
        pci + "ata1/host0/target0:0:0/0:0:0:0/model": "ST\n", "sys/block/sda/device": f"-> ../../../{pci}ata1/host0/target0:0:0/0:0:0:0",
        pci + "0000:01/usb1/1-1/x/model": "Stick\n", "sys/block/sdb/device": f"-> ../../../{pci}0000:01/usb1/1-1/x",
        pci + "virtio2/x": "", "sys/block/vda/device": f"-> ../../../{pci}virtio2", "sys/block/nvme0n1/device/transport": "tcp\n",
    }  # fmt: skip
    tree(tmp_path, files)
    found = take(root=str(tmp_path))
    assert found["chassis"] == {
        "vendor": "Dell Inc.",
        "product": "PowerEdge R760",
        "board": "0X",
        "bios": None,
    }
    assert (found["cpu"]["governor"], found["cpu"]["max_mhz"], found["cpu"]["smt"]) == (
        "performance,powersave",
        3800,
        "off",
    )
    assert found["numa"] == [
        {"node": 0, "cpus": "0-31", "memory_bytes": 65536 << 10},
        {"node": 10, "cpus": "32-63", "memory_bytes": None},
    ]
    assert found["sysctls"] == {
        "vm.dirty_ratio": "20",
        "net.ipv4.tcp_rmem": "4096 131072 6291456",
        "net.core.rmem_max": "212992",
    }
    assert {d["name"]: d["bus"] for d in found["drives"]} == {
        "sda": "ata",
        "sdb": "usb",
        "vda": "virtio",
        "nvme0n1": "nvme-tcp",
    }
    assert "HUNTER2" not in json.dumps(found)
    assert "HU:NT" not in json.dumps(found)


# ---- limits
def test_the_tightest_cgroup_limit_counts(tmp_path: Path) -> None:
    at = "sys/fs/cgroup/"
    files = tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/system.slice/job/step\n",
            at + "cgroup.controllers": "cpu memory\n",
            at + "system.slice/job/step/memory.max": "max\n",
            at + "system.slice/job/memory.max": "1000\n",
            at + "system.slice/memory.max": "5000\n",
            at + "system.slice/job/step/cpu.max": "150000 100000\n",
            at + "system.slice/job/cpu.max": "max 100000\n",
            at + "system.slice/job/step/cpuset.cpus.effective": "0-3\n",
            at + "system.slice/job/io.max": "8:0 rbps=1000 wbps=max\n",
        },
    )
    found = cgroup_limits(files)
    assert (found["version"], found["memory_max_bytes"], found["cpus_max"], found["cpuset"]) == (
        2,
        1000,
        1.5,
        "0-3",
    )
    assert found["io_max"] == ["8:0 rbps=1000 wbps=max"]


def test_io_limits_of_version_1(tmp_path: Path) -> None:
    """Those of the cgroup and of those above it, as version 2 writes them; damaged lines are not."""
    at = "sys/fs/cgroup/blkio/"
    files = tree(
        tmp_path,
        {
            "proc/self/cgroup": "5:blkio:/job/step\n4:memory:/job\n",
            at + "job/step/blkio.throttle.read_bps_device": "7:0 2000000\n8:0 5\n",
            at + "job/step/blkio.throttle.write_iops_device": "7:0 100\n8:0\n8:0 many\n",
            at + "job/blkio.throttle.read_bps_device": "7:0 1000\n",
            at + "blkio.throttle.read_bps_device": "",
        },
    )
    assert cgroup_limits(files)["io_max"] == [
        "7:0 rbps=2000000 wiops=100", "8:0 rbps=5", "7:0 rbps=1000",
    ]  # fmt: skip


def test_cgroup_v1(tmp_path: Path) -> None:
    at = "sys/fs/cgroup/"
    files = tree(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/slurm/job\n2:cpu,cpuacct:/slurm/job\n1:name=systemd:/\n",
            at + "memory/slurm/job/memory.limit_in_bytes": "9223372036854771712\n",
            at + "memory/slurm/memory.limit_in_bytes": "4096\n",
            at + "cpu/slurm/job/cpu.cfs_quota_us": "50000\n",
            at + "cpu/slurm/job/cpu.cfs_period_us": "100000\n",
        },
    )
    found = cgroup_limits(files)
    assert (found["version"], found["memory_max_bytes"], found["cpus_max"]) == (1, 4096, 0.5)


# ---- secrets
def test_no_secret_of_the_environment() -> None:
    given_ = {"SLURM_JOB_ID": "7", "SLURM_JWT": "ey", "AWS_SECRET_ACCESS_KEY": "x", "OMPI_MCA_btl": "tcp", "OMPI_MCA_sec_basic_key": "x",
              "UCX_TLS": "rc", "GITHUB_TOKEN": "x", "HOME": "/root", "PBS_JOBCOOKIE": "x", "FI_PROVIDER": "tcp;http://u:p@h/",
              "OMPI_MCA_orte_precondition_transports": "dab2cfe7a65b5507-6d6f8880772fb1b8", "OMPI_MCA_orte_hnp_uri": "1.0;tcp://h:1",
              "OMPI_MCA_plm_rsh_args": "-i key", "PMIX_SECURITY_MODE": "native", "OMPI_MCA_io": "romio321"}  # fmt: skip
    assert environment(given_) == {
        "SLURM_JOB_ID": "7",
        "OMPI_MCA_btl": "tcp",
        "UCX_TLS": "rc",
        "FI_PROVIDER": "tcp;http://***@h/",
        "OMPI_MCA_io": "romio321",
        "AWS_SECRET_ACCESS_KEY": "***",
    }
    ours = {"MPI_COLLECTOR_OWN": "OMPI_MCA_btl,FI_PROVIDER,SLURM_OVERLAP"}
    assert set(environment({**given_, **ours})) == {
        "SLURM_JOB_ID",
        "UCX_TLS",
        "OMPI_MCA_io",
        "AWS_SECRET_ACCESS_KEY",
    }


@pytest.mark.parametrize(
    "options",
    [
        "rw,username=joe,password=hunter2,vers=3.0",
        "rw,user=joe,pass=hunter2",
        "rw,name=admin,secret=hunter2,noshare",
        "credentials=/srv/hunter2,rw",
        "rw,key=hunter2",
        "rw,keyring=/etc/hunter2",
    ],
)
def test_no_secret_of_the_mounts(tmp_path: Path, options: str) -> None:
    tree(tmp_path, {"proc/mounts": f"https://joe:hunter2@dav.example/x /mnt davfs {options} 0 0\n"})
    text = json.dumps(take(["/mnt"], root=str(tmp_path)))
    assert "hunter2" not in text
    assert "joe" not in text
    assert "dav.example" in text


def test_no_secret_of_the_command_line(tmp_path: Path) -> None:
    tree(
        tmp_path,
        {
            "proc/cmdline": "BOOT_IMAGE=/x mitigations=off luks.key=hunter2 ip=10.0.0.1 password=hunter2 nvme_core.io_timeout=9\n"
        },
    )
    assert take(root=str(tmp_path))["kernel_cmdline"] == [
        "mitigations=off",
        "nvme_core.io_timeout=9",
    ]
    assert sys.executable
