"""Statuses of sources."""

from __future__ import annotations

import errno
import os

import pytest

from mpi_collector.node.status import (
    ABSENT,
    DENIED,
    ERROR,
    OK,
    SKIPPED,
    SLOW,
    STATUS_NAMES,
    status_of,
)


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (errno.ENOENT, ABSENT),
        (errno.ENODEV, ABSENT),
        (errno.EOPNOTSUPP, ABSENT),
        (errno.EACCES, DENIED),
        (errno.EPERM, DENIED),
        (errno.EIO, ERROR),
    ],
)
def test_status_of_an_error(number: int, status: int) -> None:
    """Not there, not allowed, and broken are three things."""
    assert status_of(OSError(number, os.strerror(number))) == status


def test_names_by_number() -> None:
    """Numbers and names are part of the file formats."""
    names = ("ok", "absent", "denied", "error", "truncated", "malformed", "skipped", "slow")
    assert names == STATUS_NAMES
    assert [STATUS_NAMES[n] for n in (OK, ABSENT, DENIED, ERROR, SKIPPED, SLOW)] == [
        "ok",
        "absent",
        "denied",
        "error",
        "skipped",
        "slow",
    ]
