"""``why`` as a user runs it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from corpus.machine import IDLE, Load, Machine
from corpus.record import Phase, record

import mpi_collector
from mpi_collector.cli.why import main

Capture = pytest.CaptureFixture[str]

BUSY = Load(threads=32, request_bytes=256e3, cpu_s=20e-6)
ONE = Load(threads=1, request_bytes=4096, cpu_s=8e-6)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two phases: a full device, then one request at a time."""
    path = tmp_path_factory.mktemp("why") / "host_20260105_120000_timeseries.npz"
    phases = [Phase("", 3, (IDLE,)), Phase("deep", 30, (BUSY,)), Phase("single", 15, (ONE,))]
    record(path, [Machine()], phases, seed=1)
    return path


def why(capsys: Capture, *words: object) -> list[str]:
    """What the verb prints on stdout; its exit code is 0."""
    assert main(list(map(str, words))) == 0
    return capsys.readouterr().out.splitlines()


def test_the_limit_comes_first(run: Path, capsys: Capture) -> None:
    lines = why(capsys, run)
    assert lines[0].startswith("limited by: device nvme0n1 on node1 (certain), 12:00:0")
    assert 'phase "deep"' in lines[0]
    assert "requests in flight" in lines[1]
    assert any("latency" in line for line in lines)


def test_json_is_the_contract(run: Path, capsys: Capture) -> None:
    document = json.loads("".join(why(capsys, run, "--json")))
    assert list(document) == ["run", "limited_by", "claims", "not_known", "cache", "slow_hosts"]
    assert list(document["limited_by"]) == [
        "cause", "device", "host", "phase", "begin_ns", "end_ns", "share_of_time", "confidence",
        "ceiling", "for", "against", "others",
    ]  # fmt: skip
    assert {c["phase"]: c["cause"] for c in reversed(document["claims"])} == {
        "deep": "device",
        "single": "latency",
    }


def test_one_phase(run: Path, capsys: Capture) -> None:
    document = json.loads("".join(why(capsys, run, "--phase", "single", "--json")))
    assert document["limited_by"]["cause"] == "latency"
    assert {c["phase"] for c in document["claims"]} == {"single"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--phase", "epoch 9"], "there is no phase 'epoch 9'; there are deep, single"),
        (["--host", "node7"], "there is no host 'node7'; there are node1"),
    ],
)
def test_what_is_not_there_is_a_mistake(
    run: Path, words: list[str], message: str, capsys: Capture
) -> None:
    assert main([str(run), *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_nothing_known_is_no_failure(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "host_20260105_120000_timeseries.npz"
    record(path, [Machine()], [Phase("short", 2, (BUSY,))], seed=1)
    assert why(capsys, path) == [
        "limited by: not known",
        "not known in 'short' on node1: 2 intervals are too few",
    ]


def test_the_summary_begins_with_the_limit(run: Path, capsys: Capture) -> None:
    """Behind the verdict, and as the cause of each phase in ``summary --json``."""
    from mpi_collector.cli.summary import main as summary

    assert summary([str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("verdict: ")
    limit = next(n for n, line in enumerate(lines) if line.startswith("limited by: "))
    assert lines[limit].startswith("limited by: device nvme0n1 on node1 (certain)")
    assert all(line.startswith("  ") for line in lines[1:limit]), "only reasons stand before it"
    assert summary([str(run), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["limited_by"]["cause"] == "device"
    assert {p["name"]: p["limited_by"] for p in document["phases"]} == {
        "deep": "device",
        "single": "latency",
    }


def test_from_python(run: Path) -> None:
    """``why`` of a recording and of a part of it; what is not there is named."""
    with mpi_collector.load(run) as recording:
        assert recording.why() == recording.why(host="node1")
        single = recording.why(phase="single")["limited_by"]
        part = recording.during("single").why()["limited_by"]
        assert single is not None and part is not None
        assert single["cause"] == part["cause"] == "latency"
        assert (single["begin_ns"], single["end_ns"]) == (part["begin_ns"], part["end_ns"])
        with pytest.raises(KeyError, match="there is no phase 'epoch 9'"):
            recording.why(phase="epoch 9")


def test_the_page_shows_it_first(run: Path) -> None:
    """The claims stand before everything but the verdict, with the window and charts of each."""
    pytest.importorskip("jinja2")
    from mpi_collector.report.page import page
    from mpi_collector.store.load import load

    with load(run) as recording:
        text = page(recording)
    assert text.index("class='verdict") < text.index("id='limits'") < text.index('class="facts"')
    claims = re.findall(r"data-claim='(\d)'>([^<]*)<", text)
    assert [n for n, _ in claims] == ["0", "1"]
    assert claims[0][1].startswith("limited by: device nvme0n1 on node1")
    assert claims[1][1].startswith("single limited by: latency of nvme0n1 on node1")
    about = json.loads(re.search(r'id="about"[^>]*>(.*?)</script>', text, re.S)[1])
    first = about["claims"][0]
    assert first["end"] - first["begin"] == pytest.approx(30_000, abs=2_000)
    drawn = {c["name"] for c in about["charts"]}
    assert len(drawn & set(first["charts"])) >= 3
