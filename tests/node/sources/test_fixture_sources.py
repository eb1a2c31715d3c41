"""Kernel files of hardware and file systems that this machine has not: every number of the fixtures, as tests/fixtures/README.md has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpi_collector.node.read.probe import Probe
from mpi_collector.node.row.decode import RowDecoder, make_layout
from mpi_collector.node.row.layout import MISSING
from mpi_collector.node.sources import BY_NAME, select
from mpi_collector.node.sources.infiniband import _KNOWN
from mpi_collector.node.status import ABSENT, OK

FIXTURES = Path(__file__).parents[2] / "fixtures"


def plant(root: Path, name: str) -> list[tuple[str, str]]:
    """The files that a list names, below ``root``; and the list."""
    pairs = []
    for line in (FIXTURES / "sysfs" / name).read_text().splitlines():
        if not line.startswith("#"):
            path, _, value = line.partition(" ")
            pairs.append((path, value))
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(value + "\n")
    return pairs


def recorded(spec: str, root: Path) -> dict[str, int]:
    """{column: value} of one sample of the sources below ``root``, opened, read and decoded as a sampler does."""
    probe = Probe(select(spec), str(root))
    assert not probe.absent, probe.reasons
    texts: list[bytes | int] = []
    for source_file in probe.files:
        view = memoryview(bytearray(source_file.capacity))
        n = source_file.read_into(view, 0)
        texts.append(bytes(view[:n]) if n >= 0 else -n)
    row, statuses = RowDecoder(probe.sources, probe.layout, lambda event: None).decode(texts, 0)
    probe.close()
    assert set(statuses) == {OK}
    columns = probe.layout.columns()
    assert all(c.unit or c.field in ("link_up",) or c.source == "infiniband" for c in columns), [
        c.name for c in columns if not c.unit
    ]
    return {
        c.name: v
        for c, v in zip(columns, row)
        if c.device is not None and v != MISSING and c.source != "collector"
    }


def test_slingshot(tmp_path: Path) -> None:
    """What is counted by traffic class as a sum, the others as they are; the second card has the other layout of its port."""
    wanted: dict[str, int] = {}
    for path, value in plant(tmp_path, "slingshot"):
        card, name = path.split("/")[3], path.split("/")[-1]
        if "/telemetry/" in path:
            stem = name[:-2] if name[-1].isdigit() and name != "hni_pcs_fecl_errors_0" else name
            wanted[f"slingshot.{card}.{stem}"] = wanted.get(f"slingshot.{card}.{stem}", 0) + int(
                value.split("@")[0]
            )
    del (
        wanted["slingshot.cxi0.hni_pcs_fecl_errors_0"],
        wanted["slingshot.cxi1.hni_pcs_fecl_errors_0"],
    )
    wanted |= {"slingshot.cxi0.link_up": 1, "slingshot.cxi0.link_gbit_per_s": 200}
    wanted |= {"slingshot.cxi1.link_up": 0, "slingshot.cxi1.link_gbit_per_s": 400}
    found = recorded("slingshot", tmp_path)
    assert found == wanted
    assert found["slingshot.cxi0.hni_sts_rx_ok_octets"] == 2**56 - 1
    assert found["slingshot.cxi1.hni_pkts_recv_by_tc"] == 3 * 36000


def test_infiniband(tmp_path: Path) -> None:
    """Data are counted in words of four bytes, in 64 bits where there are both; what is no number is no column, a setting neither."""
    wanted = {}
    for path, value in sorted(plant(tmp_path, "infiniband")):
        *_, device, port, folder, name = path.split("/")
        place = port if device == "infiniband" else f"{path.split('/')[3]}/{port}"
        if folder == "counters_ext":
            name = name.replace("_64", "") if name.endswith("_64") else name.replace("port_", "")
        if name != "lifespan" and value.isdigit():
            wanted[f"infiniband.{place}.{name}"] = int(value) * (
                4 if name in ("port_rcv_data", "port_xmit_data") else 1
            )
    assert recorded("infiniband", tmp_path) == wanted
    assert {name.rpartition(".")[2] for name in wanted} >= set(_KNOWN)
    assert wanted["infiniband.mlx4_0/2.port_xmit_data"] == 9871542384 * 4
    assert wanted["infiniband.irdma0.ip4InOctets"] == 13
    assert len({name.rpartition(".")[0] for name in wanted}) >= 5


@pytest.mark.parametrize("base", ["proc/fs/lustre", "sys/kernel/debug/lustre", "sys/fs/lustre"])
def test_lustre(tmp_path: Path, base: str) -> None:
    """Counts and sums of every line."""
    wanted = {}
    for name in ("llite-2.12", "llite-2.15", "osc-2.12", "mdc-2.15"):
        kind, version = name.split("-")
        target = tmp_path / base / kind / f"lfs{version}-ffff8a"
        target.mkdir(parents=True)
        text = (FIXTURES / "lustre" / name).read_text()
        (target / "stats").write_text(text)
        for line in text.splitlines():
            words = line.split()
            if words[2:3] == ["samples"]:
                device = f"lustre.{kind}/lfs{version}-ffff8a.{words[0]}"
                wanted[f"{device}_samples"] = int(words[1])
                if len(words) > 6:
                    wanted[f"{device}_sum"] = int(words[6])
    found = recorded("lustre", tmp_path)
    assert found == wanted
    assert found["lustre.osc/lfs2.12-ffff8a.read_bytes_sum"] == 6895163247966
    assert found["lustre.mdc/lfs2.15-ffff8a.req_waittime_sum"] == 1493


def mountstats(name: str = "before") -> str:
    return (FIXTURES / "mountstats" / name).read_text()


def nfs_of(text: str, source: object = None, first: str | None = None) -> dict[str, int]:
    """{column without "nfs.": value}."""
    source = source or BY_NAME["nfs"]()
    layout = make_layout([source], [(first or text).encode()])
    row, _ = RowDecoder([source], layout, lambda event: None).decode([text.encode()], 0)
    return {
        c.name[4:]: v
        for c, v in zip(layout.columns(), row)
        if c.device is not None and v != MISSING and c.source == "nfs"
    }


def test_mountstats_every_number() -> None:
    """Of every mount: bytes, transports (all connections in sum), and operations, the rare ones in sum as OTHER."""
    from mpi_collector.node.sources import nfs

    found, wanted, place = nfs_of(mountstats()), {}, ""
    sends = {"tcp": 7, "rdma": 7, "udp": 4}
    for line in mountstats().splitlines():
        words = line.split()
        if line.startswith("device"):
            place = words[4] if "nfs" in line.rpartition("fstype")[2] else ""
        if not place or not words:
            continue
        if words[0] == "bytes:":
            wanted.update(
                {
                    f"{place}.{n.decode()}": int(w)
                    for n, w in zip((b[0] for b in nfs._BYTES), words[1:])
                }
            )
        elif words[0] == "xprt:":
            for i, n in enumerate(("sends", "receives", "bad_xids")):
                key = f"{place}.xprt_{n}"
                wanted[key] = wanted.get(key, 0) + int(words[sends[words[1]] + i])
        elif words[0].endswith(":") and words[0][:-1].isupper():
            op = {"OPEN_NOATTR": "OPEN"}.get(words[0][:-1], words[0][:-1])
            op = op if op.encode() in nfs._OPS else "OTHER"
            for (n, _unit, _doc), w in zip(nfs._OP, words[1:]):
                key = f"{place}.{op}_{n.decode()}"
                wanted[key] = wanted.get(key, 0) + int(w)
    assert {k.rpartition(".")[0] for k in found} == {
        "/mnt/v3",
        "/mnt/v41",
        "/mnt/old",
        "/mnt/rdma",
        "/mnt/udp",
        "/mnt/the\\040same",
    }
    assert found == wanted
    assert found["/mnt/v41.xprt_sends"] == 938505 + 938401 + 938300 + 938200
    assert found["/mnt/v41.OPEN_errors"] == 394
    assert "/mnt/old.READ_errors" not in found  # before Linux 5.3 there is no such word


def nfs_below(root: Path, stats: str, mountinfo: str | None) -> dict[str, int]:
    """{column without "nfs.": value} of one sample, opened and read."""
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/mountstats").write_text(stats)
    if mountinfo is not None:
        (root / "proc/self/mountinfo").write_text(mountinfo)
    return {k[4:]: v for k, v in recorded("nfs", root).items()}


def infos(**numbers: str) -> str:
    """Lines of mountinfo: MAJOR:MINOR of every place below /mnt."""
    return "".join(
        f"{n} 1 {number} / /mnt/{place.replace('_', chr(92) + '040')} rw - nfs4 s:/ rw\n"
        for n, (place, number) in enumerate(numbers.items())
    )


def test_a_file_system_in_two_places_counts_once(tmp_path: Path) -> None:
    """Its number tells, not its counters: two others that did the same are two."""
    numbers = {
        "v3": "0:41",
        "v41": "0:42",
        "old": "0:43",
        "rdma": "0:44",
        "udp": "0:45",
        "the_same": "0:42",
    }
    once = nfs_below(tmp_path / "once", mountstats(), infos(**numbers))
    assert once == {k: v for k, v in nfs_of(mountstats()).items() if "same" not in k}
    for mountinfo in (infos(**numbers | {"the_same": "0:46"}), None):
        assert nfs_below(tmp_path / str(mountinfo is None), mountstats(), mountinfo) == nfs_of(
            mountstats()
        )


def test_a_mount_over_another_keeps_the_name(tmp_path: Path) -> None:
    text = mountstats("linux-6.1/before")
    at = text.index("device 127.0.0.1:/b mounted")
    over = text[at:].replace("/mnt/b\\040place", "/mnt/v42", 1)
    hidden = nfs_below(tmp_path / "a", text[:at], None)["/mnt/v42.READ_ops"]
    shown = over.replace("\t        READ: ", "\t        READ: 9", 1)
    found = nfs_below(
        tmp_path / "b", text[:at] + shown, infos(v42="0:50", v41="0:51", v40="0:52", v3="0:53")
    )
    assert found["/mnt/v42.READ_ops"] != hidden
    assert {k.rpartition(".")[0] for k in found} == {
        "/mnt/v42",
        "/mnt/v41",
        "/mnt/v40",
        "/mnt/v3",
        "/mnt/again",
        "/mnt/bound",
    }


def test_exports_of_a_server_that_did_the_same_are_not_one(tmp_path: Path) -> None:
    """A real kernel's five file systems, on which the same was done; one is in three places."""
    found = nfs_below(tmp_path, mountstats("linux-6.1/after"), mountstats("linux-6.1/mountinfo"))
    assert {k.rpartition(".")[0] for k in found} == {
        "/mnt/v3",
        "/mnt/v40",
        "/mnt/v41",
        "/mnt/v42",
        "/mnt/b\\040place",
    }
    assert len({v for k, v in found.items() if k.endswith("normal_read_bytes")}) == 1


def test_sensors_and_queues(tmp_path: Path) -> None:
    """NVMe drives by their own name, other chips by theirs; requests in flight on every drive, and on each path to it."""
    plant(tmp_path, "devices")
    for n in (0, 1):  # as the kernel has it: hwmonN/device is a link to the controller
        device = tmp_path / f"sys/class/hwmon/hwmon{n}/device"
        for f in device.glob("*"):
            f.unlink()
        if device.exists():
            device.rmdir()
        device.symlink_to(f"../../nvme/nvme{n}")
    found = recorded("power,queue", tmp_path)
    assert {k: v for k, v in found.items() if k.startswith("power.")} == {
        "power.nvme0:hwmon0.temp1_input": 41850,
        "power.nvme1:hwmon1.temp1_input": 39850,
        "power.coretemp:hwmon2.temp1_input": 52000,
        "power.power_meter:hwmon3.power1_average": 250000000,
        "power.package-0:intel-rapl.0.energy_uj": 262143328849,
        "power.dram:intel-rapl.0.0.energy_uj": 65712999613,
    }
    assert {k: v for k, v in found.items() if k.startswith("queue.")} == {
        f"queue.{device}.{way}_in_flight": n
        for device, both in (
            ("nvme0n1", (3, 14)),
            ("nvme1n1", (0, 0)),
            ("nvme2c0n1", (5, 6)),
            ("nvme2n1", (5, 6)),
            ("sda", (1, 2)),
        )
        for way, n in zip(("reads", "writes"), both)
    }


def test_amd(tmp_path: Path) -> None:
    """Mean power before momentary power; connectors, render nodes and other makers' cards are none; pcie_bw takes a second."""
    plant(tmp_path, "devices")
    assert recorded("gpu", tmp_path) == {
        "gpu.card0.busy_percent": 87,
        "gpu.card0.memory_busy_percent": 31,
        "gpu.card0.memory_used_bytes": 20535308288,
        "gpu.card0.memory_total_bytes": 68702699520,
        "gpu.card0.power_mw": 302000,
        "gpu.card0.temperature_mc": 63000,
        "gpu.card0.clock_mhz": 1700,
        "gpu.card1.busy_percent": 0,
        "gpu.card1.power_mw": 41500,
    }


@pytest.mark.parametrize("name", ["slingshot", "gpu", "infiniband", "lustre"])
def test_absent(tmp_path: Path, name: str) -> None:
    probe = Probe(select(name), str(tmp_path))
    assert probe.absent == {name: ABSENT}
    assert probe.reasons[name]
