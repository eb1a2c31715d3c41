"""The two ranks of end_of_job: rank 0 at the end of a run, and rank 1 for all other leaders.

end_rank.py WORK NODES RESULTS {json,npz}
"""

from __future__ import annotations

import json
import os
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import kit

from mpi_collector.benchmark.collection import Collection
from mpi_collector.benchmark.console import RunConsole
from mpi_collector.benchmark.keeper.pipe import cpu_ticks
from mpi_collector.benchmark.plan import CollectPlan
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.host.identity import identity
from mpi_collector.node.options import SamplingOptions
from mpi_collector.node.table.npy import NpzMember, npy_header
from mpi_collector.transport.base import HostState, nap
from mpi_collector.transport.ranks.coordinator import Coordinator
from mpi_collector.transport.ranks.election import elect
from mpi_collector.transport.ranks.world import World

work, nodes, results, kind = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]


def about() -> dict[str, Any]:
    """What a node has packed, see ``end_of_job``."""
    found: dict[str, Any] = json.loads((work / "heads.json").read_text())
    return found


class Quiet(RunConsole):
    def write(self, text: str) -> None:
        print(text, file=sys.stderr)


class Crowd(World):
    """The messages of ranks 1 to N, all of which go to rank 1 and come from it."""

    def send(self, dest: int, **message: Any) -> None:
        super().send(1, **message, to=dest)

    def receive(self, source: int = -1) -> tuple[int, dict[str, Any]] | None:
        got = super().receive()
        return (got[1].pop("from"), got[1]) if got else None

    def receive_stream(self, source: int, *args: Any) -> None:
        super().receive_stream(1, *args)


class EveryNode:
    """Answers for all leaders: each has the same table, under its own name and that of the run."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.about = about()
        first, *rest = self.about["heads"]
        packed = (work / "packed").read_bytes()
        self.meta = zlib.decompress(packed[: first["packed"]], -15)
        self.meta = self.meta[10 + int.from_bytes(self.meta[8:10], "little") :]
        self.text = self.meta.decode("utf-32-le")
        self.rest = packed[first["packed"] :]
        plain = [h for h in rest if h["kind"] != "json"]
        self.heads = {True: rest, False: plain}
        self.run = ""

    def meta_of(self, who: int) -> NpzMember:
        """The meta data of a node; made anew each time, since those of 10,000 take 450 MB."""
        text = self.text.replace(json.dumps(self.about["run"]), json.dumps(self.run))
        text = text.replace('"host": "host"', f'"host": "node{who}"')
        plain = [npy_header(f"<U{len(text)}", ()), text.encode("utf-32-le")]
        return NpzMember("npz", f"node{who}/meta", plain)

    def serve(self) -> None:
        with_json = False
        while True:
            got = self.world.receive(0)
            if got is None:
                nap(0.0002)
                continue
            message = got[1]
            who, what = message["to"], message["do"]
            if what == "exit":
                return
            if what == "run":
                self.run = message["run"]
            if what == "stop":
                self.answer(who, answer="stop", samples=3600, last_tick=3599, failure=None)
            elif what == "pack":
                with_json = message["json"]
                heads = [self.meta_of(who).head()]
                heads += [self.renamed(h, who) for h in self.heads[with_json]]
                self.answer(who, answer="pack", facts=self.about["facts"], heads=heads)
            elif what == "send":
                size = sum(h["packed"] for h in self.heads[with_json])
                self.world.send_stream(0, [*self.meta_of(who).chunks, self.rest[:size]], 60)
            elif what == "discard":
                self.answer(who, answer="discard")

    @staticmethod
    def renamed(head: dict[str, Any], who: int) -> dict[str, Any]:
        return dict(head, name=f"node{who}" + head["name"][4:])

    def answer(self, who: int, **message: Any) -> None:
        self.world.send(0, **message, **{"from": who})


def root_side(world: World) -> dict[str, Any]:
    options = SamplingOptions(
        interval_s=1.0, max_samples=32, sources="none", spool_dir=str(work), gather_timeout_s=120.0
    )
    plan = CollectPlan(options, results, json="always" if kind == "json" else "never")
    collection = Collection.reserve(plan, Quiet())
    root = Coordinator(options, collection.run, world)
    root.measure_clocks = lambda: None  # type: ignore[method-assign]
    collection.attach(root)
    root.leaders.update(elect({0: identity()}, {}).leaders)
    root.prepare_own({})
    super(Crowd, world).send(1, do="run", to=0, run=collection.run)
    node = about()
    for rank in range(1, nodes + 1):
        who = {"hostname": f"node{rank}", "boot_id": f"{rank:036d}", "machine_id": f"{rank:032d}",
               "addresses": [f"10.{n}.{rank >> 8}.{rank & 255}" for n in range(3)]}  # fmt: skip
        spool = f"/dev/shm/mpi_collector-1000/{collection.run}/node{rank}"
        ready = {
            "rows": 3600,
            "spool": spool,
            "absent": {},
            "columns": node["facts"]["columns"],
            "warnings": [],
        }
        root.leaders[rank] = HostState(f"node{rank}", f"node{rank}", who, ready, True)
    grid = node["grid"]
    root.t0_ns, root.epoch_ns, root.capacity = grid["t0_ns"], grid["epoch_ns"], grid["capacity"]
    root.recorder.start(mono_ns(), time.time_ns(), 30)
    root.leaders[0].sampling = root.recorder.wait_first(5)
    collection.started_ns = mono_ns()
    keeper = collection.keeper.pid
    before = kit.kb("self", "VmRSS") + kit.kb(keeper, "VmRSS")
    began, cpu, keeper_ticks = time.perf_counter(), time.process_time(), cpu_ticks(keeper)
    collection.save("command")
    out = {
        "elapsed_s": time.perf_counter() - began,
        "rank_s": time.process_time() - cpu,
        "keeper_s": (cpu_ticks(keeper) - keeper_ticks) / os.sysconf("SC_CLK_TCK"),
        "peak_mb": (kit.kb("self", "VmHWM") + kit.kb(keeper, "VmHWM")) / 1024,
        "before_mb": before / 1024,
    }
    out["cpu_s"] = out["rank_s"] + out["keeper_s"]
    if lost := collection.result["hosts_partial"]:
        sys.exit(f"{len(lost)} nodes were not taken: {next(iter(lost.items()))}")
    out["hosts"] = len(collection.result["hosts"])
    collection.close()
    root.recorder.discard()
    super(Crowd, world).send(1, do="exit", to=0)
    return out


def main() -> None:
    from mpi4py import MPI

    if not MPI.Is_initialized():
        MPI.Init()
    world: World = Crowd() if MPI.COMM_WORLD.rank == 0 else World()
    if world.rank == 0:
        print(json.dumps(root_side(world)), flush=True)
    else:
        EveryNode(world).serve()
    world.finish(True)


main()
