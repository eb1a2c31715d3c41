"""The keeper: the process that does everything in the results directory of a run.

It takes requests from the process that started it (client.py), one at a time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback

from mpi_collector.benchmark.keeper.directory import ResultsDirectory
from mpi_collector.benchmark.keeper.pipe import BlockingPipe, Message
from mpi_collector.errors import ResultsError
from mpi_collector.transport.one_thread import ONE_THREAD

LOOK_EVERY_S = 10.0  #: between two looks for a request to stop: the directory may be under test
_KILL_AFTER_S = 5.0
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Keeper:
    """Serves one ResultsDirectory over the socket ``fd`` until the other side closes it."""

    def __init__(self, fd: int) -> None:
        self._pipe = BlockingPipe(fd)
        self._directory = ResultsDirectory()

    def serve(self) -> None:
        """Answer requests; then leave nothing behind that was not finished."""
        try:
            while True:
                message = self._pipe.receive(self._directory.looks_every_s)
                if message is not None:
                    self._do(message)
                if message is None or self._directory.is_rung:
                    self._look()
        except (EOFError, OSError):  # the other side has ended, however it did
            pass
        self._end_command()
        with contextlib.suppress(Exception):
            self._directory.release()

    def _look(self) -> None:
        self._directory.is_rung = False
        if self._directory.stop_requested():
            self._directory.looks_every_s = None
            self._pipe.send((0, "stop requested", None))

    def _do(self, message: Message) -> None:
        """Do a request: (number, 0 for one that is not answered; name; arguments)."""
        number, name, arguments = message
        result: object
        try:
            what, result = "done", getattr(self._directory, name)(*arguments)
        except (OSError, ResultsError, RuntimeError) as e:
            what, result = "failed", e
        except Exception as e:  # noqa: BLE001 - whatever it is, the other side reports it
            what, result = "failed", RuntimeError("".join(traceback.format_exception(e)))
        if number:
            self._pipe.send((number, what, result))

    def _end_command(self) -> None:
        """End a COMMAND that has outlived the process it belongs to.

        The kernel has sent it a SIGTERM; what it leaves of its process group gets one, too, and
        what is left 5 s later is killed.
        """
        group = self._directory.command_group
        told = False
        deadline = time.monotonic() + _KILL_AFTER_S
        while group and _exists(-group) and time.monotonic() < deadline:
            if not told and not _exists(group):
                told = True
                _kill(-group, signal.SIGTERM)
            time.sleep(0.05)
        if group:
            _kill(-group, signal.SIGKILL)


def _exists(pid: int) -> bool:
    """Return whether a process exists, or one of the process group ``-pid``."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's: COMMAND has changed its own
        return True
    return True


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, number)


def main() -> None:
    """Run the keeper on the socket whose descriptor is the first argument."""
    os.environ.update(ONE_THREAD)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    Keeper(int(sys.argv[1])).serve()
