"""What nfsiostat reports, and the same from a recording."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import synthetic as sy

from mpi_collector.node.row.decode import RowDecoder, make_layout
from mpi_collector.node.sources import BY_NAME
from mpi_collector.store.figures import derive
from mpi_collector.store.figures.derived import Derived
from mpi_collector.store.host import Host
from mpi_collector.store.load import load

SECONDS = 4
FIXTURE = Path(__file__).parents[1] / "fixtures/mountstats/before"


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
