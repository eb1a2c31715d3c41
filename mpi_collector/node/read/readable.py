"""The bases of what this folder opens: a text that can be read again, and an open source."""

from ..status import status_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    #: what people should know, or an event as a recording has it
    Notice = str | dict[str, Any]


class Readable:
    """A text that is read at every tick or now and then.

    ``capacity``: bytes of buffer to keep for it, known after ``first``. The text of a later reading
    may be longer than the first. ``notices``: what people should know of it, and events; whoever
    passes them on empties the list, which is the same one for the life of the object.
    """

    capacity = 0

    def __init__(self) -> None:
        self.notices: "list[Notice]" = []

    def first(self) -> bytes:
        """Return the whole text now and fix ``capacity``. OSError when it cannot be read."""
        raise NotImplementedError

    def read(self, view: memoryview) -> int:
        """Read the text into ``view``. Return its bytes, or a negative status; or OSError.

        A text that does not fit fills ``view``: ``len(view)`` means truncated.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Close the files."""
        raise NotImplementedError


class OpenSource:
    """An open source as the sampler reads it, in one of two ways.

    ``fd`` >= 0: the sampler reads the first piece itself, and calls ``rest`` when that piece has
    ``whole_below`` bytes or more. ``fd`` < 0: it calls ``read_into`` at every tick.

    ``capacity``: bytes of buffer to keep for it, known after ``first``. ``on_event``: receives what
    happens to it, as the dicts that go into the events of a recording.
    """

    fd = -1
    whole_below = 0
    capacity = 0
    on_event: "Callable[[dict[str, Any]], object] | None" = None

    def first(self) -> bytes:
        """Return the whole text now and fix ``capacity``. OSError when it cannot be read."""
        raise NotImplementedError

    def rest(self, buffer: memoryview, got: int) -> int:
        """Read on behind the first ``got`` bytes of ``buffer``. Return all bytes."""
        raise NotImplementedError

    def read_into(self, view: memoryview, tick: int) -> int:
        """Return the bytes read into ``view``, or a negative status (node/status.py)."""
        raise NotImplementedError

    def failed(self, error: OSError) -> int:
        """Return minus the status of a reading that raised ``error``."""
        return -status_of(error)

    def close(self) -> None:
        """Close the files."""
        raise NotImplementedError
