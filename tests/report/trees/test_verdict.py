"""The verdict and its remarks: devices that go, sources that end, intervals that are unknown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import living_tree as lt
import pytest
from selection import first_of

from mpi_collector.report.compare import compare
from mpi_collector.report.compare_text import text_lines
from mpi_collector.report.page import page
from mpi_collector.store.load import load

SECTORS = 2000
STEPS = 6
POWER = "sys/class/powercap/intel-rapl:0"


def disks(n: int, gone: bool) -> dict[str, Any]:
    """Two drives that read as fast; the second drops out after the third step, loop0 a step later."""
    busy = {"sectors_read": SECTORS * n, "reads_completed": 10 * n, "time_doing_ios_ms": 50 * n}
    names = ["nvme0n1"] + ["nvme1n1"] * (not gone) + ["loop0"] * (n < 4)
    return lt.diskstats(dict.fromkeys(names, busy))


@pytest.fixture(scope="module")
def drop_out(tmp_path_factory: pytest.TempPathFactory) -> lt.Recorded:
    """A drive that drops out, one interface that comes and goes, one whose counters are reset."""
    sysfs = lt.disk_sysfs("nvme0n1") | lt.disk_sysfs("nvme1n1") | lt.net_sysfs("eth0")
    sysfs |= lt.net_sysfs("eth1", index=4)

    def net(n: int) -> dict[str, str]:
        names = {"eth0": (10**6 * (n if n < 3 else n - 3), 10**6 * (n if n < 3 else n - 3))}
        if n in (0, 1, 4, 5):
            names["eth1"] = (10**6 * n, 10**6 * n)
        return lt.netdev(names)

    states = [disks(n, gone=n > 2) | net(n) for n in range(STEPS)]
    states[0] |= sysfs
    return lt.record(tmp_path_factory.mktemp("drop-out"), states, sources="diskstats,netdev,lustre")


def test_drive_that_drops_out(drop_out: lt.Recorded) -> None:
    """The sum has what it did; that it is gone is said with the verdict, once, and of counted ones."""
    assert drop_out.moved("read_bytes_per_s") == pytest.approx(512 * SECTORS * (STEPS - 1 + 2))
    reasons = drop_out.summary["verdict"]["reasons"]
    assert not [text for text in reasons if "late" not in text and "missed" not in text]
    said = drop_out.summary["verdict_remarks"]
    (host,) = drop_out.summary["hosts"]
    assert [r for r in said if "nvme" in r] == [
        f"{host}: nvme1n1 gone since {_clock(drop_out, 'nvme1n1', 0)}"
    ]
    assert [r for r in said if "eth1" in r] == [
        f"{host}: eth1 gone from {_clock(drop_out, 'eth1', 0)} to {_clock(drop_out, 'eth1', 1)}"
    ]
    assert not [r for r in said if "loop0" in r]


def _clock(found: lt.Recorded, device: str, end: int) -> str:
    from time import gmtime, strftime

    (entry,) = (d for d in found.summary["devices"] if d["name"] == device)
    return strftime("%H:%M:%S UTC", gmtime(entry["absent"][0][end] // 10**9))


def test_notes_of_the_host_have_a_line_for_each_device(drop_out: lt.Recorded) -> None:
    """Those that do not count, too; and none for each column."""
    notes = drop_out.host["notes"]
    for name in ("nvme1n1", "eth1", "loop0"):
        assert len([n for n in notes if n.startswith(f"{name} gone")]) == 1, notes


def test_source_that_was_asked_for_and_is_not_there(drop_out: lt.Recorded) -> None:
    (remark,) = (r for r in drop_out.summary["verdict_remarks"] if "lustre" in r)
    assert "lustre is not recorded: " in remark


def test_unknown_intervals_are_remarks(drop_out: lt.Recorded) -> None:
    (remark,) = (r for r in drop_out.summary["verdict_remarks"] if "reset" in r)
    assert "netdev eth0: the counters were reset" in remark


def test_remarks_are_wherever_the_verdict_is(drop_out: lt.Recorded, tmp_path: Path) -> None:
    """Run document, metadata, text, page, comparison."""
    (metadata,) = drop_out.path.parent.glob("*_metadata.json")
    code, text = lt.run_cli(["summary", str(drop_out.path)], tmp_path / "summary.txt", {})
    assert code == 0
    with load(drop_out.path) as run:
        in_run = run.run["verdict_remarks"]
        html = page(run)
        compared = "\n".join(text_lines(compare([run], [run])))
    for shown in (str(in_run), str(json.loads(metadata.read_text())["verdict_remarks"])):
        assert "nvme1n1 gone since" in shown
    for shown in (text, html, compared):
        assert "nvme1n1 gone since" in shown and "eth0: the counters were reset" in shown


def test_run_that_is_shorter_than_an_interval(tmp_path: Path) -> None:
    """No share of so short a time is given, and no share of a core as its cost; that is said."""
    words = ["collect", "--sources", "diskstats,stat", "--results-dir", str(tmp_path / "results")]
    words += ["--json", "never", "--report", "never", "--", "true"]
    code, said = lt.run_cli(words, tmp_path / "collect.txt", {})
    assert code == 0, said
    assert "ms of CPU" in said and "CPU busy" not in said and "of a core" not in said
    assert "less than one interval of 10 s: no percentages" in said
    (path,) = (tmp_path / "results").glob("*.npz")
    found = lt.summary_of(path, tmp_path)
    (host,) = found["hosts"].values()
    shares = {n for n, f in found["figures"].items() if f["unit"] == "%"}
    of_devices = {n for d in found["devices"] for n in d["figures"]}
    assert not shares & (set(found["cluster"]) | set(host["figures"]) | of_devices)
    assert "read_bytes_per_s" in found["cluster"]
    assert found["verdict"]["cpu_share_max"] is None and found["verdict"]["cpu_ns_max"] > 0


@pytest.mark.parametrize("back", first_of(False, True))
def test_source_that_is_lost(tmp_path: Path, back: bool) -> None:
    """Missing at the stop, or in more than 1 % of its rows: partial."""
    states: list[dict[str, Any]] = [
        disks(n, gone=False) | {f"{POWER}/energy_uj": f"{10**6 * n}\n"} for n in range(STEPS)
    ]
    states[0] |= lt.disk_sysfs("nvme0n1") | lt.disk_sysfs("nvme1n1") | lt.netdev({"eth0": (1, 1)})
    states[2]["proc/net/dev"] = ""
    if back:
        states[4] |= lt.netdev({"eth0": (1, 1)})
    found = lt.record(tmp_path, states)
    assert found.summary["verdict"]["verdict"] == "partial"
    (reason,) = (r for r in found.summary["verdict"]["reasons"] if "netdev" in r)
    assert ("at the stop" in reason) is not back
