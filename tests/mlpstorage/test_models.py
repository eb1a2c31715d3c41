"""The suite's data classes."""

from __future__ import annotations

from mpi_collector.mlpstorage import (
    HostMemoryInfo,
    MountInfo,
)


def test_rows_take_no_other_keys() -> None:
    mount = MountInfo.from_dict(
        {"device": "a", "mount_point": "/", "fs_type": "ext4", "options": "rw", "extra": 1}
    )
    assert mount.to_dict() == {
        "device": "a",
        "mount_point": "/",
        "fs_type": "ext4",
        "options": "rw",
        "dump_freq": 0,
        "pass_num": 0,
    }


def test_memory_from_texts() -> None:
    assert (
        HostMemoryInfo.from_proc_meminfo_dict({"MemTotal": "16384 kB", "MemFree": 384}).total
        == 16384 * 1024
    )
    assert HostMemoryInfo.from_proc_meminfo_dict({}).total == 0
