"""Status of a source in a row."""

import errno

# what became of a source in a row
OK, ABSENT, DENIED, ERROR, TRUNCATED, MALFORMED, SKIPPED, SLOW = range(8)


STATUS_NAMES = ("ok", "absent", "denied", "error", "truncated", "malformed", "skipped", "slow")


#: a kernel built with pressure information but started without it says EOPNOTSUPP
_NOT_THERE = (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR, errno.EOPNOTSUPP)


def status_of(error: "OSError") -> int:
    """The status of a source whose file could not be opened or read."""
    if error.errno in _NOT_THERE:
        return ABSENT
    return DENIED if error.errno in (errno.EACCES, errno.EPERM) else ERROR
