"""Exceptions of this package. The base class is CollectorError."""


class FrameError(Exception):
    """What came is no frame, is damaged, or is larger than any frame may be."""


class SpoolError(Exception):
    """A spool that cannot be made or read; the text names the file and the reason."""
