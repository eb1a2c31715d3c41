"""A stand-in of MLPerf Storage: its package, program and life cycle in both of their shapes, written for these tests.

Module, class and argument names, the order of the life cycle and the files are those of the suite; what they do
is the least that a run needs. ``build`` makes the tree of a version in a directory.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from string import Template

_CONFIG = """
import enum
import os
import tempfile


class BENCHMARK_TYPES(enum.Enum):
    training = "training"
    vector_database = "vector_database"
    checkpointing = "checkpointing"
    kv_cache = "kv_cache"


class EXIT_CODE(enum.IntEnum):
    SUCCESS = 0
    INVALID_ARGUMENTS = 2
    FAILURE = 6
    INTERRUPTED = 8


DEFAULT_RESULTS_DIR = os.environ.get("MLPERF_RESULTS_DIR", os.path.join(tempfile.gettempdir(), "mlperf_storage_results"))
"""

_COLLECTOR = '''
"""Collectors that say on stderr when they are used."""
import socket
import sys
import threading
import time


def _sample(host):
    with open("/proc/vmstat") as f:
        vmstat = dict(line.split() for line in f)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"timestamp": now, "hostname": host, "vmstat": {k: int(v) for k, v in vmstat.items()}}


class _Thread:
    def start(self):
        print("the suite's own", type(self).__name__, "samples", file=sys.stderr)
        self.start_time = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def _loop(self):
        while True:
            self._round()
            if self._stopping.wait(self.interval_seconds):
                return

    def _end(self):
        self._stopping.set()
        self._thread.join()
        self.end_time = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class TimeSeriesCollector(_Thread):
    def __init__(self, interval_seconds=10.0, max_samples=3600, logger=None):
        self.interval_seconds, self.max_samples, self.logger = interval_seconds, max_samples, logger
        self.samples = []

    def _round(self):
        self.samples.append(_sample(socket.gethostname()))

    def stop(self):
        self._end()
        return self.samples


class MultiHostTimeSeriesCollector(_Thread):
    def __init__(self, hosts, interval_seconds=10.0, max_samples=3600, ssh_username=None, ssh_timeout=30,
                 max_workers=10, logger=None$extra_argument):
        self.hosts = [h.split(":")[0] for h in hosts]
        self.interval_seconds, self.max_samples, self.logger = interval_seconds, max_samples, logger
        self.samples_by_host = {h: [] for h in self.hosts}

    def _round(self):
        for host in self.hosts:
            self.samples_by_host[host].append(_sample(host))

    def stop(self):
        self._end()
        return self.samples_by_host

    def get_hosts_with_data(self):
        return [h for h, samples in self.samples_by_host.items() if samples]


class SSHClusterCollector:
    def __init__(self, hosts, logger, ssh_username=None, timeout_seconds=60, max_workers=10):
        self.hosts = hosts


class MPIClusterCollector:
    def __init__(self, hosts, mpi_bin, logger, timeout_seconds=60$mpi_arguments):
        self.hosts = hosts


def collect_cluster_info(hosts, mpi_bin, logger, $results_argument allow_run_as_root=False, timeout_seconds=60,
                         fallback_to_local=True):
    data = {h: {"hostname": h, "meminfo": {"MemTotal": 1024}} for h in hosts}
    return {**data, "_metadata": {"collection_method": "local_fallback"}}
'''

_BASE = """
import json
import os
import sys
import time

from $package.cluster_collector import (
    MultiHostTimeSeriesCollector,
    SSHClusterCollector,
    TimeSeriesCollector,
    collect_cluster_info,
)


class Benchmark:
    BENCHMARK_TYPE = None

    def __init__(self, args, logger=None, run_datetime=None, run_number=0, cluster_collector=None, validator=None):
        self.args, self.run_datetime = args, run_datetime
        self._cluster_collector = cluster_collector  # stored, and used nowhere
        self.run_result_output = os.path.join(*self.location(), run_datetime)
        os.makedirs(self.run_result_output)
        self.stem = f"{self.BENCHMARK_TYPE.value}_{run_datetime}"
        self._timeseries_collector = None
        self.series = None
        print(f"Benchmark results directory: {self.run_result_output}")

    def path(self, name):
        return os.path.join(self.run_result_output, name)

    def _start_timeseries_collection(self):
        if self.args.skip_timeseries or self.args.command != "run":
            return
        try:
            asked = {"interval_seconds": self.args.interval, "max_samples": self.args.max_samples, "logger": None}
            if self.args.hosts:
                self._timeseries_collector = MultiHostTimeSeriesCollector(
                    hosts=self.args.hosts, ssh_username=None, ssh_timeout=30, **asked)
            else:
                self._timeseries_collector = TimeSeriesCollector(**asked)
            self._timeseries_collector.start()
        except Exception as e:
            print(f"Failed to start time-series collection: {e}", file=sys.stderr)
            self._timeseries_collector = None

    def _stop_timeseries_collection(self):
        collector = self._timeseries_collector
        if collector is None:
            return
        if isinstance(collector, MultiHostTimeSeriesCollector):
            by_host, collected = collector.stop(), collector.get_hosts_with_data()
            requested = list(collector.hosts)
        else:
            samples = collector.stop()
            name = samples[0]["hostname"] if samples else "localhost"
            by_host, collected, requested = {name: samples}, [name] if samples else [], [name]
        kept = ("timestamp", "hostname", "diskstats", "vmstat", "meminfo", "loadavg", "netdev", "errors")
        self.series = {
            "collection_interval_seconds": collector.interval_seconds,
            "start_time": collector.start_time,
            "end_time": collector.end_time,
            "num_samples": sum(map(len, by_host.values())),
            "samples_by_host": {h: [{k: s[k] for k in kept if k in s} for s in l] for h, l in by_host.items()},
            "collection_method": "ssh" if len(collected) > 1 else "local",
            "hosts_requested": requested,
            "hosts_collected": collected,
        }

    def run(self):
        self._start_timeseries_collection()
        begin = time.time()
        try:
            result = self._run()
        finally:
            self.runtime = time.time() - begin
            self._stop_timeseries_collection()
            if self.series is not None:
                with open(self.path(f"{self.stem}_timeseries.json"), "w") as f:
                    json.dump(self.series, f)
        return result

    def write_metadata(self):
        about = {"model": self.args.model, "command": self.args.command, "result_dir": self.run_result_output,
                 "args": vars(self.args), "verification": None}
        with open(self.path(f"{self.stem}_metadata.json"), "w") as f:
            json.dump(about, f)
"""

_DLIO = '''
import json
import os
import subprocess
import sys

from $package.benchmarks.base import Benchmark
from $package.config import BENCHMARK_TYPES, EXIT_CODE

#: what DLIO does: two epochs and its files, in the directory it is given
JOB = """
import datetime, json, os, sys, time
directory, code = sys.argv[1], int(sys.argv[2])
stats = {}
for epoch in ("1", "2"):
    begin = datetime.datetime.now()
    time.sleep(float(os.environ.get("STAND_IN_EPOCH_S", "0.4")))
    stats[epoch] = {"start": begin.isoformat(), "end": datetime.datetime.now().isoformat(), "duration": "0.40"}
def write(name, text):
    os.makedirs(os.path.dirname(os.path.join(directory, name)), exist_ok=True)
    with open(os.path.join(directory, name), "w") as f:
        f.write(text)
write("0_per_epoch_stats.json", json.dumps(stats))
write("0_output.json", "{}")
write("dlio.log", "done")
# JSON is YAML
write("dlio_config/config.yaml", json.dumps({"workload": {"model": {"name": "unet3d"}, "workflow": {"train": True},
      "dataset": {"num_files_train": 6}}}))
write("dlio_config/overrides.yaml", json.dumps(["workload=unet3d_h100", "++workload.dataset.num_files_train=6"]))
write("summary.json", json.dumps({"num_accelerators": 2, "num_hosts": 1, "start": stats["1"]["start"],
      "metric": {"train_au_mean_percentage": 97.5, "train_throughput_mean_samples_per_second": 12.25}}))
print("the job has run")
sys.exit(code)
"""


class TrainingBenchmark(Benchmark):
    BENCHMARK_TYPE = BENCHMARK_TYPES.training

    def location(self):
        a = self.args
        return $training_location

    def _run(self):
        words = [sys.executable, "-c", JOB, self.run_result_output, str(self.args.job_code)]
        return EXIT_CODE.FAILURE if subprocess.call(words) else EXIT_CODE.SUCCESS


class KVCacheBenchmark(TrainingBenchmark):
    BENCHMARK_TYPE = BENCHMARK_TYPES.kv_cache
'''

_MAIN = '''
import argparse
import hashlib
import pathlib
import sys
import time

import $package
from $package.config import DEFAULT_RESULTS_DIR, EXIT_CODE


def image():
    """Checksum of the package's source."""
    found = hashlib.md5()
    for path in sorted(pathlib.Path($package.__file__).parent.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


def parse():
    parser = argparse.ArgumentParser(prog="mlpstorage")
    positional = $positional
    if positional:
        parser.add_argument("mode", choices=("closed", "open", "whatif"))
    parser.add_argument("benchmark", choices=("training", "kvcache"))
    if positional and "training" in sys.argv:
        parser.add_argument("model")
    parser.add_argument("command", choices=("run", "datagen"))
    if positional and "training" in sys.argv:
        parser.add_argument("protocol", choices=("file", "object"))
    if not (positional and "training" in sys.argv):
        parser.add_argument("--model", default="llama3.1-8b")
    add = parser.add_argument
    add("--hosts", "-s", nargs="+", default=[])
    add("--results-dir", "-rd", default=DEFAULT_RESULTS_DIR)
    add("--num-accelerators", "-na", type=int, default=1)
    add("--accelerator-type", "-at")
    add("--client-host-memory-in-gb", "-cm", type=int)
    add("--params", nargs="+", default=[])
    add("--open", action="store_true")
    add("--systemname", "-sn", default="sut-1")
    add("--loops", type=int, default=1)
    add("--skip-timeseries", action="store_true")
    add("--timeseries-interval", dest="interval", type=float, default=10.0)
    add("--max-timeseries-samples", dest="max_samples", type=int, default=3600)
    add("--job-code", type=int, default=0)  # of the stand-in alone
    return parser.parse_args()


def main():
    args = parse()
    before = image()
    from $package.benchmarks.dlio import KVCacheBenchmark, TrainingBenchmark

    kind = TrainingBenchmark if args.benchmark == "training" else KVCacheBenchmark
    code = EXIT_CODE.SUCCESS
    for _ in range(args.loops):
        benchmark = kind(args, run_datetime=time.strftime("%Y%m%d_%H%M%S"))
        try:
            code = benchmark.run()
        finally:
            benchmark.write_metadata()
        if code != EXIT_CODE.SUCCESS:
            break
        if args.loops > 1:
            time.sleep(1)
    if image() != before:
        print("the code image has changed", file=sys.stderr)
        return EXIT_CODE.INVALID_ARGUMENTS
    return code


if __name__ == "__main__":
    sys.exit(main())
'''

_JANUARY = {
    "package": "mlpstorage",
    "positional": "False",
    "extra_argument": "",
    "mpi_arguments": "",
    "results_argument": "",
    "training_location": "(a.results_dir, self.BENCHMARK_TYPE.name, a.model, a.command)",
}
_JULY = {
    "package": "mlpstorage_py",
    "positional": "True",
    "extra_argument": "",
    "mpi_arguments": ", results_dir=None, shared_staging_dir=None, ssh_username=None",
    "results_argument": "results_dir,",
    "training_location": '(a.results_dir, a.mode, "Acme", "results", a.systemname, self.BENCHMARK_TYPE.name, a.model, a.command)',
}


@dataclass(frozen=True)
class StandIn:
    """An installation. ``environ``: in which this interpreter and the shell find it."""

    root: Path
    package: str
    environ: dict[str, str]

    def image(self) -> str:
        """Return a checksum of every file of the tree but compiled ones."""
        found = hashlib.sha256()
        for path in sorted(self.root.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                found.update(str(path.relative_to(self.root)).encode() + path.read_bytes())
        return found.hexdigest()


def build(
    root: Path, january: bool, version: str | None = None, script: bool = True, **changes: str
) -> StandIn:
    """Make the stand-in of January (2.0.0b1) or July (3.0.27) in ``root``; ``changes`` of its source."""
    values = {**(_JANUARY if january else _JULY), **changes}
    package = values["package"]
    stated = version if version is not None else "2.0.0b1" if january else "3.0.27"
    files = {
        "__init__.py": f'VERSION = "{stated}"\n__version__ = VERSION\n' if stated else "",
        "config.py": _CONFIG,
        "cluster_collector.py": _COLLECTOR,
        "benchmarks/__init__.py": "",
        "benchmarks/base.py": _BASE,
        "benchmarks/dlio.py": _DLIO,
        "main.py": _MAIN,
    }
    for name, text in files.items():
        path = root / "lib" / package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(text).substitute(values))
    environ = {**os.environ, "PYTHONPATH": f"{root / 'lib'}:{os.environ.get('PYTHONPATH', '')}"}
    environ.pop("MLPERF_RESULTS_DIR", None)
    if script:
        program = root / "bin" / "mlpstorage"
        program.parent.mkdir()
        program.write_text(
            f"#!{sys.executable}\nimport sys\nfrom {package}.main import main\nsys.exit(main())\n"
        )
        program.chmod(0o755)
        environ["PATH"] = f"{program.parent}:{environ['PATH']}"
    return StandIn(root, package, environ)
