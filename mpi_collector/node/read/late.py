"""A source that is not there at the start, and may come during the run."""

from ..status import status_of
from .kernel_file import KernelFile
from .look_again import ListingPace
from .readable import Readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_S = 60  #: longest time between two attempts to open it
_TEXT_BYTES = 1 << 16  #: room for its text, which nobody has seen yet


class LateReadable(Readable):
    """Opens what could not be opened at the start, as soon as that succeeds.

    ``open_now``: OSError while there is nothing to read. It is attempted at the pace of
    ``ListingPace``, once a minute at least; in between a reading has the status of the last
    attempt. ``error``: why it could not be opened at the start.
    """

    def __init__(self, open_now: "Callable[[], Readable]", error: OSError) -> None:
        super().__init__()
        self.capacity = _TEXT_BYTES
        self._open_now = open_now
        self._status = status_of(error)
        self._pace = ListingPace(_LOOK_S)
        self._inner: "Readable | None" = None

    def first(self) -> bytes:
        """Return the text of a source that is not there."""
        return b""

    def read(self, view: memoryview) -> int:
        if self._inner is None:
            if not self._pace.due():
                return -self._status
            self._inner = self._opened()
        inner = self._inner
        try:
            return inner.read(view)
        except OSError as e:
            if not isinstance(inner, KernelFile):
                raise
            return inner.failed(e)  # which opens it again when it is gone
        finally:
            self._pass_on(inner)

    def _opened(self) -> Readable:
        inner: "Readable | None" = None
        try:
            inner = self._open_now()
            inner.first()
        except OSError as e:
            self._status = status_of(e)
            if inner is not None:
                inner.close()
            raise
        return inner

    def _pass_on(self, inner: Readable) -> None:
        self.notices += inner.notices
        inner.notices[:] = []

    def close(self) -> None:
        if self._inner is not None:
            self._inner.close()
