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
from pathlib import Path

import pytest
from nfs_reports import FIXTURE, SECONDS, ours, reports

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
