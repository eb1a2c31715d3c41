"""A recording of three fake hosts to which something is done, and the count of what came back."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bed import DAEMONS, Bed, Job, Mpi, Process

import mpi_collector
from mpi_collector.store.recording import Recording

INTERVAL_S = 0.1
ORPHAN_S = 4.0  #: instead of the 60 s for which an agent waits for its launcher
EXIT_CODE = 7
ALL = (1, 2, 3)


@dataclass
class Row:
    """What one fault did over one transport. Ticks are those of ``INTERVAL_S``; hosts are ``node1`` and so on."""

    fault: str
    transport: str
    came_back: str  #: "by itself", "recover"
    kept: dict[str, int] = field(default_factory=dict)  #: rows on the grid
    missed: dict[str, int] = field(
        default_factory=dict
    )  #: gaps in them: noticed by the sampler, never squeezed in later
    lost: dict[str, int] = field(
        default_factory=dict
    )  #: due before the fault (or the end) and not there
    victims: list[str] = field(default_factory=list)
    gone_s: float = math.nan  #: until no process of ours was left on any host
    note: str = ""


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Markdown, a line per fault and transport."""
    yield "| what happens | over | ticks kept | lost on its host | lost on the others | missed | files | our processes gone after |"
    yield "|---|---|---:|---:|---:|---:|---|---:|"
    for r in rows:
        own = sum(r.lost.get(k, 0) for k in r.victims)
        others = sum(n for k, n in r.lost.items() if k not in r.victims)
        gone = "" if math.isnan(r.gone_s) else f"{r.gone_s:.1f} s"
        files = r.came_back + (f"; {r.note}" if r.note else "")
        yield (f"| {r.fault} | {r.transport} | {sum(r.kept.values())} | {own if r.victims else '-'} | {others} "
               f"| {sum(r.missed.values())} | {files} | {gone} |")  # fmt: skip


@dataclass
class Flight:
    """A recording under way. The job that is recorded ends when ``end()`` says so, with ``EXIT_CODE``."""

    bed: Bed
    job: Job
    results: Path
    transport: str
    python: str
    _end: Path
    rows: list[Row]
    run: str = ""
    places: list[Path] = field(default_factory=list)  #: after ``settle``: of its files

    def recording(self) -> Flight:
        """Wait until it records, and has for a second."""
        self.run = self.job.recording(60)
        time.sleep(1)
        return self

    def end(self) -> None:
        """Let COMMAND end."""
        self._end.touch()

    # ---- what there is of it
    def sampler(self, host: int) -> Process:
        """The process that samples a host."""
        (found,) = self.samplers(host)
        return found

    def samplers(self, host: int) -> list[Process]:
        """Ranks; or the agent, which has left its session."""
        found = [
            p
            for p in self.bed.processes(host)
            if p.name.startswith("python") and p.alive and not p.keeps_results
        ]
        if self.transport == "ssh":
            found = [p for p in found if p.parent == self.bed.init(host)]
        return found

    def left(self) -> list[tuple[int, str]]:
        """(host, command line) of every process of ours or of a launcher on the hosts and on the launch side.

        There COMMAND's own are left out, which live as long as they like.
        """
        found = [
            (0, " ".join(p.words)) for p in self.bed.started_here() if p.name not in ("sh", "sleep")
        ]
        for host in ALL:
            found += [(host, " ".join(p.words)) for p in self.bed.processes(host)
                      if p.alive and (p.name.startswith("python") or p.name in (*DAEMONS, "ssh"))]  # fmt: skip
        # a test's own
        return [(h, words) for h, words in found if not ("hungfs" in words or "faultyfs" in words)]

    def all_gone(self, within_s: float) -> float:
        """Seconds until nothing was left."""
        began = time.monotonic()
        while left := self.left():
            assert time.monotonic() < began + within_s, f"still there after {within_s:g} s: {left}"
            time.sleep(0.05)
        return time.monotonic() - began

    # ---- what came back
    def recovered(self, hosts: str = "node[1-3]") -> Path:
        """``recover`` from the launch side into a new directory."""
        out = self.bed.directory("recovered")
        words = [
            "-m",
            "mpi_collector",
            "recover",
            "--hosts",
            hosts,
            self.run,
            "--ssh-timeout",
            "10",
            "--results-dir",
            str(out),
        ]
        done = self.bed.run(0, [self.python, *words])
        assert done.process.returncode == 0, done.err
        self.nothing_remains()
        return out

    def nothing_remains(self) -> None:
        """On any host, of the recording."""
        remains = [r for k in ALL for r in self.bed.remains(k)]
        assert not remains, remains

    def tally(self, row: Row, event_ns: int, *directories: Path, end_ns: int = 0) -> Row:
        """Count what is in ``directories``: a victim must have every tick until ``event_ns``, the others until ``end_ns`` (0: as long).

        A host that is in several counts with the last.
        """
        for directory in directories or [self.results]:
            with mpi_collector.load(directory) as run:
                for key in run:
                    until = event_ns if key in row.victims or not end_ns else end_ns
                    self._count(row, run, key, until)
                self._count_absent(row, run, event_ns)
        self.rows.append(row)
        return row

    def settle(self, row: Row, event_ns: int, end_ns: int = 0) -> Row:
        """The usual end: nothing of ours is left soon, and what is not in the files is in the spools."""
        row.gone_s = self.all_gone(10 + (ORPHAN_S if self.transport == "ssh" else 0))
        wrote = (
            bool(list(self.results.glob("*_timeseries.npz"))) if self.results.is_dir() else False
        )
        places = [self.results] if wrote else []
        if any(self.bed.spools(k) for k in ALL):
            places.append(self.recovered())
        self.nothing_remains()
        row.came_back = {
            (True, 1): "by itself",
            (False, 1): "recover",
            (True, 2): "in part by itself, the rest by recover",
        }[wrote, len(places)]
        self.places = places
        self.tally(row, event_ns, *places, end_ns=end_ns)
        assert set(row.kept) == {"node1", "node2", "node3"}
        return row

    @staticmethod
    def _count_absent(row: Row, run: Recording, until_ns: int) -> None:
        """A victim that is in no file has lost all that it had."""
        for key in set(row.victims) - set(run) - set(row.kept):
            row.lost[key] = int((until_ns - run.run["start_ns"]) / (INTERVAL_S * 1e9)) + 1

    @staticmethod
    def _count(row: Row, run: Recording, key: str, until_ns: int) -> None:
        host = run[key]
        step = 2 ** run.run["facts"][key].get(
            "level", 0
        )  # of a full array only every other tick is kept, or every fourth
        ticks = host.tick[host.on_grid].tolist()
        due_ns = int(host.timestamp_ns[host.on_grid][-1]) - int(
            host.array("late_ns")[host.on_grid][-1]
        )
        assert ticks == sorted(set(ticks)), key
        row.kept[key] = len(ticks)
        row.missed[key] = ticks[-1] // step + 1 - len(ticks)
        row.lost[key] = max(0, int((until_ns - due_ns) / (step * INTERVAL_S * 1e9)))


@dataclass
class Flights:
    """Starts them."""

    bed: Bed
    mpi: Mpi
    transport: str
    rows: list[Row]

    def start(self, *options: str, life_cycle: bool = False, command: str = "", python: str = "", launch: int = 0,
              results: Path | None = None, code: int = EXIT_CODE, **env: str) -> Flight:  # fmt: skip
        """``collect`` under mpirun, or the life cycle (over ssh always), of node1 to node3, until it records."""
        end = self.bed.share / f"end{time.monotonic_ns()}"
        results = results or self.bed.directory("results")
        script = f"{command or ':'}; while [ ! -e {end} ]; do sleep 0.05; done; exit {code}"
        words = ["--timeseries-interval", str(INTERVAL_S), "--results-dir", str(results), "--gather-timeout", "4", *options,
                 "--", "sh", "-c", script]  # fmt: skip
        env = {"MPI_COLLECTOR_ORPHAN_S": str(ORPHAN_S), **env}
        if self.transport == "ssh" or life_cycle:
            verb = (
                ["kvcache"]
                if self.transport == "ssh"
                else ["training", "run", "--mpi-bin", self.mpi.mpirun]
            )
            verb += ["run"] if self.transport == "ssh" else []
            argv = [self.mpi.python, "-m", "mpi_collector", *verb, "--hosts", "node[1-3]", *words]
        else:
            argv = self.mpi.collect(
                3, self.bed.hostfile(self.mpi, ALL), *words, python=python, env=env
            )
        job = self.bed.start(launch, argv, **env)
        return Flight(self.bed, job, results, self.transport, self.mpi.python, end, self.rows)

    def row(self, fault: str, *victims: int, came_back: str = "by itself") -> Row:
        return Row(fault, self.transport, came_back, victims=[f"node{k}" for k in victims])
