"""What the suite collects of a host, made of our snapshot.

Since 3.0.23 the suite reads ``chassis_model``, ``networking``, ``sysctl``, ``environment`` and
``drives`` of every host before a run and describes the system by them. Our snapshot knows more of
the same things; two of its parts have other names here, since the suite uses theirs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypedDict

from mpi_collector.formats.host_consistency import MOVING_SYSCTLS

Snapshot = Mapping[str, Any]

#: part of the snapshot -> its name beside the suite's keys
RENAMED = {"drives": "block_devices", "environment": "environment_variables"}
#: what firmware says of a machine whose maker did not fill it in; compared in lower case
_NO_MODEL = (
    "",
    "to be filled by o.e.m.",
    "default string",
    "system product name",
    "system manufacturer",
    "none",
    "not specified",
    "not applicable",
    "oem",
    "unknown",
)
_SYSCTLS = re.compile(r"vm\.dirty_.*|net\.core\..*|net\.ipv4\.tcp_.*|kernel\.numa_balancing")
_VARIABLES = re.compile(r"BUCKET|(AWS|STORAGE|OMPI|UCX|NCCL)_.*")
#: bus of a drive -> the suite's name of the interface; others it does not know
_INTERFACES = {"nvme": "nvme", "ata": "sata", "sas": "sas"}
_NO_DRIVE = re.compile(r"(sr|fd|loop|ram|zram|dm-)[0-9]+|nvme[0-9]+c[0-9]+n[0-9]+")
_UP = ("up", "unknown")  #: operstate; many drivers of virtual machines only know the latter
_GB_PER_S = re.compile(r"([0-9]+)(?:\.[0-9]+)? Gb/sec")


class Setting(TypedDict):
    name: str
    value: str


class Port(TypedDict, total=False):
    """A network interface or a port of a fabric; ``speed`` is absent when down or not known."""

    type: str  #: ethernet or infiniband
    speed: int  #: Gb/s
    state: str  #: up or down


class Drive(TypedDict):
    vendor_name: str
    model_name: str
    interface: str  #: nvme, sata or sas
    capacity_in_GB: int


class SuiteHost(TypedDict):
    """The five parts; empty where nothing is known."""

    chassis_model: str
    networking: list[Port]
    sysctl: list[Setting]
    environment: list[Setting]
    drives: list[Drive]


def collected_data(snapshot: Snapshot) -> dict[str, Any]:
    """Return the data of a host as the suite's collectors return it, our parts beside it.

    Data that have that form already are returned as they are.
    """
    if "networking" in snapshot:
        return dict(snapshot)
    data = {RENAMED.get(name, name): part for name, part in snapshot.items()}
    if not data.get("errors"):
        data.pop("errors", None)
    return {**data, **suite_host(snapshot), "uptime": snapshot.get("uptime_seconds")}


def suite_host(snapshot: Snapshot) -> SuiteHost:
    """Return the five parts of a snapshot."""
    product = str((snapshot.get("chassis") or {}).get("product") or "").strip()
    return {
        "chassis_model": "" if product.lower() in _NO_MODEL else product,
        "networking": _networking(snapshot),
        "sysctl": _settings(snapshot.get("sysctls"), _SYSCTLS),
        "environment": _settings(snapshot.get("environment"), _VARIABLES),
        "drives": _drives(snapshot),
    }


def _settings(values: object, wanted: re.Pattern[str]) -> list[Setting]:
    """Return the ``wanted`` of {name: value}, sorted.

    Those that move by themselves are left out: hosts with equal settings count as equal.
    """
    known = values if isinstance(values, Mapping) else {}
    return [
        {"name": name, "value": str(known[name])}
        for name in sorted(known)
        if wanted.fullmatch(name) and name not in MOVING_SYSCTLS
    ]


def _networking(snapshot: Snapshot) -> list[Port]:
    """Return Ethernet interfaces, a bond instead of its members, then the ports of InfiniBand."""
    nics = snapshot.get("nics") or []
    bonds = {nic["name"] for nic in nics if nic.get("kind") == "bond"}
    out = []
    for nic in nics:
        if nic["name"] in bonds:
            members = [n for n in nics if n.get("master") == nic["name"]]
            mbps = sum(m.get("speed_mbps") or 0 for m in members)
            out.append(_port("ethernet", bool(mbps), mbps // 1000))
        elif (
            nic.get("kind") == "ethernet" and nic.get("physical") and nic.get("master") not in bonds
        ):
            mbps = nic.get("speed_mbps") or 0
            out.append(_port("ethernet", nic.get("state") in _UP, mbps // 1000))
    for port in snapshot.get("infiniband") or []:
        if port.get("link_layer") != "Ethernet":  # RoCE: a port of an interface in ``nics``
            rate = _GB_PER_S.match(str(port.get("rate")))
            up = port.get("state") == "ACTIVE"
            out.append(_port("infiniband", up, int(rate[1]) if rate else 0))
    return out


def _port(kind: str, up: bool, speed: int) -> Port:
    if not up:
        return {"type": kind, "state": "down"}
    return {"type": kind, "speed": speed, "state": "up"} if speed else {"type": kind, "state": "up"}


def _drives(snapshot: Snapshot) -> list[Drive]:
    out: list[Drive] = []
    for drive in snapshot.get("drives") or []:
        interface = _INTERFACES.get(str(drive.get("bus")).partition("-")[0])
        size = drive.get("size_bytes")
        if interface and size and not _NO_DRIVE.fullmatch(str(drive.get("name"))):
            out.append(
                {
                    "vendor_name": str(drive.get("vendor") or "").strip(),
                    "model_name": str(drive.get("model") or "").strip(),
                    "interface": interface,
                    "capacity_in_GB": size // 10**9,
                }
            )
    return out
