"""Requests to an agent or a control server over the pipes of a subprocess."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mpi_collector.errors import MessageError, SessionLostError
from mpi_collector.node.compat import mono_ns
from mpi_collector.node.errors import FrameError
from mpi_collector.node.frames import encode
from mpi_collector.transport.death_signal import death_signal
from mpi_collector.transport.failures import BEGIN_MARK, telling_line
from mpi_collector.transport.messages import AGENT, Protocol
from mpi_collector.transport.subprocesses import REAPED_S, end_process

_STDERR_KEPT = 8000  #: last bytes of stderr, for error messages
_FIRST_ANSWER = -1  #: id under which the hello is awaited
_LAST_WORDS_NS = 500_000_000  #: for a subprocess whose stdout has ended
_MESSAGE_S = 0.05

Reply = tuple[dict[str, Any], bytes]
Explain = Callable[["int | None", str, str], str]


class Session:
    """Requests to one agent over the pipes of one subprocess (ssh, sh on this host, mpirun).

    Only for the thread of the event loop. ``preamble``: bytes that are written before the first
    frame. ``protocol``: what the other side may send. ``explain``: returns what a connection that
    closed means, of exit status, noise on stdout, and stderr. ``on_event`` gets the events, which
    answer no request. ``last_signal``: the signal that the subprocess gets when this process dies,
    however that happens (PR_SET_PDEATHSIG, prctl(2)).
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
        protocol: Protocol = AGENT,
        explain: Explain = lambda code, output, errors: "",
    ) -> None:
        self._argv = list(argv)
        self._preamble = preamble
        self._environ = environ
        self._with_children = with_children
        self._protocol = protocol
        self._explain = explain
        self._before_exec = death_signal(last_signal) if last_signal else None
        self.on_event: Callable[[dict[str, Any], bytes], None] | None = None
        self.on_loss: Callable[[str], None] | None = None  #: gets the reason of a loss
        self._process: asyncio.subprocess.Process | None = None
        self._waiting: dict[int | None, asyncio.Future[Reply]] = {}
        #: answers that nobody waits for any more; beats have no number and share None. An agent
        #: that hung for a while answers many of them at once
        self._owed: Counter[int | None] = Counter()
        self._last_id = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._stderr = b""
        self._lost = asyncio.Event()
        self._refusal: MessageError | None = None
        self._decoder = protocol.decoder()
        self._lost_why = ""
        self.last_sent_ns = 0  #: when anything was sent to the agent last
        self.hello: dict[str, Any] = {}  #: the agent's first message

    @property
    def connected(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """Process id of the subprocess; None when not connected."""
        return self._process.pid if self._process is not None else None

    @property
    def noise(self) -> str:
        """What came on stdout before the first message and on stderr so far, but our own mark."""
        before = self._decoder.noise.decode("utf-8", "replace").replace(BEGIN_MARK, "")
        return f"{before}\n{self._stderr.decode('utf-8', 'replace')}".strip()

    async def connect(self, timeout_s: float) -> dict[str, Any]:
        """Start the subprocess and wait for the hello.

        SessionLostError with the reason when there is none. MessageError when the other side has
        not kept to the protocol, now or before.
        """
        await self.disconnect()
        if self._refusal is not None:
            raise self._refusal
        pipe = asyncio.subprocess.PIPE
        self._stderr = b""
        self._lost_why = ""
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
        self._owed.clear()
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._read_stderr())]
        assert self._process.stdin is not None
        self._process.stdin.writelines(self._preamble)
        try:
            said, _ = await asyncio.wait_for(hello, timeout_s)
            self._protocol.check_hello(said)
        except asyncio.TimeoutError:
            await self.disconnect()
            raise SessionLostError(f"no answer within {timeout_s:g} s{self._reason()}") from None
        except SessionLostError as e:
            self._refuse(e)
            await self.disconnect()
            raise
        self.hello = said
        return said

    async def request(self, do: str, timeout_s: float, **fields: Any) -> Reply:
        """Send a request and return its answer.

        SessionLostError when none comes, MessageError when what comes is no answer to it,
        RuntimeError when the request failed.

        Requests to agents are described in node/agent/messages.py, those to a control server in
        transport/control_messages.py.
        """
        process = self._process
        if process is None or process.stdin is None:
            raise self._refusal or SessionLostError(self._lost_why or "not connected")
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
            if self._waiting.pop(number, None) is not None and not _answered(future):
                self._owed[number] += 1
        try:
            answer = self._protocol.answer_to(do, message, blob)
        except MessageError as e:
            self._refuse(e)
            await self.disconnect()
            raise
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer, blob

    def send(self, message: dict[str, Any]) -> None:
        """Send a frame that is not answered."""
        if self._process is not None and self._process.stdin is not None:
            self.last_sent_ns = mono_ns()
            self._process.stdin.write(encode(message))

    def beat(self) -> None:
        """Tell the agent that this process lives; nobody waits for its answer."""
        if self.connected:
            self._owed[None] += 1
            self.send({"do": "beat"})

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
        self._fail(SessionLostError("disconnected"))
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
        decoder = self._decoder = self._protocol.decoder()
        try:
            while True:
                data = await process.stdout.read(1 << 18)
                if not data:
                    await self._last_words(process)
                    reason = self._reason(process.returncode, decoder.said())
                    closed = f"the connection closed{reason}"
                    raise SessionLostError(closed)
                for message, blob in decoder.feed(data):
                    self._take(message, blob)
        except FrameError as e:
            reason = self._reason(None, decoder.said())
            await self._lose(process, MessageError(f"{e}{reason}"))
        except SessionLostError as e:
            await self._lose(process, e)

    async def _lose(self, process: asyncio.subprocess.Process, why: SessionLostError) -> None:
        self._process = None
        self._lost_why = str(why)
        self._refuse(why)
        self._lost.set()
        self._fail(why)
        if self.on_loss is not None:
            self.on_loss(self._lost_why)
        await self._kill(process)

    def _refuse(self, why: SessionLostError) -> None:
        """Have nothing more to do with the other side, unless it was just lost."""
        if isinstance(why, MessageError) and self._refusal is None:
            self._refusal = why

    def _take(self, message: dict[str, Any], blob: bytes) -> None:
        """Give a message to whoever waits for it. MessageError when nothing like it is due."""
        if "event" in message:
            self._protocol.check_event(message)
            if self.on_event is not None:
                self.on_event(message, blob)
            return
        number = _FIRST_ANSWER if "hello" in message else message.get("id")
        if number is not None and type(number) is not int:
            raise MessageError("sent an answer without the number of a request")
        future = self._waiting.get(number)
        if future is not None and not future.done():
            future.set_result((message, blob))
        elif future is not None:  # given up just now, and not yet counted as owed
            del self._waiting[number]
        elif self._owed[number] > 0:
            self._owed[number] -= 1
        else:
            raise MessageError("sent what nobody asked for")

    async def _last_words(self, process: asyncio.subprocess.Process) -> None:
        """Wait a moment for the exit status of a subprocess and its message on stderr."""
        deadline = mono_ns() + _LAST_WORDS_NS
        while process.returncode is None and mono_ns() < deadline:
            await asyncio.sleep(REAPED_S)
        await asyncio.sleep(_MESSAGE_S)

    async def _read_stderr(self) -> None:
        process = self._process
        assert process is not None and process.stderr is not None
        while data := await process.stderr.read(4096):
            self._stderr = (self._stderr + data)[-_STDERR_KEPT:]

    def _reason(self, code: int | None = None, noise: bytes = b"") -> str:
        """Return what the subprocess said about its end, after a colon; "" if it said nothing."""
        errors = self._stderr.decode("utf-8", "replace")
        output = noise[-_STDERR_KEPT:].decode("utf-8", "replace")
        told = output.replace(BEGIN_MARK, "")
        why = self._explain(code, output, errors) or telling_line(errors) or telling_line(told)
        return f": {why}" if why else ""

    def _fail(self, why: SessionLostError) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(type(why)(*why.args))
                future.exception()  # mark as retrieved: nobody may be waiting any more
        self._waiting.clear()


def _answered(future: asyncio.Future[Reply]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
