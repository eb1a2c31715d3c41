"""CPUs, cores and sockets of machines whose /proc/cpuinfo is not that of x86."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nodekit import FIXTURES

from mpi_collector.node.host.snapshot import take
from mpi_collector.node.host.snapshot.cpus import cpu_numbers

_CPU = "sys/devices/system/cpu/"
_S390_HEAD = """vendor_id       : IBM/S390
# processors    : {count}
bogomips per cpu: 3033.00
max thread id   : 1
features\t: esan3 zarch stfle msa ldisp eimm dfp edat etf3eh highgprs te vx sie
cache0          : level=1 type=Data scope=Private size=128K line_size=256 associativity=8
"""
_S390_LINE = "processor {n}: version = 00,  identification = 1A2B3C,  machine = 8561\n"


def sysfs(packages: list[int], threads: int, lists: str = "core_cpus_list") -> dict[str, str]:
    """Topology files of ``len(packages)`` CPUs, ``threads`` to a core, in the given packages."""
    out = {_CPU + "online": f"0-{len(packages) - 1}\n"}
    for n, package in enumerate(packages):
        first = n - n % threads
        base = f"{_CPU}cpu{n}/topology/"
        siblings = f"{first}-{first + threads - 1}\n" if threads > 1 else f"{n}\n"
        # core ids begin at 0 in each cluster of two cores, as those of a device tree do
        out |= {
            base + "physical_package_id": f"{package}\n",
            base + "core_id": f"{n // threads % 2}\n",
            base + lists: siblings,
        }
    return out


def s390x_blocks(sockets: list[tuple[int, int]], threads: int) -> str:
    """/proc/cpuinfo of Linux 4.11 and later; sockets: (book, socket within the book) of each CPU."""
    text = _S390_HEAD.format(count=len(sockets))
    text += "".join(_S390_LINE.format(n=n) for n in range(len(sockets)))
    for n, (book, socket) in enumerate(sockets):
        text += (
            f"\ncpu number      : {n}\nphysical id     : {socket}\ncore id         : {n // threads}\n"
            f"book id         : {book}\ndrawer id       : 0\ndedicated       : 0\naddress         : {n}\n"
            "cpu cores       : 4\nversion         : 00\nidentification  : 1A2B3C\n"
            "machine         : 8561\ncpu MHz dynamic : 5200\ncpu MHz static  : 5200\n"
        )
    return text


def arm64(count: int) -> str:
    return "".join(
        f"processor\t: {n}\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\n"
        "CPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: 0xd0c\nCPU revision\t: 1\n\n"
        for n in range(count)
    )


POWER = (
    "".join(
        f"processor\t: {n}\ncpu\t\t: POWER9, altivec supported\nclock\t\t: 3800.000000MHz\nrevision\t: 2.3\n\n"
        for n in range(16)
    )
    + "timebase\t: 512000000\nplatform\t: PowerNV\nmodel\t\t: 9006-22P\n"
)
RISCV = "processor\t: 0\nhart\t\t: 1\nisa\t\t: rv64imafdc\n\nprocessor\t: 1\nhart\t\t: 2\nisa\t\t: rv64imafdc\n"
#: one CPU of a kernel before 3.8: a capital letter, and no number
ARMV6 = "Processor\t: ARMv6-compatible processor rev 7 (v6l)\nBogoMIPS\t: 697.95\n\nHardware\t: BCM2708\n"
SPARC = "cpu\t\t: UltraSparc T2\nncpus probed\t: 4\nncpus active\t: 4\n\nCPU0\t\t: online\nCPU1\t\t: online\n"

#: name -> cpuinfo, sysfs, (sockets, cores, logical CPUs)
MACHINES: dict[str, tuple[str, dict[str, str], tuple[int, int, int]]] = {
    "s390x": (s390x_blocks([(0, 0)] * 4 + [(0, 1)] * 4, 2), {}, (2, 4, 8)),
    "s390x-two-books": (s390x_blocks([(0, 0)] * 4 + [(1, 0)] * 4, 1), {}, (2, 8, 8)),
    "s390x-linux-4.10": (
        _S390_HEAD.format(count=2) + "".join(_S390_LINE.format(n=n) for n in range(2)),
        {},
        (1, 2, 2),
    ),
    "s390x-linux-4.10-sysfs": (
        _S390_HEAD.format(count=8) + "".join(_S390_LINE.format(n=n) for n in range(8)),
        sysfs([0] * 4 + [1] * 4, 2, "thread_siblings_list"),
        (2, 4, 8),
    ),
    "arm64-two-sockets": (arm64(8), sysfs([36] * 4 + [3180] * 4, 1), (2, 8, 8)),
    "arm64-linux-4.18": (
        arm64(8),
        sysfs([0] * 4 + [1] * 4, 1, "thread_siblings_list"),
        (2, 8, 8),
    ),
    "arm64-two-threads": (arm64(8), sysfs([0] * 4 + [1] * 4, 2), (2, 4, 8)),
    "arm64-package-unknown": (arm64(4), sysfs([-1] * 4, 1), (1, 4, 4)),
    "arm64-without-sysfs": (arm64(4), {}, (1, 4, 4)),
    "power9": (POWER, sysfs([0] * 8 + [8] * 8, 4), (2, 4, 16)),
    "riscv": (RISCV, sysfs([0, 0], 1), (1, 2, 2)),
    "armv6": (ARMV6, sysfs([0], 1), (1, 1, 1)),
    "sparc": (SPARC, sysfs([0] * 4, 2), (1, 2, 4)),
    "no-cpuinfo": ("", sysfs([0, 0, 1, 1], 1), (2, 4, 4)),
}


def machine(root: Path, name: str) -> Path:
    text, files, _counts = MACHINES[name]
    for path, content in {"proc/cpuinfo": text, **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root


@pytest.mark.parametrize("name", MACHINES)
def test_counts(name: str, tmp_path: Path) -> None:
    """Sockets, cores and logical CPUs are right, and each row says in which of them it is."""
    found = take(root=str(machine(tmp_path, name)), full=True)
    cpu = found["cpu"]
    assert cpu is not None
    sockets, cores, logical = MACHINES[name][2]
    assert (cpu["num_sockets"], cpu["num_cores"], cpu["num_logical_cores"]) == (
        sockets,
        cores,
        logical,
    )
    assert sorted(int(row["processor"]) for row in found["cpuinfo"]) == list(range(logical))
    json.dumps(found["cpuinfo"])


def test_what_the_kernel_prints_stays(tmp_path: Path) -> None:
    """sysfs fills in what is missing and replaces nothing."""
    root = machine(tmp_path, "s390x")
    for path, content in sysfs([7] * 8, 1).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    rows: list[dict[str, Any]] = list(take(root=str(root), full=True)["cpuinfo"])
    assert [row["physical id"] for row in rows] == [0] * 4 + [1] * 4
    assert rows[0]["vendor_id"] == "IBM/S390"
    assert "# processors" not in rows[0]


@pytest.mark.parametrize("text", ["", "x", "0-", "3,", "0-99999999", "0-70000", "-1"])
def test_no_list_of_cpus(text: str) -> None:
    assert cpu_numbers(text) == []
    assert cpu_numbers("0-2,7\n") == [0, 1, 2, 7]


def test_the_snapshot_on_the_screen(tmp_path: Path) -> None:
    """What a user of an arm64 machine with two sockets reads."""
    environ = {**os.environ, "MPI_COLLECTOR_ROOT": str(machine(tmp_path, "arm64-two-sockets"))}
    done = subprocess.run(
        [sys.executable, "-m", "mpi_collector", "snapshot"],
        capture_output=True,
        text=True,
        env=environ,
        check=True,
    )
    assert "2 sockets, 8 cores, 8 threads" in done.stdout


def test_a_real_s390x() -> None:
    """Two CPUs of Linux 2.6.32, which says nothing of cores and sockets."""
    cpu = take((), str(FIXTURES / "s390x-2cpu"))["cpu"]
    assert cpu["num_logical_cores"] == 2
    assert cpu["vendor"] == "IBM/S390"
