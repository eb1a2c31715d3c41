"""NFS columns and figures against nfsiostat's own arithmetic, on the same two texts of /proc/self/mountstats.

The program runs as it is installed, in a process of its own; what it opens and how long it sleeps is replaced there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import synthetic as sy

from mpi_collector.node.row.decode import RowDecoder, make_layout
from mpi_collector.node.sources import BY_NAME
from mpi_collector.store.figures import derive
from mpi_collector.store.figures.base import Derived
from mpi_collector.store.host import Host
from mpi_collector.store.load import load

SECONDS = 4
FIXTURE = Path(__file__).parents[2] / "fixtures/mountstats/before"
NFSIOSTAT = shutil.which("nfsiostat", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin")

RUN = """
import builtins, io, json, runpy, sys, time
program, seconds, texts = json.load(sys.stdin)
texts, real = iter(texts), builtins.open
builtins.open = lambda name, *a, **k: io.StringIO(next(texts)) if name == "/proc/self/mountstats" else real(name, *a, **k)
time.sleep = lambda s: None
sys.argv = ["nfsiostat", str(seconds), "2"]
runpy.run_path(program)
"""


def later(text: str) -> str:
    """Every operation that there was, some more; each mount at a pace of its own."""
    out, mount = [], 0
    for line in text.splitlines():
        words = line.split()
        mount += line.startswith("device")
        if re.match(r"\s+[A-Z_]+: \d", line) and int(words[1]):
            add = [100, 103, 1, 20000, 30_000_000, 70, 450, 560, 2]
            new = [int(w) + a * mount for w, a in zip(words[1:], add)]
            line = f"\t{words[0]} " + " ".join(map(str, new))
        elif words and words[0] == "bytes:":
            line = "\tbytes:\t" + " ".join(
                str(int(w) + 4096 * mount * (i + 1)) for i, w in enumerate(words[1:])
            )
        elif words and words[0] == "age:":
            line = f"\tage:\t{int(words[1]) + SECONDS}"
        out.append(line)
    return "\n".join(out) + "\n"


def theirs(texts: tuple[str, str]) -> dict[str, dict[str, list[float]]]:
    """{mount: {"read": [ops/s, kB/s, kB/op, retransmissions, percent, rtt, execution, queue, errors, percent]}}."""
    job = json.dumps([NFSIOSTAT, SECONDS, [*texts, texts[1]]])
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=job,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return reports(done.stdout)


def reports(text: str) -> dict[str, dict[str, list[float]]]:
    """The second half of nfsiostat's output: the first is of the time since the mounts were made."""
    parts = text.split(" mounted on ")[1:]
    out: dict[str, dict[str, list[float]]] = {}
    for report in parts[len(parts) // 2 :]:
        lines = report.splitlines()
        place = lines[0].rstrip(":")
        for head, values in pairwise(lines):
            if op := re.match(r"(\w+): +ops/s", head):
                out.setdefault(place, {})[op[1]] = [
                    float(w) for w in re.findall(r"-?\d+\.?\d*", values)
                ]
    return out


def ours(
    texts: tuple[str, str], tmp_path: Path, mountinfo: str | None = None
) -> tuple[Host, Derived]:
    """Columns and figures of two texts; with ``mountinfo`` only those of mounts that do not repeat another."""
    source = BY_NAME["nfs"]()
    if mountinfo is not None:
        texts = (
            read(texts[0], mountinfo, tmp_path / "0"),
            read(texts[1], mountinfo, tmp_path / "1"),
        )
    layout = make_layout([source], [texts[0].encode()])
    decoder = RowDecoder([source], layout, lambda event: None)
    rows = np.array(
        [
            np.frombuffer(decoder.to_bytes(decoder.decode([t.encode()], n)[0]), np.int64)
            for n, t in enumerate(texts)
        ]
    )
    columns = {c.name: rows[:, n] for n, c in enumerate(layout.columns()) if c.device is not None}
    times = sy.START_NS + np.array([0, SECONDS * sy.S])
    path = sy.write(
        tmp_path / "host_20260105_120000_timeseries.npz",
        [("h", sy.SynthHost(np.arange(2), times, columns))],
    )
    with load(path) as recording:
        host = recording["h"]
        derived = derive(host)
        return host, derived


def read(stats: str, mountinfo: str, root: Path) -> str:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/mountstats").write_text(stats)
    (root / "proc/self/mountinfo").write_text(mountinfo)
    reader = BY_NAME["nfs"]().reader(str(root))
    try:
        return str(reader.read().decode())
    finally:
        reader.close()


@pytest.mark.skipif(NFSIOSTAT is None, reason="nfsiostat (nfs-common, nfs-utils) is not here")
def test_every_figure_of_every_mount(tmp_path: Path) -> None:
    texts = (FIXTURE.read_text(), later(FIXTURE.read_text()))
    found = theirs(texts)
    assert found.pop("/mnt/the\\040same")  # the same file system once more
    assert set(found) == {"/mnt/v3", "/mnt/v41", "/mnt/old", "/mnt/rdma", "/mnt/udp"}
    mountinfo = (
        "1 1 0:7 / /mnt/v41 rw - nfs4 s:/ rw\n2 1 0:7 / /mnt/the\\040same rw - nfs4 s:/ rw\n"
    )
    host, derived = ours(texts, tmp_path, mountinfo)
    compared, ops_sum, rtt_sum = 0, 0.0, 0.0
    for place, operations in found.items():
        for op, values in operations.items():

            def grew(what: str, place: str = place, op: str = op.upper()) -> float:
                name = f"nfs.{place}.{op}_{what}"
                return float(host.delta(name)[0]) if name in host.columns else float("nan")

            ops, sent = grew("ops"), grew("transmissions")
            per_op = max(ops, 1)
            kb = (grew("sent_bytes") + grew("received_bytes")) / 1024
            mine = [
                ops / SECONDS,
                kb / SECONDS,
                kb / per_op,
                sent - ops,
                100 * (sent - ops) / per_op,
                grew("rtt_ms") / per_op,
                grew("execute_ms") / per_op,
                grew("queue_ms") / per_op,
                grew("errors"),
                100 * grew("errors") / per_op,
            ]
            assert mine[: len(values)] == pytest.approx(values, rel=1e-3, abs=0.06), (place, op)
            compared += len(values)
            if op == "read":
                ops_sum, rtt_sum = ops_sum + values[0], rtt_sum + values[0] * values[5]
    assert compared > 80
    # the figure of all mounts is the mean of theirs, weighted with their operations
    assert derived.series["nfs_read_rtt_ms"].mean == pytest.approx(rtt_sum / ops_sum, rel=1e-3)
