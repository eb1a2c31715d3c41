"""/proc/PID/stat: one line about a process (proc(5), Documentation/filesystems/proc.rst)."""

_LAST = 22  #: words behind the name that are kept, up to rss


class PidStat:
    """The fields of /proc/PID/stat that are used here, under their names in proc(5).

    Times are in clock ticks (sysconf SC_CLK_TCK), ``rss`` in pages, ``starttime`` since boot. A
    field is converted when it is asked for: IndexError when the text was cut before it, ValueError
    when it is no number.
    """

    __slots__ = ("_words", "comm")

    def __init__(self, comm: bytes, words: "list[bytes]") -> None:
        self.comm = comm  #: name of the command, 15 bytes at most; may hold blanks and parentheses
        self._words = words

    @property
    def state(self) -> str:
        """R, S, D, Z (zombie), T, ..."""
        return self._words[0].decode("ascii", "replace")

    @property
    def ppid(self) -> int:
        """PID of the parent."""
        return int(self._words[1])

    @property
    def flags(self) -> int:
        """PF_* bits (include/linux/sched.h)."""
        return int(self._words[6])

    @property
    def majflt(self) -> int:
        """Page faults that needed I/O."""
        return int(self._words[9])

    @property
    def cmajflt(self) -> int:
        """The same of children that were waited for."""
        return int(self._words[10])

    @property
    def utime(self) -> int:
        """CPU time in user mode, clock ticks."""
        return int(self._words[11])

    @property
    def stime(self) -> int:
        """CPU time in the kernel, clock ticks."""
        return int(self._words[12])

    @property
    def cutime(self) -> int:
        """``utime`` of children that were waited for, clock ticks."""
        return int(self._words[13])

    @property
    def cstime(self) -> int:
        """``stime`` of children that were waited for, clock ticks."""
        return int(self._words[14])

    @property
    def num_threads(self) -> int:
        """Threads."""
        return int(self._words[17])

    @property
    def starttime(self) -> int:
        """Start of the process, clock ticks since boot."""
        return int(self._words[19])

    @property
    def vsize(self) -> int:
        """Virtual memory, bytes; 0 of a kernel thread and of a process that has ended."""
        return int(self._words[20])

    @property
    def rss(self) -> int:
        """Resident memory, pages."""
        return int(self._words[21])


def parse_pid_stat(text: bytes) -> PidStat:
    """Return the fields of a text of /proc/PID/stat. ValueError when it is none.

    The name stands in parentheses and may hold anything, ``) R 1 (`` too: it ends at the last
    closing parenthesis, since no field behind it has one.
    """
    head, closed, rest = text.rpartition(b")")
    _pid, opened, comm = head.partition(b"(")
    words = rest.split(None, _LAST)
    if not closed or not opened or not words:
        raise ValueError("not a /proc/PID/stat: %r" % text[:80])
    return PidStat(comm, words)
