"""What the suite reads of a host before a run, made of a snapshot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mpi_collector.formats.cluster_info import host_information
from mpi_collector.formats.suite_host import collected_data, suite_host
from mpi_collector.node.host.snapshot import take

PCI = "sys/devices/pci0000:00/"


def host(root: Path, files: dict[str, str]) -> dict[str, Any]:
    """The snapshot of a host with ``files``; a text that begins with "-> " is a symlink."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("-> "):
            path.symlink_to(text[3:])
        else:
            path.write_text(text)
    return dict(take(root=str(root)))


def nic(name: str, speed: str = "", state: str = "up", **further: str) -> dict[str, str]:
    """An interface with hardware; a bond's member where ``master`` is given."""
    base = f"sys/class/net/{name}/"
    files = {base + "type": "1\n", base + "operstate": state, base + "device/vendor": "0x15b3\n"}
    if speed:
        files[base + "speed"] = speed
    return files | {base + k: v for k, v in further.items()}


def test_interfaces(tmp_path: Path) -> None:
    """Cards and bonds, not what is built on them; a speed that is not known is none."""
    bond = "sys/class/net/bond0/"
    found = host(
        tmp_path,
        nic("eth0", "100000\n")
        | nic("eth1", "25000\n", master="-> ../bond0")
        | nic("eth2", "25000\n", master="-> ../bond0")
        | nic("eth3", "-1\n", "down")
        | nic("eth4", "-1\n", "unknown")
        | {bond + "type": "1\n", bond + "operstate": "up", bond + "bonding/mode": "802.3ad 4\n"}
        | {"sys/class/net/lo/type": "772\n", "sys/class/net/docker0/bridge/x": ""},
    )
    assert suite_host(found)["networking"] == [
        {"type": "ethernet", "speed": 50, "state": "up"},
        {"type": "ethernet", "speed": 100, "state": "up"},
        {"type": "ethernet", "state": "down"},
        {"type": "ethernet", "state": "up"},
    ]


def test_ports_of_a_fabric(tmp_path: Path) -> None:
    """InfiniBand by its ports; those of RoCE are Ethernet interfaces and listed there."""
    files = nic("eth0", "200000\n")
    ib0 = "sys/class/net/ib0/"
    files |= {ib0 + "type": "32\n", ib0 + "operstate": "up", ib0 + "device/vendor": "0x15b3\n"}
    for device, layer, state in (
        ("mlx5_0", "InfiniBand", "4: ACTIVE"),
        ("mlx5_1", "InfiniBand", "1: DOWN"),
        ("mlx5_2", "Ethernet", "4: ACTIVE"),
    ):
        port = f"sys/class/infiniband/{device}/ports/1/"
        files |= {port + "link_layer": layer, port + "state": state}
        files[port + "rate"] = "400 Gb/sec (4X NDR)"
    assert suite_host(host(tmp_path, files))["networking"] == [
        {"type": "ethernet", "speed": 200, "state": "up"},
        {"type": "infiniband", "speed": 400, "state": "up"},
        {"type": "infiniband", "state": "down"},
    ]


def test_drives(tmp_path: Path) -> None:
    """NVMe, SATA and SAS; no virtual disk, no USB stick, no drive for discs."""
    files = {
        "sys/block/nvme0n1/device/model": "Micron 9400  \n",
        "sys/block/nvme0n1/size": "30005842608\n",
        "sys/block/nvme1n1/device/transport": "tcp\n",
        "sys/block/nvme1n1/size": "2000000\n",
    }
    for name, way, sectors in (
        ("sda", "ata1/host0", "7814037168"),
        ("sdb", "host1/port-1:0/end_device-1:0", "4000000000"),
        ("sdc", "usb1/1-1", "60000000"),
        ("sr0", "ata2/host2", "2000000"),
        ("vda", "virtio2", "2000000"),
    ):
        files |= {
            f"{PCI}{way}/{name}/vendor": "SEAGATE \n",
            f"{PCI}{way}/{name}/model": f"model of {name}\n",
            f"sys/block/{name}/device": f"-> ../../../{PCI}{way}/{name}",
            f"sys/block/{name}/size": sectors + "\n",
        }
    found = {d["model_name"]: d for d in suite_host(host(tmp_path, files))["drives"]}
    assert set(found) == {"Micron 9400", "", "model of sda", "model of sdb"}
    assert found["Micron 9400"] == {
        "vendor_name": "",
        "model_name": "Micron 9400",
        "interface": "nvme",
        "capacity_in_GB": 15362,
    }
    assert [found[f"model of {n}"]["interface"] for n in ("sda", "sdb")] == ["sata", "sas"]
    assert found["model of sda"]["vendor_name"] == "SEAGATE"


@pytest.mark.parametrize(
    ("product", "model"),
    [
        ("PowerEdge R760\n", "PowerEdge R760"),
        ("System Product Name\n", ""),
        ("To Be Filled By O.E.M.\n", ""),
        ("", ""),
    ],
)
def test_chassis(tmp_path: Path, product: str, model: str) -> None:
    found = host(tmp_path, {"sys/class/dmi/id/product_name": product})
    assert suite_host(found)["chassis_model"] == model


def test_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the suite asks for, sorted; of a secret only that it is there."""
    secret = "wJalrXUtnFEMI/HUNTER2"
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "NCCL_SECRET"):
        monkeypatch.setenv(name, secret)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://me:{secret}@s3.example.org")
    monkeypatch.setenv("BUCKET", "data")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.delenv("UCX_TLS", raising=False)
    found = host(
        tmp_path,
        {
            "proc/sys/vm/dirty_ratio": "20\n",
            "proc/sys/vm/swappiness": "60\n",
            "proc/sys/net/ipv4/tcp_rmem": "4096\t131072\t6291456\n",
            "proc/sys/fs/aio-nr": "5\n",
        },
    )
    of_suite = suite_host(found)
    assert of_suite["sysctl"] == [
        {"name": "net.ipv4.tcp_rmem", "value": "4096 131072 6291456"},
        {"name": "vm.dirty_ratio", "value": "20"},
    ]
    environment = {s["name"]: s["value"] for s in of_suite["environment"]}
    assert environment["AWS_SECRET_ACCESS_KEY"] == environment["AWS_ACCESS_KEY_ID"] == "***"
    assert environment["BUCKET"] == "data"
    assert environment["AWS_ENDPOINT_URL"].endswith("@s3.example.org")
    assert "SLURM_JOB_ID" not in environment
    assert secret not in str(of_suite) + str(found)


def test_our_parts_stand_beside_the_suites() -> None:
    """No part of ours has a name that the suite uses for something else."""
    snapshot = dict(take())
    data = collected_data(snapshot)
    assert data["block_devices"] == snapshot["drives"]
    assert data["environment_variables"] == snapshot["environment"]
    for part in ("networking", "sysctl", "environment", "drives"):
        assert isinstance(data[part], list)
        assert all(isinstance(row, dict) for row in data[part])
    assert collected_data(data) == data
    assert host_information(data, "a") == host_information(snapshot, "a")


def test_a_host_of_the_first_version_of_the_suite() -> None:
    """It collects none of the five parts: they are empty."""
    found = collected_data({"hostname": "a", "meminfo": {"MemTotal": 1}, "cpuinfo": []})
    assert found["chassis_model"] == ""
    assert found["networking"] == found["sysctl"] == found["environment"] == found["drives"] == []
