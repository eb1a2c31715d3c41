"""Options of a recording: one place of defaults, and the way from one process to another."""

from __future__ import annotations

import inspect
import json

import pytest

from mpi_collector import collect
from mpi_collector.node.options import SamplingOptions


def test_defaults_are_the_class_attributes() -> None:
    """Options without arguments equal what the command line and collect() take as defaults."""
    options = SamplingOptions()
    for name, value in options.to_dict().items():
        assert getattr(SamplingOptions, name) == value
    parameters = inspect.signature(collect).parameters
    assert parameters["interval"].default == options.interval_s
    assert parameters["spool_dir"].default == options.spool_dir


def test_they_survive_a_message() -> None:
    """As JSON, which turns tuples into lists."""
    options = SamplingOptions(interval_s=0.5, directories=("/data",), duration_s=2.0)
    copy = SamplingOptions.from_dict(json.loads(json.dumps(options.to_dict())))
    assert list(copy.directories) == ["/data"]
    assert (copy.interval_ns, copy.duration_ns) == (500_000_000, 2_000_000_000)


def test_an_unknown_option_is_refused() -> None:
    """Of another version, or misspelt."""
    with pytest.raises(TypeError, match="unknown options: interval$"):
        SamplingOptions(interval=1.0)


def test_places_of_dead_runs() -> None:
    """The spool directory, and the one for backups when there is one."""
    assert SamplingOptions().places == ["/dev/shm"]
    assert SamplingOptions(rescue_dir="/home/x").places == ["/dev/shm", "/home/x"]
