"""Sums of counters that the kernel keeps per CPU in few bits.

A sum of counters that wrap falls by the range of one of them each time, which nobody can tell from
a reset. So each is extended before it is summed. A CPU that goes offline keeps its count.
"""

WIDTH_32 = 32  #: bits of ``unsigned int``


class PerCpuSums:
    """``sums``: {name: the sum over CPUs}, of counters that are ``bits`` wide.

    A counter that falls has wrapped when it has grown by less than half of its range then; else it
    was reset, and so the sum falls, too.
    """

    def __init__(self, bits: int) -> None:
        self._range = 1 << bits
        self._half = 1 << (bits - 1)
        self._last: "dict[tuple[bytes, bytes], int]" = {}
        self.sums: "dict[bytes, int]" = {}

    def set(self, name: bytes, cpu: bytes, value: int) -> None:
        """Take the present value of a CPU's counter."""
        key = (name, cpu)
        last = self._last.get(key, 0)
        self._last[key] = value
        grown = value - last
        if grown < 0 and last < self._range and grown + self._range < self._half:
            grown += self._range
        self.sums[name] = self.sums.get(name, 0) + grown
