"""What compare refuses to decide, runs against runs, history, phases side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic as sy

from mpi_collector.cli.compare import main

RULE = ("--fail-if", "read_bytes_per_s < 0.95")
S = sy.S
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a recording: a steady reader, ``speed`` GB/s for ``seconds``."""
    made = 0

    def one(
        speed: float = 1.0,
        seconds: int = 60,
        host: str = "n1",
        start_s: int = 0,
        directory: str = "",
        **run: Any,
    ) -> Path:
        nonlocal made
        made += 1
        rng = np.random.default_rng(made)
        tick, times = sy.grid(seconds + 1)
        rate = speed * 1e9 * (1 + 0.02 * rng.normal(size=seconds + 1))
        columns = sy.disk("nvme0n1", times, rate, 0.0) | sy.cpu(times, 0.2, 0.0)
        shifted = sy.SynthHost(tick, times + start_s * S, columns)
        name = f"host_20260105_{120000 + made:06}_timeseries.npz"
        place = tmp_path / directory
        place.mkdir(exist_ok=True)
        starts = sy.START_NS + start_s * S
        known = {"start_ns": starts, "run": f"run{made}", **run}
        return sy.write(place / name, [(host, shifted)], **known)

    return one


def compared(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main([str(w) for w in words])
    said = capsys.readouterr()
    return code, said.out, said.err


PARTIAL = {"hosts_partial": {"n1": "gone"}}


@pytest.mark.parametrize(
    ("kind", "how", "text"),
    [
        ("partial", PARTIAL, "B is partial"),
        ("failed", {"command_exit_code": 1}, "the command of B failed with exit code 1"),
        ("failed", {"command_exit_code": None}, "the command of B has no known exit code"),
        ("length", {"seconds": 5}, "A lasted 60.0 s and B 5.0 s"),
        ("hosts", {"host": "n2"}, "B has other hosts than A: n1 is in A only, n2 is in B only"),
    ],
)
@pytest.mark.parametrize("speed", [0.4, 1.0])
def test_what_cannot_be_compared(
    make: Make,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    how: dict[str, Any],
    text: str,
    speed: float,
) -> None:
    """Undecided whatever the rule says; --allow of this kind decides. Without a rule it is said."""
    a, b = make(), make(speed, **how)
    code, out, err = compared(capsys, a, b, *RULE, "--allow", "noise")
    assert code == 2
    assert f"undecided: {text}" in err and f"(--allow {kind})" in err
    assert f"not comparable: {text}" in out
    code, out, _ = compared(capsys, a, b)
    assert code == 0 and f"not comparable: {text}" in out
    assert compared(capsys, a, b, *RULE, "--allow", f"noise,{kind}")[0] == (speed < 0.95)
    assert compared(capsys, a, b, *RULE, "--allow", "noise", "--allow", "all")[0] == (speed < 0.95)
    others = {"partial", "failed", "length", "hosts"} - {kind}
    assert compared(capsys, a, b, *RULE, "--allow", ",".join(others))[0] == 2


def test_a_slower_run_of_the_same_work_is_compared(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """It lasts longer for that reason."""
    a, b = make(), make(0.25, seconds=240)
    assert compared(capsys, a, b, *RULE)[0] == 1
    assert compared(capsys, a, b, "--fail-if", "duration_s > 3")[0] == 1
    assert compared(capsys, a, b, "--fail-if", "bytes > 2")[0] == 0


def test_one_run_against_one(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """A difference that runs may have by themselves is undecided; the number of runs is said."""
    a, b = make(), make(0.93)
    code, out, err = compared(capsys, a, b, *RULE)
    assert code == 2
    assert "undecided, it is 0.9" in err and "more runs of each to decide" in err
    assert "one run does not tell how much runs differ" in out
    assert compared(capsys, a, b, *RULE, "--allow", "noise")[0] == 1
    assert compared(capsys, a, make(0.6), *RULE)[0] == 1


def test_runs_against_runs(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    before = [make(s) for s in (1.0, 1.01, 0.99, 1.005, 0.995)]
    same = [make(s) for s in (1.002, 0.993, 1.008)]
    slower = [make(s) for s in (0.93, 0.94, 0.92, 0.935, 0.925)]
    assert compared(capsys, *before, "--", *same, *RULE)[0] == 0
    code, out, err = compared(capsys, *before, *RULE, "--", *slower)
    assert code == 2  # 0.93 may be 0.95 or more in the eyes of a rule at 0.95 ...
    code, out, err = compared(
        capsys, *before, "--", *slower, "--fail-if", "read_bytes_per_s < 0.98"
    )
    assert code == 1 and "it is 0.9" in err
    line = next(x for x in out.splitlines() if x.startswith("read  "))
    assert "worse" in line
    assert out.splitlines()[0].startswith("A1  ") and "B5  " in out
    document = json.loads(compared(capsys, *before, "--", *slower, "--json")[1])
    figure = document["figures"]["read_bytes_per_s"]
    assert figure["low"] < figure["ratio"] < figure["high"] < 1
    assert figure["word"] == "worse" and len(document["runs"]["b"]) == 5


def test_history(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """The newest run against those before it, or a named run; other benchmarks do not count."""
    for n, speed in enumerate((1.0, 1.01, 0.99, 1.0)):
        make(speed, start_s=1000 * n, directory="h")
    make(3.0, start_s=3500, directory="h", benchmark="training")
    newest = make(0.6, start_s=9000, directory="h")
    code, out, err = compared(capsys, "--history", newest.parent, *RULE)
    assert code == 1, err
    assert out.splitlines()[3].startswith("A4") and out.splitlines()[4].startswith(f"B  {newest}")
    third = sorted(newest.parent.iterdir())[2]
    code, out, err = compared(capsys, "--history", newest.parent, third)
    assert code == 0 and out.splitlines()[2].startswith(f"B  {third}")
    first = sorted(newest.parent.iterdir())[0]
    code, out, err = compared(capsys, "--history", newest.parent, first)
    assert code == 2 and "no recording of host from before" in err


def test_phases_side_by_side(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """Duration and bytes of a phase, with a word, and as a rule."""
    paths = [
        make(marks=sy.pair("read", sy.START_NS + 5 * S, sy.START_NS + end * S, "n1"))
        for end in (15, 45)
    ]
    code, out, err = compared(capsys, *paths, "--fail-if", "read: duration_s > 2")
    assert code == 1 and "read: duration_s > 2: it is 4" in err
    row = next(x for x in out.splitlines() if x.startswith("read  duration"))
    assert (
        row.split()[2:] == ["10.0", "s", "40.0", "s", "4.000", "3.3", "to", "4.85", "worse"]
        or "worse" in row
    )
    assert compared(capsys, *paths, "--fail-if", "read: bytes < 0.9")[0] == 0
    code, _, err = compared(capsys, *paths, "--fail-if", "write: duration_s > 2")
    assert code == 2 and "there is no phase write" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("{a}",), "A and B are needed"),
        (("{a}", "{a}", "{a}"), "-- stands between"),
        (("{a}", "--"), "A and B are needed"),
        (("{a}", "{a}", "--allow", "everything"), "--allow everything: it is one of partial"),
        (("--history", "{a}", "{a}", "{a}"), "at most one run"),
        (("{a}", "{a}", "--", "{a}", "-o", "x.html"), "one run of A and one of B"),
        (("{a}", "{a}", "--fail-if", "read_iops < -1"), "not a number to compare with"),
        (("{a}", "{a}", "--fail-if", "read_iops < 1.2.3"), "not a number to compare with"),
    ],
)
def test_mistakes(
    make: Make, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    a = make()
    try:
        code = main([w.format(a=a) for w in words])
    except SystemExit as e:
        code = e.code  # type: ignore[assignment]
    assert code == 2
    assert said in capsys.readouterr().err


def test_columns_never_touch(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever the size of a number: two blanks at least stand between columns."""
    a, b = make(1e-6), make(5.0, host="n1")
    _, out, _ = compared(capsys, a, b)
    (read,) = (line for line in out.splitlines() if line.startswith("read  "))
    assert len([c for c in read.split("  ") if c]) >= 6


@pytest.mark.parametrize("name", ["x.png", "x.PDF", "x.svg", "x.json"])
def test_a_page_is_html(make: Make, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Any other name is refused before work is done."""
    from mpi_collector.cli.report import main as report

    a = make()
    target = a.with_name(name)
    assert compared(capsys, a, a, "-o", target)[0] == 2
    assert report([str(a), "-o", str(target)]) == 2
    assert "the page is HTML; name it x.html" in capsys.readouterr().err
    assert not target.exists()


def test_the_page_says_what_the_text_says(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """Words in colour, phases, commands, exit codes, what cannot be compared."""
    pytest.importorskip("jinja2")
    marks = sy.pair("<read>", sy.START_NS + 5 * S, sy.START_NS + 25 * S, "n1")
    a, b = make(marks=marks), make(0.3, marks=marks, command_exit_code=3)
    target = a.with_name("page.html")
    assert compared(capsys, a, b, "-o", target)[0] == 0
    page = target.read_text()
    assert "<span class='worse'>worse</span>" in page
    assert "&lt;read&gt;" in page and "<read>" not in page.split("<script")[0]
    assert "Not comparable: the command of B failed with exit code 3" in page
    assert "./benchmark --size 10G" in page
