"""A second user of this machine: a child process that has become one."""

from __future__ import annotations

import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534
SOMEBODY = 65533  #: needs no name

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")


def as_user(uid: int, work: Callable[[], None]) -> None:
    """Do ``work`` in a child process of the user ``uid``; fail with its traceback."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(read)
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            work()
        except BaseException:  # noqa: BLE001 - pytest.fail is none that is an Exception
            os.write(write, traceback.format_exc().encode()[-60_000:])
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as f:
        said = f.read().decode()
    os.waitpid(pid, 0)
    assert not said, said


@contextmanager
def shared_directory(mode: int = 0o1777) -> Iterator[Path]:
    """Yield an empty directory that other users reach; those of pytest are private."""
    path = Path(tempfile.mkdtemp(prefix="shared-", dir="/tmp"))
    path.chmod(mode)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
