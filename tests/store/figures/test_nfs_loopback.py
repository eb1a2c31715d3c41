"""NFS columns and figures against nfsiostat on a real kernel's mounts: what ``scripts/nfs_loopback`` saw.

It is among the fixtures. Another run's directory in MPI_COLLECTOR_TEST_NFS is looked at instead, with the recording in it.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from nfs_reports import ours, reports

import mpi_collector
from mpi_collector.store.figures import derive

FIXTURE = Path(__file__).parents[2] / "fixtures/mountstats/linux-6.1"
RUN = Path(os.environ.get("MPI_COLLECTOR_TEST_NFS") or FIXTURE)
WATCHED_S = 30  #: nfsiostat's interval; all the work was in it
OURS_S = 4  #: what ``ours`` takes for the time between the two texts
PLACES = ("/mnt/v3", "/mnt/v40", "/mnt/v41", "/mnt/v42", "/mnt/b\\040place")
TWICE = {"/mnt/again", "/mnt/bound"}  #: the file system of v42 once more
BIG, SMALL = 3 * 4 * 2**20, 40 * 5000
IDLE = (
    "OTHER",
    "xprt",
    "GETATTR",
    "ACCESS",
)  #: what mounts do by themselves and at the end: leases, attributes


def texts() -> tuple[str, str]:
    return (RUN / "before").read_text(), (RUN / "after").read_text()


def test_bytes_are_those_of_the_work(tmp_path: Path) -> None:
    host, _ = ours(texts(), tmp_path)
    for place in PLACES:
        grew = {
            c: float(host.delta(f"nfs.{place}.{c}")[0])
            for c in ("normal_read_bytes", "server_read_bytes", "normal_write_bytes")
        }
        assert grew == {
            "normal_read_bytes": BIG,
            "server_read_bytes": BIG,
            "normal_write_bytes": BIG + SMALL,
        }
        assert host.delta(f"nfs.{place}.server_write_bytes")[0] == BIG + SMALL
        assert host.delta(f"nfs.{place}.READ_received_bytes")[0] > BIG
        assert host.delta(f"nfs.{place}.REMOVE_ops")[0] == 40


def test_reads_and_writes_against_nfsiostat(tmp_path: Path) -> None:
    """Operations, kB, kB per operation, retransmissions, round trip, execution and queue times of every version of NFS."""
    host, _ = ours(texts(), tmp_path)
    theirs = reports((RUN / "nfsiostat").read_text())
    assert set(theirs) == {*PLACES, *TWICE}
    for place in PLACES:
        for op in ("read", "write"):
            grew = {
                w: float(host.delta(f"nfs.{place}.{op.upper()}_{w}")[0])
                for w in (
                    "ops",
                    "transmissions",
                    "sent_bytes",
                    "received_bytes",
                    "queue_ms",
                    "rtt_ms",
                    "execute_ms",
                    "errors",
                )
            }
            ops, kb = grew["ops"], (grew["sent_bytes"] + grew["received_bytes"]) / 1024
            mine = [
                ops / WATCHED_S,
                kb / WATCHED_S,
                kb / ops,
                grew["transmissions"] - ops,
                0,
                grew["rtt_ms"] / ops,
                grew["execute_ms"] / ops,
                grew["queue_ms"] / ops,
                grew["errors"],
                0,
            ]
            assert mine == pytest.approx(theirs[place][op], rel=1e-3, abs=0.002), (place, op)


def test_figures_of_all_mounts(tmp_path: Path) -> None:
    """The same, read as a sampler reads it: what is mounted three times counts once."""
    theirs = reports((RUN / "nfsiostat").read_text())
    _, derived = ours(texts(), tmp_path, (RUN / "mountinfo").read_text())
    for op in ("read", "write"):
        counts = [theirs[p][op][0] for p in PLACES]
        rtt = sum(n * theirs[p][op][5] for n, p in zip(counts, PLACES)) / sum(counts)
        assert derived.series[f"nfs_{op}_rtt_ms"].mean == pytest.approx(rtt, rel=0.02)
        bytes_s = derived.series[f"nfs_{op}_bytes_per_s"].mean * OURS_S
        assert bytes_s == len(PLACES) * (BIG + (SMALL if op == "write" else 0))


@pytest.mark.skipif(
    RUN == FIXTURE, reason="needs a run of scripts/nfs_loopback: MPI_COLLECTOR_TEST_NFS=DIR"
)
def test_the_recording_has_what_the_mounts_did(tmp_path: Path) -> None:
    """From its first row to its last every counter grew by what two readings around it grew."""
    around, _ = ours(texts(), tmp_path)
    with mpi_collector.load(RUN / "results") as run:
        (host,) = run.values()
        assert not [c for c in host.columns if any(place in c for place in TWICE)]
        columns = [
            c for c in host.columns if c.startswith("nfs.") and not any(word in c for word in IDLE)
        ]
        columns = [c for c in columns if not np.isnan(around.delta(c)[0])]  # NFS 3 has no OPEN
        assert len(columns) > 300
        for column in columns:
            assert host.delta(column).sum() == around.delta(column)[0], column
        seen = derive(host).series["nfs_read_bytes_per_s"]
        assert np.nanmax(seen.values) > BIG / 8
