"""The recorder of one host: sources, spool, sampling thread, and in the end the packed table."""

import gc
import os
import threading

from .. import sources as node_sources
from ..compat import SYSTEM_CLOCK, mono_ns
from ..errors import SpoolError
from ..host.helpers import Helpers, around
from ..host.snapshot import facts_of_device, topology
from ..host.snapshot.cpus import condense
from ..knobs import file_system_root
from ..options import SamplingOptions
from ..read.probe import Probe
from ..read.worker import stuck_in_kernel
from ..row.decode import RowDecoder
from ..sample.sampler import Sampler, TickGrid
from ..spool import backup
from ..spool.directory import RunDirectory, remove_spool
from ..spool.replica import Changes
from ..spool.retention import apply_retention
from ..spool.writer import Spool
from ..table.facts import ABORTED, LEFT, facts_of
from ..table.pack import pack
from ..table.table import SampleTable
from . import foreign_files
from .host_marks import HostMarks
from .live import NO_VECTOR, LiveReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from ..host.snapshot.document import Snapshot
    from ..table.facts import HostFacts
    from ..table.npy import NpzMember
    from .messages import ReadyReport, SampleCheck, StopReport


def use_all_cpus() -> None:
    """Undo the CPU binding of a launcher.

    Neither the sampler nor COMMAND is to be bound to the one core of a rank.
    """
    try:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    except OSError:  # a cpuset contains none of them: what it allows is in force already
        pass


class Recorder:
    """Records one host: prepare, clock, start, stop, pack, discard, in this order.

    What is not discarded stays in the spool. ``decoder``: the class that decodes staged texts into
    rows; processes that have numpy use a faster one.
    """

    decoder: "Any" = RowDecoder
    clocks = SYSTEM_CLOCK  #: of the samples; its CPU time is the recorder's own
    launchers: "frozenset[str]" = frozenset()  #: names of programs, the daemons of MPI launchers

    def __init__(
        self, options: SamplingOptions, run: str, key: str, facts: "dict[str, Any]"
    ) -> None:
        self.options = options
        self._root = file_system_root(options.root)
        self.run = run
        self.key = key
        self.warnings: "list[str]" = []
        self.probe: "Any" = None
        self.spool: "Any" = None
        self.sampler: "Any" = None
        self._facts = facts
        self._decoder: "Any" = None
        self._table: "SampleTable | None" = None
        self._changes: "Changes | None" = None
        self._live: "Any" = None
        self._marks: "Any" = None
        self._end_snapshot: "Snapshot | None" = None
        self._came: "list[str]" = []  # sources that are there now, and have no columns
        self._offset_ns = 0
        self._backup_path = ""  # of the last copy in --rescue-dir
        self._backup_lock = threading.Lock()
        self.helpers = Helpers()

    # ---- before the first sample
    def prepare(self) -> "ReadyReport":
        """Open the sources and allocate the spool."""
        options = self.options
        chosen = node_sources.select(options.sources)
        for source in chosen:
            source.run = self.run
            source.directories = tuple(options.directories)
        self.probe = Probe(chosen, self._root)
        snapshot = foreign_files.snapshot(self._places(), self._root)
        meta = dict(self._facts, run=self.run, host=self.key, options=options.to_dict())
        meta.update(snapshot=snapshot, topology=topology(snapshot))
        meta.update(self.probe.meta())
        self.spool = self._make_spool(meta)
        self._marks = HostMarks(self.spool)
        why = backup.why_unusable(options.rescue_dir) if options.rescue_dir else ""
        if why:
            self.warnings.append("--rescue-dir: %s" % why)
        self._decoder = self.decoder(self.probe.sources, self.probe.layout, self._decoded)
        gc.collect()
        if hasattr(gc, "freeze"):  # since Python 3.7
            gc.freeze()  # what exists now lives until the end: collections need not look at it
        return {
            "rows": self.spool.shape.rows - 1,
            "spool": self.spool.path,
            "absent": self.probe.absent,
            "columns": self.probe.layout.width,
            "warnings": self.warnings,
        }

    def _decoded(self, event: "dict[str, Any]") -> None:
        """Log an event of the decoder; a device that appeared with what sysfs says of it."""
        if event["type"] == "device":
            try:
                facts = facts_of_device(self._root, event["source"], event["device"])
            except (OSError, ValueError):  # it is gone again
                facts = None
            if facts is not None:
                event = dict(event, facts=facts)
        self.spool.event(event)

    def _make_spool(self, meta: "dict[str, Any]") -> Spool:
        """Return a spool with as many rows as there is room for; without room, in plain memory."""
        options = self.options
        most = None if options.max_spool_mb is None else int(options.max_spool_mb * 1e6)
        warnings, held = apply_retention(
            options.spool_dir,
            self.run,
            options.keep_spools,
            options.keep_spool_days,
            most,
            boot_id=(self._facts.get("identity") or {}).get("boot_id"),
        )
        self.warnings += warnings
        try:
            place = RunDirectory(options.spool_dir, self.run)
            directory = place.open()
            if place.elsewhere:
                self.warnings.append("%s; the spool is in %s" % (place.elsewhere, place.path))
            try:
                room = os.fstatvfs(directory)
                limit = room.f_bavail * room.f_frsize // 2
                if most is not None:
                    limit = min(2 * limit, most - held)
                spool = self._create(directory, meta, limit)
            finally:
                os.close(directory)
        except SpoolError as e:
            self.warnings.append("not crash-proof: %s; recording in plain memory" % e)
            return self._create(None, meta, None)
        return spool

    def _create(
        self, directory: "int | None", meta: "dict[str, Any]", limit: "int | None"
    ) -> Spool:
        """Return a spool of at most ``limit`` bytes and half of the memory that is free.

        A tmpfs is memory, too: its pages count in the cgroup of the process that writes them.
        SpoolError when it cannot be made.
        """
        rows = self.options.max_samples + 1
        why = ""
        free, where = foreign_files.available(self._root)
        if free is not None and (limit is None or free // 2 < limit):
            limit = free // 2
            why = ": half of the %.0f MB that are free in %s" % (free / 1e6, where)
        probe = self.probe
        try:
            spool = Spool.create(
                directory, self.key, meta, probe.caps, probe.stage_slots, rows, limit
            )
        except SpoolError as e:
            raise SpoolError("%s%s" % (e, why)) from e
        if spool.shape.rows < rows:
            text = "the spool holds %d of %d rows" % (spool.shape.rows - 1, rows - 1)
            self.warnings.append(text + why)
        return spool

    # ---- sampling
    def clock(self, mono_ns: int, offset_ns: int, bound_ns: int) -> None:
        """Note a measurement of this host's clock.

        ``offset_ns``: local time - coordinator's time, known to ``bound_ns`` either way.
        """
        self.spool.event(
            {"type": "clock", "mono_ns": mono_ns, "offset_ns": offset_ns, "bound_ns": bound_ns}
        )
        if self.sampler is not None and self.sampler.running:
            self.sampler.grid.shift(offset_ns - self._offset_ns)
        self._offset_ns = offset_ns

    def own_clock(self) -> None:
        """Note that this host's clock is the reference: the coordinator's own."""
        self.clock(mono_ns(), 0, 0)

    def start(self, t0_ns: int, epoch_ns: int, capacity: int, hosts: int = 0) -> None:
        """Sample on the grid that begins at ``t0_ns`` on the coordinator's monotonic clock.

        ``hosts``: of the run, for ``recover``; 0: not known.
        """
        options = self.options
        grid = {
            "type": "grid",
            "t0_ns": t0_ns,
            "epoch_ns": epoch_ns,
            "interval_ns": options.interval_ns,
            "policy": options.when_full,
            "capacity": capacity,
            "hosts": hosts,
        }
        self.spool.event(grid)
        self.helpers.begin(lambda: around(os.getpid(), self.launchers))
        self.sampler = Sampler(
            self.probe,
            self.spool,
            self._decoder,
            options.when_full,
            capacity,
            clock=self.clocks,
        )
        local_t0_ns = t0_ns + self._offset_ns
        end_ns = local_t0_ns + options.duration_ns if options.duration_ns else 0
        self.sampler.start(TickGrid(local_t0_ns, options.interval_ns, end_ns))

    def wait_first(self, timeout_s: float) -> bool:
        """Return whether the first sample was taken within ``timeout_s``; False also on failure."""
        return bool(self.sampler.first_sample.wait(timeout_s)) and self.sampler.failure is None

    def first_sample(self) -> "SampleCheck":
        """Return whether the first sample was taken, and the failure of the sampling thread."""
        failure = self.sampler.failure
        return {
            "sampling": self.sampler.first_sample.is_set() and failure is None,
            "failure": str(failure) if failure else None,
        }

    def status(self) -> "dict[str, int]":
        """Return the number of samples and the last tick; empty before the start."""
        if self.sampler is None:
            return {}
        return {"taken": self.sampler.taken, "last_tick": self.sampler.last_tick}

    def stop(self) -> "StopReport":
        """Take the last row, end the sampling thread and take the end snapshot.

        Called again it changes nothing.
        """
        self.sampler.stop()
        self._marks.take()
        if self._end_snapshot is None:
            self._note_helpers()
            self._end_snapshot = foreign_files.snapshot(self._places(), self._root)
            self._came = self.probe.came()
        failure = self.sampler.failure
        return {
            "samples": self.sampler.taken,
            "last_tick": self.sampler.last_tick,
            "failure": "%s: %s" % (type(failure).__name__, failure) if failure else None,
        }

    def _note_helpers(self) -> None:
        cpu_ns = self.helpers.spent_ns()
        if cpu_ns is not None:
            self.spool.event({"type": "helpers", "cpu_ns": cpu_ns})

    def snapshot(self) -> "dict[str, Any]":
        """Describe this host as it is now, with all its CPUs in ``condensed_cpus``."""
        found = foreign_files.snapshot(self._places(), self._root, full=True)
        cpus, found["cpuinfo"] = found["cpuinfo"], []
        return dict(found, condensed_cpus=condense(cpus))

    def _places(self) -> "tuple[str, ...]":
        """Return the directories to ask for room; none while a file hangs in the kernel.

        A process of its own asks. It closes what it inherits, which hangs as that file does.
        """
        return () if stuck_in_kernel(0) else tuple(self.options.directories)

    def mark(self, event: "dict[str, Any]") -> None:
        """Add a mark; see HostMarks.add."""
        self._marks.add(event)

    def flush(self) -> None:
        """Have staged samples decoded with the next tick, so that ``replicate`` sends rows."""
        if self.sampler is not None:
            self.sampler.flush_soon()

    def replicate(self, got: int) -> "tuple[dict[str, Any], bytes]":
        """Return (document, bytes) of the changes since change set ``got`` (spool/replica.py)."""
        if self._changes is None:
            self._changes = Changes(self.spool)
        return self._changes.take(got)  # type: ignore[no-any-return,unused-ignore]

    def live(self) -> "dict[str, Any]":
        """Return the live vector of the newest sample (live.LIVE_VECTOR); raises nothing."""
        try:
            if self._live is None:
                topology = self.spool.reader().meta["topology"]
                self._live = LiveReader(self.probe, self.spool, self.sampler, topology)
            return self._live.take()  # type: ignore[no-any-return,unused-ignore]
        except Exception:  # noqa: BLE001 - the job runs: a vector that fails is missing
            return dict(NO_VECTOR)

    # ---- the table
    def table(self) -> SampleTable:
        if self._table is None:
            self._table = SampleTable(self.spool.reader())
            self._marks.complete(self._table.events)
            self._table.meta["snapshot_end"] = self._end_snapshot
            self._table.meta["came"] = self._came
        return self._table

    def facts(self) -> "HostFacts":
        return facts_of(self.table())

    def pack(self, json: bool) -> "Iterator[NpzMember]":
        """Compress the table.

        ``json``: the suite's samples too, in a subclass that can encode them.
        """
        return pack(self.table(), self.key)

    def discard(self) -> None:
        """Remove the spool and its backup: the recording is safe elsewhere."""
        self.close(remove=True)

    def close(self, remove: bool = False, why: str = LEFT) -> None:
        """End sampling.

        Without ``remove`` the recording stays in the spool, and in --rescue-dir if there is one. It
        is incomplete when nobody has stopped it before: the run went on. ``why``: of its end then.
        """
        if self.sampler is not None:
            if self.sampler.running and not remove:
                self.spool.event({"type": ABORTED, "why": why})
            self.sampler.stop()
            if not remove:
                self.back_up()
            self.sampler.close()
        if self.spool is not None:
            self._table = None
            if remove:
                self._marks.remove()
            with self._backup_lock:
                if remove and self._backup_path:
                    remove_spool(self._backup_path)
                in_memory = self.spool.path is None
                self.spool.close(remove)
                self.spool = None
            if in_memory:  # the run's directory was there for requests only
                RunDirectory(self.options.spool_dir, self.run).discard(self.key)

    def back_up(self) -> None:
        """Copy the spool into --rescue-dir if there is one; from any thread, also while sampling.

        A failure is ignored: the process is about to end, and the spool itself stays.
        """
        with self._backup_lock:
            if self.options.rescue_dir and self.spool is not None and self.sampler is not None:
                try:
                    again = bool(self._backup_path)
                    self._backup_path = backup.save(
                        self.spool, self.options.rescue_dir, self.run, self.key, again
                    )
                except SpoolError:
                    pass
