"""The recorder of one node: sources, spool, sampling thread, and at the end the packed table."""

import gc
import os
import threading

from .. import sources as node_sources
from ..compat import mono_ns
from ..errors import SpoolError
from ..host.snapshot import take, topology
from ..options import SamplingOptions
from ..read.probe import Probe
from ..row.decode import RowDecoder
from ..sample.sampler import Sampler, TickGrid
from ..spool import backup, marks
from ..spool.directory import RunDirectory, remove_spool
from ..spool.replica import Changes
from ..spool.retention import apply_retention
from ..spool.writer import Spool
from ..table.facts import facts_of
from ..table.pack import pack
from ..table.table import SampleTable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from ..table.facts import HostFacts
    from ..table.npy import NpzMember


def use_all_cpus() -> None:
    """A launcher binds its ranks; a sampler must not sit on the core of the job's rank, nor hand that to COMMAND."""
    try:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    except OSError:  # a cpuset that holds none of them; what we have is what we may use
        pass


class Recorder:
    """``prepare`` -> ``clock`` -> ``start`` -> ``stop`` -> ``pack`` -> ``discard``; what is not discarded stays in the spool.

    ``decoder``: the class that turns texts into rows; one that needs numpy is given by those who have it.
    """

    decoder: "Any" = RowDecoder

    def __init__(self, options: "SamplingOptions", run: str, key: str, facts: dict) -> None:
        self.options, self.run, self.key = options, run, key
        self._facts = facts
        self.spool: "Any" = None
        self.sampler: "Any" = None
        self.warnings: list = []
        self._table: "Any" = None
        self._changes: "Any" = None
        self._marks_taken = False
        self._end_snapshot: "Any" = None
        self._offset_ns = 0
        self._rescued = ""  # where it was set down
        self._rescuing = threading.Lock()

    # ---- before the first sample
    def prepare(self) -> dict:
        """Open the sources and allocate the array. Returns what the root wants to know of it."""
        options = self.options
        self.probe = Probe(node_sources.select(options.sources), options.root)
        snapshot = take(options.directories, options.root)
        meta = dict(self._facts, run=self.run, host=self.key, options=options.to_dict())
        meta.update(snapshot=snapshot, topology=topology(snapshot))
        meta.update(self.probe.meta())
        self.spool = self._make_spool(meta)
        why = backup.why_unusable(options.rescue_dir) if options.rescue_dir else ""
        if why:
            self.warnings.append("--rescue-dir: %s" % why)
        self._decoder = self.decoder(self.probe.sources, self.probe.layout, self.spool.event)
        gc.collect()
        if hasattr(gc, "freeze"):  # Python 3.7
            gc.freeze()  # what lives now lives until the end; no collection needs to look at it
        return {
            "rows": self.spool.shape.rows - 1,
            "spool": self.spool.path,
            "absent": self.probe.absent,
            "columns": self.probe.layout.width,
            "warnings": self.warnings,
        }

    def _make_spool(self, meta: dict) -> "Spool":
        options, rows = self.options, self.options.max_samples + 1
        most = None if options.max_spool_mb is None else int(options.max_spool_mb * 1e6)
        said, held = apply_retention(
            options.spool_dir, self.run, options.keep_spools, options.keep_spool_days, most
        )
        self.warnings += said
        try:
            directory = RunDirectory(options.spool_dir, self.run).open()
            try:
                room = os.fstatvfs(directory)
                limit = room.f_bavail * room.f_frsize // 2
                if most is not None:
                    limit = min(2 * limit, most - held)
                spool = Spool.create(
                    directory, self.key, meta, self.probe.caps, self.probe.stage_slots, rows, limit
                )
            finally:
                os.close(directory)
        except SpoolError as e:
            self.warnings.append("not crash-proof: %s; recording in plain memory" % e)
            return Spool.create(None, self.key, meta, self.probe.caps, self.probe.stage_slots, rows)
        if spool.shape.rows < rows:
            self.warnings.append("the spool holds %d of %d rows" % (spool.shape.rows - 1, rows - 1))
        return spool

    # ---- sampling
    def clock(self, mono: int, offset_ns: int, bound_ns: int) -> None:
        """A measurement of this node's clock against the root's: offset = ours - theirs."""
        self.spool.event(
            {"type": "clock", "mono_ns": mono, "offset_ns": offset_ns, "bound_ns": bound_ns}
        )
        if self.sampler is not None and self.sampler.running:
            self.sampler.grid.shift(offset_ns - self._offset_ns)
        self._offset_ns = offset_ns

    def own_clock(self) -> None:
        """The root's own clock is the reference."""
        self.clock(mono_ns(), 0, 0)

    def start(self, t0_root_ns: int, epoch_ns: int, capacity: int) -> None:
        """Sample on the grid that begins at ``t0_root_ns`` on the root's clock."""
        options = self.options
        self.spool.event(
            {"type": "grid", "t0_ns": t0_root_ns, "epoch_ns": epoch_ns, "interval_ns": options.interval_ns,
             "policy": options.when_full, "capacity": capacity}
        )  # fmt: skip
        self.sampler = Sampler(self.probe, self.spool, self._decoder, options.when_full, capacity)
        t0 = t0_root_ns + self._offset_ns
        self.sampler.start(
            TickGrid(
                t0, options.interval_ns, t0 + options.duration_ns if options.duration_ns else 0
            )
        )

    def wait_first(self, timeout_s: float) -> bool:
        """True when the first sample was taken; False after ``timeout_s`` or when sampling failed."""
        return bool(self.sampler.first_sample.wait(timeout_s)) and self.sampler.failure is None

    def stop(self) -> dict:
        """Take the last row, end the thread, look at the host once more; called again it changes nothing."""
        self.sampler.stop()
        self._take_marks()
        if self._end_snapshot is None:
            self._end_snapshot = take(self.options.directories, self.options.root)
        failure = self.sampler.failure
        return {
            "samples": self.sampler.taken,
            "last_tick": self.sampler.last_tick,
            "failure": "%s: %s" % (type(failure).__name__, failure) if failure else None,
        }

    def snapshot(self) -> dict:
        """This host as it stands now."""
        return dict(take(self.options.directories, self.options.root))

    def mark(self, event: dict) -> None:
        """Put a mark into the event log."""
        self.spool.event(event)

    def _take_marks(self) -> None:
        """Those that were left beside the spool."""
        if self._marks_taken or not self.spool.path:
            return
        self._marks_taken = True
        for mark in marks.read(RunDirectory.of_spool(self.spool.path).marks_path):
            self.spool.event(mark)

    def flush(self) -> None:
        """Have what is staged decoded with the next sample, so that ``replicate`` sends rows instead of texts."""
        if self.sampler is not None:
            self.sampler.flush_soon()

    def replicate(self, got: int) -> tuple:
        """(document, bytes): what has changed since the set numbered ``got`` arrived, for a copy elsewhere."""
        if self._changes is None:
            self._changes = Changes(self.spool)
        return self._changes.take(got)  # type: ignore[no-any-return]

    # ---- the table
    def table(self) -> "SampleTable":
        if self._table is None:
            self._table = SampleTable(self.spool.reader())
            self._table.meta["snapshot_end"] = self._end_snapshot
        return self._table  # type: ignore[no-any-return]

    def facts(self) -> "HostFacts":
        return facts_of(self.table())

    def pack(self, json: bool) -> "Iterator[NpzMember]":
        """What the root needs of this node. ``json`` (the suite's samples too) is for those who can encode them."""
        return pack(self.table(), self.key)

    def discard(self) -> None:
        """The recording is safe elsewhere: remove the spool."""
        self.close(remove=True)

    def close(self, remove: bool = False) -> None:
        """``remove``: the recording is safe elsewhere. Else it stays in the spool, and in --rescue-dir if there is one."""
        if self.sampler is not None:
            self.sampler.stop()
            if not remove:
                self.rescue()
            self.sampler.close()
        if self.spool is not None:
            self._table = None
            if remove and self.spool.path:
                RunDirectory.of_spool(self.spool.path).remove_marks()
            with self._rescuing:
                if remove and self._rescued:
                    remove_spool(self._rescued)
                self.spool.close(remove)
                self.spool = None

    def rescue(self) -> None:
        """Set down what there is in --rescue-dir; from any thread, while sampling too. Nobody is left to tell of failure."""
        with self._rescuing:
            if self.options.rescue_dir and self.spool is not None and self.sampler is not None:
                try:
                    again = bool(self._rescued)
                    self._rescued = backup.save(
                        self.spool, self.options.rescue_dir, self.run, self.key, again
                    )
                except SpoolError:
                    pass
