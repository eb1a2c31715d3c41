"""``sources`` lists sources and costs; docs/metrics.md agrees with the declarations."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mpi_collector", "sources", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_metrics_are_not_stale() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "metrics"))
    assert (ROOT / "docs" / "metrics.md").read_text() == script["text"]()


def test_json() -> None:
    done = run("--json", "basic", "lustre")
    assert done.returncode == 0, done.stderr
    found = {s["name"]: s for s in json.loads(done.stdout)}
    assert found["meminfo"]["status"] == "ok"
    assert found["meminfo"]["cost_us"] > 0
    columns = {c["name"]: c for c in found["meminfo"]["columns"]}
    assert columns["meminfo.MemTotal"]["unit"] == "kB"
    assert found["lustre"]["groups"] == ["default", "all"]
    assert found["lustre"]["status"] in ("ok", "absent", "denied")


def test_lines() -> None:
    done = run("loadavg", "nfs")
    assert done.returncode == 0, done.stderr
    assert "loadavg.load_1min" in done.stdout
    assert "since Linux" in done.stdout


def test_a_source_there_is_not() -> None:
    done = run("nonsense")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
