"""The registry of sources: order, groups, selection by name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mpi_collector
from mpi_collector.node import sources
from mpi_collector.node.read.probe import open_source
from mpi_collector.node.sources import (
    ALL,
    BY_NAME,
    GROUPS,
    select,
)
from mpi_collector.node.sources.base import FileGroupSource, KernelFileSource, ReaderSource, Source
from mpi_collector.node.sources.loadavg import Loadavg


def test_select() -> None:
    """Groups, names, aliases and mixtures of them, in reading order and without repetition."""
    names = [s.name for s in sources.select("basic")]
    assert sorted(names) == ["diskstats", "loadavg", "meminfo", "netdev", "vmstat"]
    assert [s.name for s in sources.select("loadavg,net/dev,diskstats")] == [
        "diskstats",
        "netdev",
        "loadavg",
    ]
    assert [s.name for s in sources.select("basic stat loadavg")] == [
        s.name for s in sources.select("basic,stat")
    ]


@pytest.mark.parametrize("spec", ["", ",", "nothing", "basic,nothing"])
def test_select_refuses(spec: str) -> None:
    """What is not known is named, with what there is."""
    with pytest.raises(ValueError, match="basic"):
        sources.select(spec)


def test_groups() -> None:
    assert set(GROUPS["basic"]) < set(GROUPS["default"]) < set(GROUPS["all"])
    assert {"pressure", "nfs", "lustre", "infiniband", "tcp", "cgroup", "stat"} <= set(
        GROUPS["default"]
    )
    assert "power" not in GROUPS["default"]
    assert select("none") == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("processes:(", "not a regular expression"),
        ("processes:", "nothing after the colon"),
        ("processes:tree:", "every command line"),
        ("processes:.*", "every command line"),
        ("processes:a,processes:b", "given twice"),
        ("basic:x", "takes nothing after a colon"),
        ("nonsense:x", "unknown source"),
    ],
)
def test_bad_options(spec: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        select(spec)


def test_every_source_is_registered_once() -> None:
    """Names are unique, the reading order is total, and what may block is read last."""
    assert len(BY_NAME) == len(ALL) >= 21
    blocking = [s.may_block for s in ALL]
    assert blocking == sorted(blocking)


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: str(cls.name))
def test_a_source_is_of_one_kind(cls: type[Source]) -> None:
    """What reads several files or makes its text has a time budget; every is a power of two."""
    kinds = [issubclass(cls, kind) for kind in (KernelFileSource, FileGroupSource, ReaderSource)]
    assert kinds.count(True) == 1
    assert cls.budget_us or (issubclass(cls, KernelFileSource) and not cls.may_block)
    assert cls.every & (cls.every - 1) == 0 < cls.every
    assert cls().location().strip("/")


def test_a_plain_kernel_file_is_read_by_the_sampler() -> None:
    """Paced by a declaration alone it is read like the others, at its own ticks."""

    class Paced(Loadavg):
        name = "paced"
        every = 4

    plain = open_source(Loadavg(), "/")
    paced = open_source(Paced(), "/")
    view = memoryview(bytearray(4096))
    assert plain.fd >= 0 > paced.fd
    assert paced.first() == plain.first()
    assert [paced.read_into(view, tick) > 0 for tick in range(5)] == [
        True,
        False,
        False,
        False,
        True,
    ]
    assert plain.read_into(view, 1) > 0
    plain.close()
    paced.close()


def test_a_source_is_one_module(tmp_path: Path) -> None:
    """A file in the folder, and nothing else: it is in its groups, in ``sources``, in the agent's package, and is recorded."""
    package = tmp_path / "mpi_collector"
    shutil.copytree(
        Path(mpi_collector.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    (package / "node/sources/entropy.py").write_text('''
"""/proc/sys/kernel/random/entropy_avail: entropy that is left."""

from ..row.layout import Field
from ..row.scan import Cell, Scan
from .base import KernelFileSource


class Entropy(KernelFileSource):
    name = "entropy"
    path = "proc/sys/kernel/random/entropy_avail"
    doc = "entropy that is left"
    fields = (Field("available", "bits", "gauge", "entropy that is left"),)

    def scan(self, text):
        scan = Scan()
        scan.add(Cell("", "", "available"))
        return scan
''')
    program = f"""
import sys, time
sys.path.insert(0, {str(tmp_path)!r})
import mpi_collector
from mpi_collector.node.sources import GROUPS, select
from mpi_collector.transport.ssh.bootstrap import _LOADER, _package
assert "entropy" in GROUPS["default"] and "entropy" not in GROUPS["basic"]
with mpi_collector.collect(interval=0.1, sources="basic,entropy", results_dir="r", spool_dir="s", quiet=True, sampler="thread"):
    time.sleep(0.3)
with mpi_collector.load("r") as run:
    (host,) = run.values()
    assert host.value("entropy.available").min() > 0
import json, zlib, importlib.util, importlib.abc
loader = _LOADER[_LOADER.index("class _Memory"):_LOADER.index("_head = ")]
exec("import importlib.util, importlib.abc\\n" + loader)
sys.meta_path.insert(0, _Memory(json.loads(zlib.decompress(_package()).decode())))
from mpi_collector_node.sources import ALL as shipped
assert "entropy" in [s.name for s in shipped]
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    done = subprocess.run([sys.executable, "-m", "mpi_collector", "sources", "entropy"], cwd=tmp_path, capture_output=True, text=True,
                          timeout=60, check=False, env={**os.environ, "PYTHONPATH": str(tmp_path)})  # fmt: skip
    assert "entropy.available" in done.stdout
