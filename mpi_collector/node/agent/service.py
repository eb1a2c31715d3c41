"""The one dispatcher of requests: a table of requests, and a method for each.

``RecorderService`` records a host. The agent and the sampling child process (over a stream) and the
worker (over MPI) derive their services from it and add the requests that only they need. What each
request asks for: ``messages.RECORDER_REQUESTS``.
"""

from ..compat import mono_ns, wall_ns
from ..errors import RunClaimedError
from ..host.identity import identity
from ..host.readiness import check_host
from ..host.trial import back_to
from ..options import SamplingOptions
from ..spool.claim import RunClaim
from ..spool.directory import find_spools
from ..table.facts import LEFT
from ..table.recovered import RecoveredSpool
from .messages import RECORDER_REQUESTS
from .recorder import Recorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping

    from ..table.npy import NpzMember
    from .messages import Request

_ERROR_CHARS = 4096
FETCH_BYTES = 4 << 20  #: bytes in one answer to ``fetch``, at most


class Answer:
    """An answer to a request: JSON fields, and bytes that go with them."""

    __slots__ = ("blob", "fields")

    def __init__(self, fields: "Mapping[str, Any]", blob: bytes = b"") -> None:
        self.fields = dict(fields)
        self.blob = blob


DONE = Answer({})  #: to a request that returns nothing


class Service:
    """Answers the requests in ``requests`` by the methods of the same names.

    The fields of a request are the keyword arguments.
    """

    requests: "Mapping[str, Request]" = {}
    #: exceptions that end the conversation instead of becoming an answer
    fatal: "tuple[type[Exception], ...]" = ()

    def answer(self, message: "Mapping[str, Any]") -> Answer:
        """Answer one request; the answer to one that fails is ``{"error": TEXT}``.

        Only exceptions in ``fatal`` are raised: the asking side decides what follows an error.
        """
        try:
            name = message.get("do")
            request = self.requests.get(name) if isinstance(name, str) else None
            if request is None:
                raise ValueError("no such request: %r" % (name,))
            answer = getattr(self, str(name))(**request.arguments(message))
        except self.fatal:
            raise
        except Exception as e:  # noqa: BLE001 - becomes the answer
            return Answer({"error": ("%s: %s" % (type(e).__name__, e))[:_ERROR_CHARS]})
        return answer  # type: ignore[no-any-return]


class RecorderService(Service):
    """Records this host, or takes over a spool that a dead run left here.

    RuntimeError, hence an error as the answer, for a request that needs a recording before there is
    one.
    """

    requests: "Mapping[str, Request]" = RECORDER_REQUESTS

    def __init__(self, recorder_class: "type[Recorder]" = Recorder) -> None:
        self._recorder_class = recorder_class
        self._recorder: "Recorder | None" = None
        self._adopted: "RecoveredSpool | None" = None
        self._claim: "RunClaim | None" = None
        self._members: "list[NpzMember]" = []

    @property
    def prepared(self) -> bool:
        """True while there is a recording here, an adopted one included."""
        return self._recorder is not None or self._adopted is not None

    @property
    def recorder(self) -> "Recorder | None":
        """The recorder, from ``prepare`` to ``discard``."""
        return self._recorder

    def close(self, why: str = LEFT) -> None:
        """End the recording; its spool stays. ``why``: of an end that nobody asked for."""
        if self._recorder is not None:
            self._recorder.close(why=why)
        if self._adopted is not None:
            self._adopted.close()
        if self._claim is not None:
            self._claim.release()
        self._recorder = None
        self._adopted = None
        self._claim = None

    def _recording(self) -> Recorder:
        if self._recorder is None:
            raise RuntimeError("not prepared")
        return self._recorder

    def _to_pack(self) -> "Recorder | RecoveredSpool":
        """Return the recording that pack and discard apply to: an adopted one, else this run's."""
        return self._recording() if self._adopted is None else self._adopted

    # ---- before and during the run
    def prepare(
        self, options: "dict[str, Any]", run: str, key: str, facts: "dict[str, Any]"
    ) -> Answer:
        """Open the sources and allocate the spool; nothing is sampled yet.

        ``facts``: what the coordinator knows of the run, for the spool's meta. This host's identity
        is added unless they hold one.
        """
        facts = dict(facts)
        facts.setdefault("identity", dict(identity()))
        self._recorder = self._recorder_class(SamplingOptions.from_dict(options), run, key, facts)
        return Answer(self._recorder.prepare())

    def clock(self, mono_ns: int, offset_ns: int, bound_ns: int) -> Answer:
        self._recording().clock(mono_ns, offset_ns, bound_ns)
        return DONE

    def start(self, t0_ns: int, epoch_ns: int, capacity: int, hosts: int) -> Answer:
        self._recording().start(t0_ns, epoch_ns, capacity, hosts)
        return DONE

    def first(self) -> Answer:
        return Answer(self._recording().first_sample())

    def status(self) -> Answer:
        """Return the number of samples and the last tick; empty when nothing is sampled."""
        return Answer(self._recorder.status() if self._recorder is not None else {})

    def snapshot(self) -> Answer:
        return Answer({"snapshot": self._recording().snapshot()})

    def mark(self, event: "dict[str, Any]") -> Answer:
        self._recording().mark(event)
        return DONE

    def flush(self) -> Answer:
        self._recording().flush()
        return DONE

    def replicate(self, got: int) -> Answer:
        doc, blob = self._recording().replicate(got)
        return Answer({"doc": doc}, blob)

    def live(self) -> Answer:
        return Answer(self._recording().live())

    # ---- after the run
    def stop(self) -> Answer:
        return Answer(self._recording().stop())

    def pack(self, json: bool = False) -> Answer:
        """Compress the table, but only once: a launcher asks again in a new session."""
        recording = self._to_pack()
        if not self._members:
            self._members = list(recording.pack(json))
        return Answer({"facts": recording.facts(), "heads": [m.head() for m in self._members]})

    def fetch(self, member: int, offset: int, size: int = FETCH_BYTES) -> Answer:
        """Return up to ``size`` bytes of the packed member with the number ``member``.

        By ``offset`` (bytes) a new session goes on where a broken one ended.
        """
        packed = self._members[member]
        if len(packed.chunks) > 1:
            packed.chunks = [b"".join(packed.chunks)]
        return Answer({}, packed.chunks[0][offset : offset + min(FETCH_BYTES, size)])

    def discard(self) -> Answer:
        self._to_pack().discard()
        self._recorder = None
        self._adopted = None
        return DONE

    # ---- spools of dead runs
    def spools(self, places: "list[str]") -> Answer:
        return Answer({"spools": [s for place in places for s in find_spools(place)]})

    def claim(self, places: "list[str]", run: str, token: str) -> Answer:
        """Claim a dead run on this host; what was claimed before is given up."""
        if self._claim is not None:
            self._claim.release()
            self._claim = None
        try:
            self._claim = RunClaim(places, run, token)
        except RunClaimedError:
            return Answer({"claimed": False, "spools": []})
        return Answer({"claimed": True, "spools": self._claim.spools()})

    def adopt(self, spool_dir: str, run: str, key: str) -> Answer:
        """Take over a spool as if it had been recorded by this process."""
        self._members = []
        self._recorder = None
        self._adopted = None  # the map of the previous one holds its lock
        self._adopted = RecoveredSpool(spool_dir, run, key)
        return Answer({"about": self._adopted.about()})

    # ---- about the host
    def check(self, spool_dir: str, door: "dict[str, Any] | None" = None) -> Answer:
        return Answer(dict(check_host(spool_dir), reached=back_to(door)))

    def time(self) -> Answer:
        return Answer({"mono_ns": mono_ns(), "wall_ns": wall_ns()})
