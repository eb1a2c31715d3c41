"""Files of benchmark programs: their phases, their rates, and that nothing in them fails a run.

fio-3.33.json and fio_bw.2.log were written by fio here. IOR and mdtest: the outputs in the DAOS
documentation; elbencho: the header of its tests, rows after those of public parsers; DLIO: its keys.
"""

from __future__ import annotations

import json
import os
import shutil
from datetime import datetime, timezone
from pathlib import Path

import pytest
import synthetic as sy
from command_line import in_process
from hypothesis import given
from hypothesis import strategies as st

import mpi_collector
from mpi_collector.benchmark.keeper.values import RecordedCommand
from mpi_collector.benchmark.readers import read_report
from mpi_collector.benchmark.reported import find_reports

FIXTURES = Path(__file__).parents[2] / "fixtures" / "readers"
MIB, S = 2**20, 10**9


def utc_s(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()


def copied(tmp_path: Path, name: str, written_s: float, to: str = "") -> Path:
    path = tmp_path / (to or name)
    shutil.copy(FIXTURES / name, path)
    os.utime(path, (written_s, written_s))
    return path


def test_fio(tmp_path: Path) -> None:
    """Two groups of jobs, one after the other, by the time of the file."""
    write, read = read_report(copied(tmp_path, "fio-3.33.json", 0))
    end_ns = 1796065342718 * 10**6
    assert (write.name, read.name) == ("fio seqwrite", "fio seqread")
    assert (read.begin_ns, read.end_ns) == (end_ns - 2004 * 10**6, end_ns)
    assert (write.begin_ns, write.end_ns) == (end_ns - 4008 * 10**6, end_ns - 2004 * 10**6)
    assert read.rates["read_bytes_per_s"] == 528081500 and "write_bytes_per_s" not in read.rates
    assert write.rates["write_iops"] == pytest.approx(6368.26, abs=0.01)


def test_fio_says_when_a_job_began(tmp_path: Path) -> None:
    """Jobs of one name count together; warnings before the JSON do no harm."""
    document = json.loads((FIXTURES / "fio-3.33.json").read_text())
    for n, job in enumerate(document["jobs"]):
        job.update(job_start=1796065338000 + n, jobname="same", groupid=0)
    path = tmp_path / "out.json"
    path.write_text("fio: a warning\n" + json.dumps(document))
    (found,) = read_report(path)
    assert found.begin_ns == 1796065338000 * 10**6
    assert set(found.rates) == {
        f"{d}_{w}" for d in ("read", "write") for w in ("bytes_per_s", "iops")
    }


def test_fio_logs(tmp_path: Path) -> None:
    """With times of day they are a phase; times from the start of a job say nothing."""
    assert read_report(copied(tmp_path, "fio_bw.2.log", 0)) == []
    rows = [line.split(",", 1) for line in (FIXTURES / "fio_bw.2.log").read_text().splitlines()]
    path = tmp_path / "seq_bw.2.log"
    path.write_text("".join(f"{1796065340000 + int(ms)},{rest}\n" for ms, rest in rows))
    (found,) = read_report(path)
    assert (found.name, found.begin_ns) == ("fio seq 2", 1796065340000 * 10**6)
    assert found.end_ns - found.begin_ns == 2001 * 10**6
    assert found.rates["read_bytes_per_s"] == pytest.approx(516825.5 * 1024)


@pytest.mark.parametrize("zone_h", [0, 2, -7, 5.5])
def test_elbencho(tmp_path: Path, zone_h: float) -> None:
    """Local times are those in which the file was written just after the last of them."""
    end_s = utc_s("2026-04-25T10:00:06") - zone_h * 3600
    write, read = read_report(copied(tmp_path, "elbencho-3-livecsv.csv", end_s + 0.5))
    assert (write.name, read.name) == ("elbencho write 4k", "elbencho read 4k")
    assert (read.begin_ns, read.end_ns) == ((end_s - 2) * S, end_s * S)
    assert write.end_ns == (end_s - 4) * S
    assert write.rates == {"write_bytes_per_s": 110 * MIB, "write_iops": 28160}


def test_ior(tmp_path: Path) -> None:
    end_s = utc_s("2021-04-29T23:26:03")
    write, read = read_report(copied(tmp_path, "ior-3.4.txt", end_s + 1))
    assert (write.name, read.name) == ("ior write", "ior read")
    assert write.begin_ns == utc_s("2021-04-29T23:23:09") * S
    assert write.end_ns - write.begin_ns == 118.22 * S
    assert read.begin_ns == utc_s("2021-04-29T23:25:35") * S
    assert read.rates == {"read_bytes_per_s": 5429 * MIB}


def test_mdtest(tmp_path: Path) -> None:
    (found,) = read_report(copied(tmp_path, "mdtest-3.4.txt", utc_s("2021-04-29T23:28:23")))
    assert found.name == "mdtest" and found.end_ns - found.begin_ns == 11 * S
    assert found.rates == {"file creation": 2943.686, "tree creation": 1079.858}


def test_dlio(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    metric = {"train_io_mean_MB_per_second": 100.0, "train_throughput_mean_samples_per_second": 5}
    times = {"start": "2026-01-05T12:00:05", "end": "2026-01-05T12:00:25"}
    path.write_text(json.dumps({**times, "metric": metric}))
    os.utime(path, (utc_s(times["end"]),) * 2)
    (found,) = read_report(path)
    assert found.begin_ns == sy.START_NS + 5 * S
    assert found.rates == {"read_bytes_per_s": 100 * MIB, "samples": 5}


@given(st.data())
def test_damaged_files(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A cut or changed file has phases or none; it raises nothing."""
    source = data.draw(st.sampled_from(sorted(FIXTURES.iterdir())))
    text = bytearray(source.read_bytes())
    for _ in range(data.draw(st.integers(0, 5))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(text)))
    path = tmp_path_factory.getbasetemp() / source.name
    path.write_bytes(text[:cut])
    read_report(path)


@pytest.mark.parametrize(
    "text",
    [
        '{"fio version": "fio-3.33", "timestamp_ms": 1e999, "jobs": [{}]}',
        '{"fio version": "fio-3.33", "timestamp_ms": 1, "jobs": {"a": 1}}',
        '{"fio version": "x", "jobs": ' + "[" * 100_000,
        "ISO Date,Label\n2026,1\n",
        "IOR-3\nBegan : Thu Feb 31 23:23:09 2021\n",
        "-- started at 99/99/2021 23:28:11 --\nmdtest-\n",
        "",
    ],
)
def test_what_only_looks_like_a_report(tmp_path: Path, text: str) -> None:
    for name in ("x.json", "summary.json", "x_bw.1.log"):
        (tmp_path / name).write_text(text)
        assert read_report(tmp_path / name) == []


# ---- in a recording
@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A recording of the time in which the fixture of fio was written."""
    start_ns = 1796065337 * S
    host = sy.workload(0, 12)
    host.times = host.times - sy.START_NS + start_ns
    return sy.write(tmp_path / "host_x_timeseries.npz", [("n1", host)], start_ns=start_ns)


def test_files_of_the_command(run: Path, tmp_path: Path) -> None:
    """A file that COMMAND names and wrote is read at the end of the run; an older one is not."""
    report = copied(tmp_path, "fio-3.33.json", 1796065342.8)
    with mpi_collector.load(run) as recording:
        times = recording.run["start_ns"], recording.run["end_ns"]
    command = RecordedCommand(["fio", f"--output={report}", "job.fio"], *times)
    found = find_reports(command)
    assert [(m["text"], m["edge"]) for m in found.marks][:2] == [
        ("fio seqwrite", "begin"),
        ("fio seqwrite", "end"),
    ]
    assert found.notes[1] == "fio-3.33.json: fio seqread reports read 528 MB/s, read IOPS 2.01 k"
    os.utime(report, (1796065330, 1796065330))
    assert find_reports(command).marks == []


def test_mark_from(run: Path, tmp_path: Path) -> None:
    """Afterwards: phases once, the program's rates beside those of the hosts."""
    report = copied(tmp_path, "fio-3.33.json", 0)
    done = in_process("mark", "--from", report, run)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["phase", "duration", "reported", "hosts"]
    read = next(line for line in lines if line.startswith("fio seqread"))
    assert "2.0 s" in read and "528 MB/s" in read and read.split()[-1] in ("MB/s", "GB/s")
    again = in_process("mark", "--from", report, run)
    assert again.returncode == 0 and again.stdout == done.stdout
    with mpi_collector.load(run) as recording:
        assert [p.name for p in recording.marks] == ["fio seqwrite", "fio seqread"]
        assert recording.during("fio seqread")["n1"].derived.span_s == pytest.approx(
            2.004, abs=0.01
        )


def test_what_was_found_at_the_end_of_the_run_is_not_marked_again(tmp_path: Path) -> None:
    """The time line of the run and the wall clock may differ a little."""
    start_ns = 1796065337 * S
    report = copied(tmp_path, "fio-3.33.json", 0)
    marks = [
        {"text": p.name, "edge": edge, "utc_ns": at + 1_234_567, "host": None}
        for p in read_report(report)
        for edge, at in (("begin", p.begin_ns), ("end", p.end_ns))
    ]
    host = sy.workload(0, 12)
    host.times = host.times - sy.START_NS + start_ns
    path = sy.write(tmp_path / "y_timeseries.npz", [("n1", host)], start_ns=start_ns, marks=marks)
    assert in_process("mark", "--from", report, path).returncode == 0
    with mpi_collector.load(path) as recording:
        assert len(recording.marks) == 2


def test_mark_from_refuses(run: Path, tmp_path: Path) -> None:
    other = copied(tmp_path, "mdtest-3.4.txt", 0)
    plain = tmp_path / "x"
    plain.write_text("hello")
    for words, said in (
        ((other, run), "those of another run"),
        ((plain, run), "no phases found"),
        ((tmp_path / "gone", run), "No such file"),
        ((other, "--at", "+1", run), "--from takes a recording and nothing else"),
    ):
        done = in_process("mark", "--from", *words)
        assert done.returncode == 2 and said in done.stderr, done.stderr
