"""This process's side of the keeper."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mpi_collector.benchmark.keeper.pipe import BoundedPipe
from mpi_collector.benchmark.keeper.values import FoundMarks, RecordedCommand, Screen, Step
from mpi_collector.output.files import RunFiles
from mpi_collector.transport.own_python import python_argv

if TYPE_CHECKING:
    from mpi_collector.formats.run_document import RunDocument
    from mpi_collector.formats.suite_samples import TimeSeriesHead

_PROGRAM = "from mpi_collector.benchmark.keeper.process import main; main()"
_END_S = 2.0  #: for the keeper to end by itself
_SAID_BYTES = 4000
_HELD_BYTES = 1 << 18  #: of a table, before they go to the keeper


class Keeper:
    """A process that does everything in the results directory of one run.

    limit_s: for how long it may make no progress in a request. A request raises OSError when it
    hangs or has died: it is ``lost`` then, and every later request raises the same at once. What
    the directory itself raises passes through: OSError, ResultsError, RuntimeError.
    """

    def __init__(self, limit_s: float) -> None:
        """OSError when no process can be started."""
        ours, theirs = socket.socketpair()
        self._said = os.memfd_create("keeper")  # nothing of it reaches the terminal
        try:
            self._process = subprocess.Popen(
                [*python_argv(_PROGRAM), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            os.close(self._said)
            raise
        finally:
            theirs.close()
        self._pipe = BoundedPipe(ours, self._process.pid, limit_s)
        self.lost: OSError | None = None  #: why it does not answer any more
        self._number = 0  # of the last request
        self._stop_requested = False
        self._guards = False  # a COMMAND, which may outlive this process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    # ---- before and during the job
    def reserve(
        self,
        directory: Path,
        benchmark: str,
        token: str,
        options: Mapping[str, Any],
        limit_s: float,
    ) -> RunFiles:
        """Reserve the names of a run; the run's own name ends with ``token``."""
        words = (directory, benchmark, token, os.getpid(), dict(options))
        return cast(RunFiles, self.call("reserve", *words, limit_s=limit_s))

    def take_over(self, files: RunFiles) -> None:
        """Go on with a run whose keeper has died."""
        self.call("take_over", files)

    @property
    def died(self) -> bool:
        """True when the process has ended, and does not just hang."""
        return self.lost is not None and self.lost.errno == errno.EPIPE

    def look_for_stop(self, every_s: float) -> None:
        """From now on look for a request to stop; see ``stop_requested``."""
        self.post("look_for_stop", every_s)

    def look(self) -> None:
        """Look for a request to stop once, now; see ``stop_requested``."""
        self.post("look")

    def announce_door(self, address: str) -> None:
        """Leave the address at which the run is told of requests beside the results."""
        self.post("announce_door", address)

    def set_command_group(self, group: int) -> None:
        """End the process group ``group`` should this process die. 0: none, COMMAND has ended."""
        self.post("set_command_group", group)
        self._guards = bool(group)

    @property
    def fd(self) -> int:
        """Readable when there is something for ``stop_requested``; -1 when there never will be."""
        return -1 if self.lost is not None else self._pipe.fileno()

    def stop_requested(self) -> bool:
        """Return whether ``mpi_collector stop`` has left a request, without waiting."""
        if self.lost is None:
            with contextlib.suppress(OSError), self._noting_loss():
                self._stop_requested |= bool(self._pipe.poll())
        return self._stop_requested

    # ---- after it
    def set_hurried(self, hurried: Callable[[], bool]) -> None:
        """Wait for no step longer than 2 s once ``hurried`` is true."""
        self._pipe.hurried = hurried

    def marks(self, command: RecordedCommand, limit_s: float) -> FoundMarks:
        """Return the marks beside the results, and those of DLIO."""
        return cast(FoundMarks, self.call("marks", command, limit_s))

    def open_sink(
        self, json: bool, keep: bool, command: RecordedCommand, hosts_each: int = 0
    ) -> KeptSink:
        """Begin the files of the run. ``hosts_each``: see FileSink."""
        words = (json, keep, command, hosts_each)
        return KeptSink(self, cast(RunFiles, self.call("open_sink", *words)))

    def write_page(self, quiet: bool) -> list[str]:
        """Write the page; return messages about it."""
        return cast("list[str]", self.call("write_page", quiet))

    def written(self) -> list[Path]:
        """Return the files of the run that exist."""
        return cast("list[Path]", self.call("written"))

    def figures(self, screen: Screen) -> str:
        """Return the figures of the recording as text."""
        return cast(str, self.call("figures", *screen))

    # ---- requests
    def call(self, name: str, *arguments: Any, limit_s: float | None = None) -> Any:
        """Return what the request ``name`` of ResultsDirectory returns, or raise what it raises."""
        with self._noting_loss():
            self._number += 1
            self._pipe.send((self._number, name, arguments))
            while True:
                number, what, result = self._pipe.receive(limit_s)
                if not number:
                    self._stop_requested = True
                elif number == self._number:  # else of a request that was interrupted
                    break
        if what == "failed":
            raise result
        return result

    def post(self, name: str, *arguments: Any) -> None:
        """Make a request that is not answered. Raises nothing: see ``lost``."""
        with contextlib.suppress(OSError), self._noting_loss():
            self._pipe.send((0, name, arguments))

    @contextlib.contextmanager
    def _noting_loss(self) -> Iterator[None]:
        """Raise the reason of a loss, in the block or before it."""
        if self.lost is not None:
            raise self.lost
        try:
            yield
        except OSError as e:
            said = os.pread(self._said, _SAID_BYTES, 0).decode("utf-8", "replace").split("\n")
            last = [line for line in said if line.strip()][-1:]
            self.lost = OSError(e.errno, ": ".join([e.strerror or str(e), *last]))
            raise self.lost from e

    # ---- the end
    def release(self) -> None:
        """Give the names back; the files stay. Raises nothing."""
        with contextlib.suppress(OSError, RuntimeError):
            self.call("release")

    def close(self) -> None:
        """Give the names back, and end the process. Raises nothing.

        One that hangs is killed and left to itself: the kernel may not let it go.
        """
        hangs = self.lost is not None and self.lost.errno == errno.ETIMEDOUT
        self.lost = self.lost or OSError(errno.EPIPE, "closed")
        with contextlib.suppress(OSError):
            self._pipe.close()
            os.close(self._said)
        if not hangs and (self._guards or self._wait(_END_S)):
            return  # it ends COMMAND when this process has ended
        with contextlib.suppress(OSError):
            self._process.send_signal(signal.SIGKILL)
        if not self._wait(0.1):
            self._process.returncode = -signal.SIGKILL  # as far as anybody here will know

    def _wait(self, limit_s: float) -> bool:
        """Return whether the process has ended within ``limit_s``."""
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return False
        return True


class KeptSink:
    """A Sink whose files a keeper writes. ``files``: their names.

    Only ``finish`` raises what went wrong with the files. Until then a step after a failure does
    nothing, so that every host is asked for its table in the same way.
    """

    def __init__(self, keeper: Keeper, files: RunFiles) -> None:
        self.files = files
        self._keeper = keeper
        self._steps: list[Step] = []  # that the keeper has not got yet
        self._held_bytes = 0

    def begin_host(self, key: str) -> None:
        self._do("begin_host", key)

    def begin(self, head: dict[str, Any]) -> None:
        self._do("begin", head)

    def write(self, data: bytes | memoryview) -> None:
        self._do("write", bytes(data))
        self._held_bytes += len(data)
        if self._held_bytes >= _HELD_BYTES:
            self._hand_over()

    def end_host(self) -> None:
        """End the host. RuntimeError when its data are damaged: the host is dropped."""
        self._hand_over()
        with contextlib.suppress(OSError):
            self._keeper.call("end_host")

    def drop_host(self) -> None:
        self._do("drop_host")
        self._hand_over()

    def _do(self, name: str, *arguments: Any) -> None:
        self._steps.append((name, arguments))

    def _hand_over(self) -> None:
        """Send the steps: one message for the many small members of a host."""
        self._keeper.post("sink_steps", self._steps)
        self._steps = []
        self._held_bytes = 0

    def finish(self, document: RunDocument, head: TimeSeriesHead) -> list[Path]:
        """Complete the files; return those of the run. OSError when one could not be written."""
        self._hand_over()
        return cast("list[Path]", self._keeper.call("finish", document, head))

    def abandon(self) -> None:
        """Leave nothing behind but what appeared already. Raises nothing."""
        self._keeper.post("abandon_sink")
