"""Exceptions of the node package. All have the base CollectorError."""


class CollectorError(Exception):
    """Base of all exceptions of this package that a caller may catch. The text is for people."""


class FrameError(CollectorError):
    """Bytes on a connection are not a frame, are damaged, or exceed the size limit of a frame."""


class FormError(CollectorError, ValueError):
    """A message or a document does not have its declared form. The text says where."""


class SpoolError(CollectorError):
    """A spool cannot be created or read. The text names the file and the reason."""


class RunClaimedError(SpoolError):
    """Another process is taking the spools of this run apart."""
