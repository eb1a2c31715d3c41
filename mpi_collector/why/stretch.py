"""One host in one phase, as the modules of the causes see it: its devices beside its CPUs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mpi_collector.store.figures.disk import SECTOR_BYTES
from mpi_collector.store.host import Float64, Host
from mpi_collector.why.ceilings import DeviceCeiling, ceiling_of
from mpi_collector.why.phase_rows import PhaseRows

#: bytes per second and requests per second above which a device takes part in the job
_MOVED_BYTES_PER_S = 64e3
_MOVED_IOPS = 1.0
LOOP = "loop"


@dataclass(frozen=True)
class DiskActivity:
    """A block device that moved data; arrays are (intervals,), NaN where unknown.

    ``in_flight``: requests queued or served, mean. ``await_ms``: mean time of a request.
    """

    name: str
    read_bytes_per_s: Float64
    write_bytes_per_s: Float64
    iops: Float64
    reads_per_s: Float64
    in_flight: Float64
    await_ms: Float64
    busy: Float64
    facts: dict[str, Any]

    @property
    def bytes_per_s(self) -> Float64:
        return self.read_bytes_per_s + self.write_bytes_per_s


@dataclass(frozen=True)
class LinkActivity:
    """An interface that moved data. ``speed_bytes_per_s``: of the link, None where unknown."""

    name: str
    rx_bytes_per_s: Float64
    tx_bytes_per_s: Float64
    speed_bytes_per_s: float | None


@dataclass(frozen=True)
class MountActivity:
    """A mount of network storage. ``in_flight``: operations outstanding, mean."""

    name: str
    kind: str
    bytes_per_s: Float64
    ops: Float64
    in_flight: Float64
    ms_per_op: Float64
    queued: Float64  #: of ``in_flight``, those that wait to be sent


class Stretch(PhaseRows):
    """One host in one phase, with the block devices, links and mounts that moved data.

    ``ceilings``: of devices, as they were probed. ``run``: the whole run, of which this is a phase.
    """

    def __init__(
        self,
        host: Host,
        name: str,
        stretches: Sequence[tuple[int, int]],
        ceilings: Sequence[DeviceCeiling] = (),
        run: Stretch | None = None,
    ) -> None:
        super().__init__(host, name, stretches)
        self._ceilings = ceilings
        self._run = run
        self._activities: dict[str, DiskActivity] = {}

    def in_the_run(self, disk: DiskActivity) -> DiskActivity | None:
        """Return a device in the whole run; None where this is not a phase of one."""
        if self._run is None:
            return None
        known = self._run._activities
        if disk.name not in known:
            known[disk.name] = self._run._disk(disk.name, disk.facts)
        return known[disk.name]

    def probed(self, disk: DiskActivity) -> DeviceCeiling | None:
        """Return what a device can do as it was probed; None where it was not."""
        return ceiling_of(self._ceilings, self.key, disk.name, str(disk.facts.get("model") or ""))

    @cached_property
    def disks(self) -> list[DiskActivity]:
        """Block devices that moved data, whether or not they are in the totals; no partitions.

        A device that is built on others that moved is left out: they show the same requests.
        """
        topology = self.host.meta.get("topology") or {}
        block = topology.get("block") or {}
        drives = {d.get("name"): d for d in self.snapshot.get("drives") or []}
        found = [
            self._disk(n, drives.get(n) or {}) for n in self.devices("diskstats", "sectors_read")
        ]
        moved = [d for d in found if self._moved(d)]
        names = {d.name for d in moved}
        return [
            d
            for d in moved
            if block.get(d.name, {}).get("kind") != "partition"
            and not names & set(block.get(d.name, {}).get("parents") or [])
        ]

    @cached_property
    def disks_once(self) -> list[DiskActivity]:
        """``disks`` without loop devices: what lies below their files counts the same requests.

        Where nothing else moved these are the loop devices.
        """
        return [d for d in self.disks if not d.name.startswith(LOOP)] or self.disks

    def _moved(self, disk: DiskActivity) -> bool:
        rate = self.mean(disk.bytes_per_s)
        return bool(rate > _MOVED_BYTES_PER_S or self.mean(disk.iops) > _MOVED_IOPS)

    def _disk(self, name: str, facts: dict[str, Any]) -> DiskActivity:
        def rate(column: str) -> Float64:
            found = self.rate(f"diskstats.{name}.{column}")
            return np.full(len(self), np.nan) if found is None else found

        iops = rate("reads_completed") + rate("writes_completed")
        took = rate("time_reading_ms") + rate("time_writing_ms")
        with np.errstate(divide="ignore", invalid="ignore"):
            each = np.where(iops > 0, took / iops, np.nan)
        return DiskActivity(
            name=name,
            read_bytes_per_s=rate("sectors_read") * SECTOR_BYTES,
            write_bytes_per_s=rate("sectors_written") * SECTOR_BYTES,
            iops=iops,
            reads_per_s=rate("reads_completed"),
            in_flight=rate("weighted_time_doing_ios_ms") / 1e3,
            await_ms=each,
            busy=rate("time_doing_ios_ms") / 1e3,
            facts=facts,
        )

    @cached_property
    def links(self) -> list[LinkActivity]:
        """Interfaces that moved data, without loopback."""
        nics = {n.get("name"): n for n in self.snapshot.get("nics") or []}
        out = []
        for name in self.devices("netdev", "rx_bytes"):
            rx, tx = self.rate(f"netdev.{name}.rx_bytes"), self.rate(f"netdev.{name}.tx_bytes")
            if name == "lo" or rx is None or tx is None:
                continue
            speed = nics.get(name, {}).get("speed_mbps")
            if self.mean(rx + tx) > _MOVED_BYTES_PER_S:
                out.append(LinkActivity(name, rx, tx, speed * 125e3 if speed else None))
        return out

    @cached_property
    def mounts(self) -> list[MountActivity]:
        """NFS and Lustre mounts that moved data."""
        found = [self._nfs(n) for n in self.devices("nfs", "READ_ops")]
        targets = self.devices("lustre", "req_waittime_samples")
        found += [self._lustre(n) for n in targets if n.startswith("osc/")]
        return [m for m in found if self.mean(m.bytes_per_s) > _MOVED_BYTES_PER_S
                or self.mean(m.ops) > _MOVED_IOPS]  # fmt: skip

    def _nfs(self, name: str) -> MountActivity:
        def total(*fields: str) -> Float64:
            found = self.sum_of_rates([f"nfs.{name}.{f}" for f in fields])
            return np.full(len(self), np.nan) if found is None else found

        ops = total("READ_ops", "WRITE_ops", "COMMIT_ops", "GETATTR_ops", "LOOKUP_ops", "OTHER_ops")
        execute = total("READ_execute_ms", "WRITE_execute_ms", "COMMIT_execute_ms",
                        "GETATTR_execute_ms", "LOOKUP_execute_ms", "OTHER_execute_ms")  # fmt: skip
        queue = total("READ_queue_ms", "WRITE_queue_ms")
        moved = total("server_read_bytes", "server_write_bytes")
        return self._mount(name, "nfs", moved, ops, execute, queue)

    def _lustre(self, name: str) -> MountActivity:
        ops = self.rate(f"lustre.{name}.req_waittime_samples")
        waited = self.rate(f"lustre.{name}.req_waittime_sum")
        moved = self.sum_of_rates([f"lustre.{name}.{verb}_bytes_sum" for verb in ("read", "write")])
        unknown = np.full(len(self), np.nan)
        return self._mount(
            name,
            "lustre",
            unknown if moved is None else moved,
            unknown if ops is None else ops,
            unknown if waited is None else waited / 1e3,
            np.zeros(len(self)),
        )

    def _mount(
        self, name: str, kind: str, moved: Float64, ops: Float64, execute: Float64, queue: Float64
    ) -> MountActivity:
        with np.errstate(divide="ignore", invalid="ignore"):
            each = np.where(ops > 0, execute / ops, np.nan)
        return MountActivity(name, kind, moved, ops, execute / 1e3, each, queue / 1e3)
