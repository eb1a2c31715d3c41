"""The node package, alone and under another name, on every Python from 3.6 on found here."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from nodekit import FIXTURES, ROOT, text_of

from mpi_collector.node import sources
from mpi_collector.node.read.probe import Probe
from mpi_collector.node.row.decode import RowDecoder
from mpi_collector.node.row.layout import STOP_TICK

VERSIONS = ["3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15"]

SCRIPT = """
import hashlib, importlib, json, os, pkgutil, sys
base, fixture = sys.argv[1:]
import node
modules = [m.name for m in pkgutil.walk_packages(node.__path__, "node.")]
for name in modules:
    importlib.import_module(name)
from node import sources
from node.compat import mono_ns
from node.row.decode import RowDecoder
from node.row.layout import Layout, MISSING
from node.read.probe import Probe
from node.sample.sampler import Sampler, TickGrid
from node.spool.writer import Spool
from node.spool.reader import open_reader
from node.spool.directory import RunDirectory
from node.table.table import SampleTable
import struct, time

probe = Probe(sources.select("basic,stat"))
directory = RunDirectory(base, "run").open()
spool = Spool.create(directory, "host", dict(probe.meta(), host="here"), probe.caps, 8, 64)
sampler = Sampler(probe, spool)
t0 = mono_ns() + 1000000
spool.event({"type": "grid", "t0_ns": t0, "policy": "decimate", "capacity": sampler.capacity})
sampler.start(TickGrid(t0, 20000000, t0 + 100000000))
deadline = time.monotonic() + 30
while sampler.running and time.monotonic() < deadline:
    time.sleep(0.005)
sampler.stop()
sampler.close()
spool.close()

reader = open_reader(spool.path)
table = SampleTable(reader)
columns = [c.name for c in table.layout.columns()]
rows = [{n: v for n, v in zip(columns, table.row(i)) if v != MISSING} for i in range(len(table))]

old = Probe(sources.select("basic,stat"), fixture)
decoder = RowDecoder(old.sources, old.layout, None)
row, statuses = decoder.decode([f.first() for f in old.files], 0)
old.close()
print(json.dumps({
    "version": "%d.%d" % sys.version_info[:2],
    "modules": modules,
    "failure": repr(sampler.failure),
    "t0": t0,
    "timer": type(sampler.timer).__name__,
    "ticks": table.ticks,
    "statuses": [list(s) for s in table.statuses()],
    "begin": list(table.head("begin_mono_ns")), "late": list(table.head("late_ns")), "rows": rows,
    "meta": reader.meta["host"],
    "events": [e["type"] for e in table.events],
    "fixture": hashlib.sha256(decoder.to_bytes(row)).hexdigest(),
    "fixture_statuses": statuses,
    "foreign": sorted(m for m in sys.modules if m.startswith("mpi_collector")),
}))
"""


def find(version: str) -> str | None:
    """Return an interpreter of this version that runs: pyenv's, then those in PATH; or None."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = [str(p) for p in sorted(pyenv.glob(f"{version}.*/bin/python3"))]
    found += [p for p in [shutil.which(f"python{version}"), shutil.which("python3")] if p]
    for path in found:
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        try:
            done = subprocess.run([path, "-c", code], capture_output=True, text=True, timeout=60)
        except OSError:
            continue
        if done.stdout.strip() == version:
            return path
    return None


def now(name: str) -> int:
    """A counter of /proc/stat or a line of /proc/meminfo, read here."""
    for path in ("/proc/stat", "/proc/meminfo"):
        for line in Path(path).read_text().splitlines():
            if line.split()[0].rstrip(":") == name:
                return int(line.split()[1])
    raise KeyError(name)


@pytest.fixture(scope="module")
def expected_digest() -> str:
    """The big tree's row, decoded by this interpreter."""
    probe = Probe(sources.select("basic,stat"), str(FIXTURES / "big-256cpu"))
    decoder = RowDecoder(probe.sources, probe.layout, pytest.fail)
    row, _statuses = decoder.decode([text_of("big-256cpu", s) for s in probe.layout.sources], 0)
    probe.close()
    return hashlib.sha256(decoder.to_bytes(row)).hexdigest()


@pytest.mark.parametrize("version", VERSIONS)
def test_samples_and_reads_back(version: str, tmp_path: Path, expected_digest: str) -> None:
    """Copied alone, in isolated mode: all modules import; five ticks are sampled and read."""
    python = find(version)
    if python is None:
        pytest.skip(f"no python{version} here")
    shutil.copytree(
        ROOT / "mpi_collector" / "node",
        tmp_path / "node",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    (tmp_path / "main.py").write_text(SCRIPT)
    before = {name: now(name) for name in ("ctxt", "processes")}
    isolated = ["-S", "-E", "-s", "-B", "-W", "error"]
    command = [python, *isolated, "main.py", str(tmp_path), str(FIXTURES / "big-256cpu")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0 and not done.stderr, done.stderr
    check(json.loads(done.stdout), version, before, expected_digest)


def check(got: dict[str, Any], version: str, before: dict[str, int], digest: str) -> None:
    """What that interpreter recorded is what this machine says."""
    assert (
        got["version"] == version
        and got["failure"] == "None"
        and got["meta"] == "here"
        and got["foreign"] == []
    )
    assert {"node.sample.sampler", "node.sources.stat", "node.table.pack"} <= set(got["modules"])
    assert got["timer"] == "TimerFd"
    ticks = got["ticks"]
    assert (
        ticks[-1] == STOP_TICK
        and ticks[:-1] == sorted(set(ticks[:-1]))
        and set(ticks[:-1]) <= set(range(5))
    )
    assert got["events"][0] == "grid" and got["events"][-1] == "end"
    assert len(got["rows"]) == len(ticks) and all(set(s) == {0} for s in got["statuses"])
    for tick, begin, late in list(zip(ticks, got["begin"], got["late"]))[:-1]:
        assert begin - (got["t0"] + tick * 20_000_000) == late >= -100_000
    after = {name: now(name) for name in before}
    for name in before:
        values = [before[name], *(row[f"stat.{name}"] for row in got["rows"]), after[name]]
        assert values == sorted(values), name
    assert {row["meminfo.MemTotal"] for row in got["rows"]} == {now("MemTotal")}
    assert all(
        row["collector.cpu_ns"] > 0 and row["loadavg.total_processes"] > 0 for row in got["rows"]
    )
    assert (got["fixture"], set(got["fixture_statuses"])) == (digest, {0})
