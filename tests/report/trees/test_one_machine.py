"""Kinds of kernel files that were read wrongly once, all on one machine, which is recorded once."""

from __future__ import annotations

import json
from typing import Any

import living_tree as lt
import pytest

STEPS = 9
POWERCAP = "sys/class/powercap"
CPU = "sys/devices/system/cpu"
#: {zone: (name, microjoules in a step)}; mmio shows what the registers of package 0 show
ZONES = {
    "intel-rapl:0": ("package-0", 3_000_000),
    "intel-rapl:1": ("package-1", 2_000_000),
    "intel-rapl-mmio:0": ("package-0", 3_000_000),
}
IRQS = (
    ("1", "IO-APIC   1-edge      i8042", 1),
    ("30", "PCI-MSI 524288-edge      ens1f0-TxRx-0", 10),
    ("31", "PCI-MSI 524289-edge      ens1f0-TxRx-1", 20),
    ("32", "PCI-MSI 526336-edge      ens1f1-TxRx-0", 100),
    ("33", "gpio-mxc   5 Edge      GPIO1 rise", 1000),
)


def diskstats(n: int) -> str:
    """A line of lxcfs, which prints 14 values (17 words), and one of Linux 5.5 (20 words)."""
    of_sda = [10 * n, 0, 2000 * n, 30 * n, 0, 0, 0, 0, 0, 50 * n, 60 * n, 0, 0, 0]
    of_sdb = [10 * n, 0, 2000 * n, 30 * n, 0, 0, 0, 0, 0, 50 * n, 60 * n, 0, 0, 0, 0, 0, 0]
    return "".join(
        f"   8 {16 * k:7d} {name} {' '.join(map(str, values))}\n"
        for k, (name, values) in enumerate((("sda", of_sda), ("sdb", of_sdb)))
    )


def interfaces(n: int) -> str:
    """Linux 3.10: names glued to their numbers, and an alias, whose numbers are those of eth0."""
    numbers = f"{10**6 * n} {100 * n} 0 0 0 0 0 0 {10**5 * n} {10 * n} 0 0 0 0 0 0"
    head = lt.netdev({})["proc/net/dev"]
    return head + f"  eth0:{numbers}\neth0:1:{numbers}\n    lo:{numbers}\n"


def snmp(n: int) -> dict[str, str]:
    """Traffic of IPv6 alone; TCP counts both versions."""
    tcp = f"Tcp: InSegs OutSegs RetransSegs\nTcp: {1000 * n} {1000 * n} {10 * n}\n"
    return {
        "proc/net/snmp": tcp + "Udp: InDatagrams RcvbufErrors\nUdp: 0 0\n",
        "proc/net/netstat": "IpExt: InOctets OutOctets\nIpExt: 0 0\n",
        "proc/net/snmp6": f"Ip6InOctets \t{10**6 * n}\nIp6OutOctets \t{10**5 * n}\nUdp6RcvbufErrors \t{5 * n}\n",
    }


def machine(n: int) -> dict[str, Any]:
    """The machine after n steps."""
    counts = "".join(f"{label:>3}: {step * n:10} {0:10}  {rest}\n" for label, rest, step in IRQS)
    softnet = [2**32 - 3 + n, 2**32 - 2 + 2 * n]  # each CPU's counter wraps at its own time
    state = {
        "proc/diskstats": diskstats(n),
        "proc/net/dev": interfaces(n),
        "proc/interrupts": "           CPU0       CPU1\n" + counts,
        "proc/net/softnet_stat": "".join(
            " ".join(f"{v % 2**32:08x}" for v in (value, *[0] * 11, cpu, 0, 0)) + "\n"
            for cpu, value in enumerate(softnet)
        ),
        **snmp(n),
    }
    for zone, (_name, step) in ZONES.items():
        state[f"{POWERCAP}/{zone}/energy_uj"] = f"{10**9 + step * n}\n"
    return state


def first() -> dict[str, Any]:
    """What does not change: two sockets of arm64, whose /proc/cpuinfo does not say so."""
    arm = "processor\t: {}\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd0c\n\n"
    state: dict[str, Any] = {"proc/cpuinfo": "".join(map(arm.format, range(4)))}
    state |= lt.disk_sysfs("sda") | lt.disk_sysfs("sdb") | lt.net_sysfs("eth0")
    state[f"{CPU}/online"] = "0-3\n"
    for cpu in range(4):
        state[f"{CPU}/cpu{cpu}/topology/physical_package_id"] = f"{36 if cpu < 2 else 3180}\n"
        state[f"{CPU}/cpu{cpu}/topology/core_id"] = f"{cpu % 2}\n"
        state[f"{CPU}/cpu{cpu}/topology/core_cpus_list"] = f"{cpu}\n"
    for zone, (name, _step) in ZONES.items():
        state[f"{POWERCAP}/{zone}/name"] = f"{name}\n"
        state[f"{POWERCAP}/{zone}/max_energy_range_uj"] = "262143328850\n"
    return machine(0) | state


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> lt.Recorded:
    states = [first(), *(machine(n) for n in range(1, STEPS + 1))]
    return lt.record(
        tmp_path_factory.mktemp("machine"),
        states,
        sources="diskstats,netdev,tcp,softnet,power,interrupts",
    )


@pytest.mark.parametrize(
    ("figure", "moved"),
    [
        ("read_bytes_per_s", 2 * 2000 * 512 * STEPS),
        ("net_rx_bytes_per_s", 10**6 * STEPS),
        ("ip_rx_bytes_per_s", 10**6 * STEPS),
        ("ip_tx_bytes_per_s", 10**5 * STEPS),
        ("udp_drops_per_s", 5 * STEPS),
        ("softnet_packets_per_s", 3 * STEPS),
    ],
)
def test_what_was_moved(found: lt.Recorded, figure: str, moved: int) -> None:
    assert found.moved(figure) == pytest.approx(moved)


def test_energy_of_a_package_counts_once(found: lt.Recorded) -> None:
    """By what was recorded: the power is read at every fourth tick, the last one at the stop."""
    figures = found.summary["cluster"]
    joules = figures["cpu_power_watts"]["mean"] * found.summary["span_s"]
    assert joules == pytest.approx(5 * STEPS, rel=0.35)  # twice package 0 would be 8


def test_lines_of_17_words(found: lt.Recorded) -> None:
    figures = found.devices["disk", "sda"]["figures"]
    assert figures["read_latency_ms"]["mean"] == pytest.approx(3.0)
    assert (
        figures["read_bytes_per_s"] == found.devices["disk", "sdb"]["figures"]["read_bytes_per_s"]
    )


def test_names_with_colons(found: lt.Recorded) -> None:
    alias = found.devices["interface", "eth0:1"]
    assert (alias["counted"], alias["why_not"]) == (False, "an alias of eth0")


def test_retransmits_of_both_versions(found: lt.Recorded) -> None:
    assert found.mean("tcp_retransmit_percent") == pytest.approx(1.0)


def test_interrupts_have_the_names_of_devices(found: lt.Recorded) -> None:
    from mpi_collector.store.load import load

    with load(found.path) as run:
        (host,) = run.values()
        names = {c.split(".")[1] for c in host.columns if c.endswith(".count")}
        grown = {n: int(host.raw(f"interrupts.{n}.count")[-1]) for n in names}
    assert grown == {
        "i8042": STEPS,
        "ens1f0-TxRx": 30 * STEPS,
        "ens1f1-TxRx": 100 * STEPS,
        "GPIO1_rise": 1000 * STEPS,
    }


def test_sockets_that_cpuinfo_does_not_show(found: lt.Recorded) -> None:
    (path,) = found.path.parent.glob("*_cluster_info.json")
    (host,) = json.loads(path.read_text())["hosts"]
    assert host["num_sockets"] == 2


def test_nothing_is_in_doubt(found: lt.Recorded) -> None:
    """Wraps are no resets, and all that there is was read."""
    verdict = found.summary["verdict"]
    assert [r for r in verdict["reasons"] if "late" not in r and "missed" not in r] == []
    assert [n for n in found.host["notes"] if "unknown" in n] == []
    if not any("missed" in r for r in verdict["reasons"]):
        assert [n for n in found.summary["notes"] if "missing from the totals" in n] == []
