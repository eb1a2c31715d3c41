"""Requests to an agent or a control server over the pipes of a subprocess."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mpi_collector.errors import SessionLostError
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.errors import FrameError
from mpi_collector.node.frames import VERSION, FrameDecoder, encode
from mpi_collector.terminal_text import remote_text

_STDERR_KEPT = 8000  #: last bytes of stderr, for error messages
_KILLED_S = 2.0
_FIRST_ANSWER = -1  #: id under which the hello is awaited
_PR_SET_PDEATHSIG = 1
_ERROR = re.compile(r"\s*(\w+\.)*\w*(Error|Exception)\b.*:|mpi_collector: ")

Reply = tuple[dict[str, Any], bytes]


class Session:
    """Requests to one agent over the pipes of one subprocess (ssh, sh on this host, mpirun).

    Only for the thread of the event loop. ``preamble``: bytes that are written before the first
    frame. ``on_event`` gets the frames that answer no request. ``last_signal``: the signal that the
    subprocess gets when this process dies, however that happens (PR_SET_PDEATHSIG, prctl(2)).
    ``with_children``: kill the whole process group in the end; the ssh to a jump host does not end
    by itself while that host hangs.
    """

    def __init__(
        self,
        argv: Sequence[str],
        preamble: Sequence[bytes],
        environ: Mapping[str, str] | None = None,
        last_signal: int = 0,
        with_children: bool = False,
    ) -> None:
        self._argv = list(argv)
        self._preamble = preamble
        self._environ = environ
        self._with_children = with_children
        self._before_exec = _death_signal(last_signal) if last_signal else None
        self.on_event: Callable[[dict[str, Any], bytes], None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._last_id = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._stderr = b""
        self._lost = asyncio.Event()
        self.last_sent_ns = 0  #: when anything was sent to the agent last
        self.hello: dict[str, Any] = {}  #: the agent's first message

    @property
    def connected(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """Process id of the subprocess; None when not connected."""
        return self._process.pid if self._process is not None else None

    async def connect(self, timeout_s: float) -> dict[str, Any]:
        """Start the subprocess and wait for the hello.

        SessionLostError with the reason when there is none.
        """
        await self.disconnect()
        pipe = asyncio.subprocess.PIPE
        self._stderr = b""
        self._lost.clear()
        self._process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
            env=self._environ,
            preexec_fn=self._before_exec,
        )
        hello: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting = {_FIRST_ANSWER: hello}
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._read_stderr())]
        assert self._process.stdin is not None
        self._process.stdin.writelines(self._preamble)
        try:
            self.hello, _ = await asyncio.wait_for(hello, timeout_s)
        except asyncio.TimeoutError:
            await self.disconnect()
            raise SessionLostError(f"no answer within {timeout_s:g} s{self._reason()}") from None
        except SessionLostError:
            await self.disconnect()
            raise
        if self.hello.get("hello") != VERSION:
            await self.disconnect()
            raise SessionLostError(
                f"the agent uses protocol {self.hello.get('hello')}, this program {VERSION}"
            )
        return self.hello

    async def request(self, do: str, timeout_s: float, **fields: Any) -> Reply:
        """Send a request and return its answer.

        SessionLostError when none comes, RuntimeError when the request failed.

        Requests to agents are described in node/agent/messages.py, those to a control server in
        ranks/control_server.py.
        """
        process = self._process
        if process is None or process.stdin is None:
            raise SessionLostError("not connected")
        self._last_id += 1
        number = self._last_id
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self.last_sent_ns = mono_ns()
            process.stdin.write(encode(dict(fields, do=do, id=number)))
            message, blob = await asyncio.wait_for(future, timeout_s)
        except asyncio.TimeoutError:
            raise SessionLostError(f"no answer to {do!r} within {timeout_s:g} s") from None
        finally:
            self._waiting.pop(number, None)
        if message.get("error"):
            raise RuntimeError(message["error"])
        return message, blob

    def send(self, message: dict[str, Any]) -> None:
        """Send a frame that is not answered, or whose answer is ignored."""
        if self._process is not None and self._process.stdin is not None:
            self.last_sent_ns = mono_ns()
            self._process.stdin.write(encode(message))

    async def wait_exit(self, timeout_s: float) -> None:
        """Wait up to ``timeout_s`` for the subprocess to end by itself."""
        if self._process is not None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._process.wait(), timeout_s)

    async def wait_lost(self, timeout_s: float) -> None:
        """Return when the connection is lost, or after ``timeout_s``."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._lost.wait(), timeout_s)

    async def disconnect(self) -> None:
        """End the subprocess; an agent on another host goes on."""
        process, self._process = self._process, None
        self._lost.set()
        for task in self._tasks:
            task.cancel()
        self._tasks = []
        self._fail("disconnected")
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            await self._kill(process)

    async def _kill(self, process: asyncio.subprocess.Process) -> None:
        await end_process(process, os.killpg if self._with_children else os.kill)

    # ---- reading
    async def _read(self) -> None:
        process = self._process
        assert process is not None and process.stdout is not None
        decoder = FrameDecoder()
        try:
            while True:
                data = await process.stdout.read(1 << 18)
                if not data:
                    await asyncio.sleep(0.05)  # the message of ssh may still be on its way
                    raise FrameError("the connection closed")
                for message, blob in decoder.feed(data):
                    if "event" in message:
                        if self.on_event is not None:
                            self.on_event(message, blob)
                        continue
                    future = self._waiting.get(
                        _FIRST_ANSWER if "hello" in message else message.get("id", 0)
                    )
                    if future is not None and not future.done():
                        future.set_result((message, blob))
        except FrameError as e:
            self._process = None
            self._lost.set()
            self._fail(f"{e}{self._reason(decoder.said())}")
            await self._kill(process)

    async def _read_stderr(self) -> None:
        process = self._process
        assert process is not None and process.stderr is not None
        while data := await process.stderr.read(4096):
            self._stderr = (self._stderr + data)[-_STDERR_KEPT:]

    def _reason(self, noise: bytes = b"") -> str:
        """Return the last line of stderr, or of ``noise``.

        Preferably one that names an error: launchers add a paragraph of advice.
        """
        text = (self._stderr or noise[-_STDERR_KEPT:]).decode("utf-8", "replace")
        lines = [line for line in text.splitlines() if any(c.isalnum() for c in line)]
        named = [line for line in lines if _ERROR.match(line)]
        return f": {remote_text((named or lines)[-1].strip())}" if lines else ""

    def _fail(self, why: str) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(SessionLostError(why))
                future.exception()  # mark as retrieved: nobody may be waiting any more
        self._waiting.clear()


async def end_process(
    process: asyncio.subprocess.Process, kill: Callable[[int, int], None] = os.killpg
) -> None:
    """Kill a subprocess; with os.killpg also what it started, which needs a session of its own."""
    with contextlib.suppress(ProcessLookupError):
        if process.returncode is None or kill is os.killpg:
            kill(process.pid, signal.SIGKILL)
    # without this, wait() waits for the end of the output, which other processes may hold open
    transport: asyncio.SubprocessTransport = getattr(process, "_transport")  # noqa: B009
    transport.close()
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(process.wait(), _KILLED_S)


def _death_signal(number: int) -> Callable[[], object]:
    """Return a function that a child runs before exec.

    It has the kernel send the child signal ``number`` when its parent dies.
    """
    prctl = ctypes.CDLL(None).prctl  # looked up here: nothing may be loaded between fork and exec
    return lambda: prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
