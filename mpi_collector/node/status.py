"""Status of a source in a row: what became of reading and decoding it at one tick.

The numbers are part of the file formats; the names are what documents and messages show.

======  =========  ====================================================================
number  name       meaning
======  =========  ====================================================================
0       ok         read and decoded
1       absent     the kernel has no such file, or not any more
2       denied     this user may not read it
3       error      any other error of the kernel, or no answer at the start
4       truncated  the text was longer than its buffer; what fitted was decoded
5       malformed  parts of the text could not be decoded; the rest was
6       skipped    not due at this tick (paced or throttled source)
7       slow       a reading that may block had not ended in time
======  =========  ====================================================================
"""

import errno

OK = 0  #: read and decoded
ABSENT = 1  #: the kernel has no such file, or not any more
DENIED = 2  #: this user may not read it
ERROR = 3  #: any other error of the kernel, or no answer at the start
TRUNCATED = 4  #: the text was longer than its buffer; what fitted was decoded
MALFORMED = 5  #: parts of the text could not be decoded; the rest was
SKIPPED = 6  #: not due at this tick (paced or throttled source)
SLOW = 7  #: a reading that may block had not ended in time

#: names by number
STATUS_NAMES = ("ok", "absent", "denied", "error", "truncated", "malformed", "skipped", "slow")

#: EOPNOTSUPP: a kernel with pressure information that was started without it (psi=0)
_ABSENT_ERRNOS = (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR, errno.EOPNOTSUPP)
_DENIED_ERRNOS = (errno.EACCES, errno.EPERM)


def status_of(error: OSError) -> int:
    """Return the status of a source whose file could not be opened or read."""
    if error.errno in _ABSENT_ERRNOS:
        return ABSENT
    return DENIED if error.errno in _DENIED_ERRNOS else ERROR
