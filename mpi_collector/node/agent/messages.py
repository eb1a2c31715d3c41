"""Requests to the process that records a host, and the form of their answers.

They are the same over ssh, a pipe and MPI.

A request is a JSON object ``{"do": NAME, FIELD: VALUE, ...}``. The answer is a JSON object and,
where ``blob`` is set, bytes. A request that fails is answered by ``{"error": TEXT}``. Over a stream
both are frames (node/frames.py): the request carries an ``id``, which its answer repeats, and the
blob is part of the frame. Over MPI an answer carries ``"answer": NAME``, and ``"bytes": LENGTH``
when a blob follows as a message of its own. The two sides are always of the same version: see
frames.VERSION.
"""

from ..documents import (
    ABOUT,
    CHANGE_SET,
    EVENT,
    FACTS,
    FOUND_SPOOL,
    HEAD,
    HOST_CHECK,
    IDENTITY,
    OPTIONS,
    READY,
    STOPPED,
)
from ..errors import FormError
from ..forms import (
    COUNT,
    FILE_NAME,
    INT64_MAX,
    MOMENT,
    NAME,
    PATH,
    REASON,
    Anything,
    Flag,
    Form,
    Items,
    Maybe,
    Record,
    Table,
    Text,
    Whole,
)
from ..host.snapshot.form import SNAPSHOT
from .live import LIVE_VECTOR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping, TypedDict

    class ReadyReport(TypedDict, total=False):
        """Answer to ``prepare``. Empty as long as there is none."""

        rows: int  #: of the table, without the extra one for the stop
        spool: "str | None"  #: path of the spool; None: plain memory
        absent: "dict[str, int]"  #: {source that is not recorded: status}
        columns: int
        warnings: "list[str]"

    class StopReport(TypedDict):
        """Answer to ``stop``."""

        samples: int
        last_tick: int
        failure: "str | None"  #: why sampling ended early

    class SampleCheck(TypedDict):
        """Answer to ``first``."""

        sampling: bool  #: the first sample was taken
        failure: "str | None"  #: why none will be

else:
    ReadyReport = StopReport = SampleCheck = dict

MEMBERS_MOST = 64  #: of a host's table


class Request:
    """Form of one request and of its answer.

    ``fields``, ``optional``: {name: form} of the request; ``answer``: form of the answer.
    """

    __slots__ = ("about", "answer", "blob", "form")

    def __init__(
        self,
        about: str,
        fields: "Mapping[str, Form] | None" = None,
        answer: "Mapping[str, Form] | Record | None" = None,
        optional: "Mapping[str, Form] | None" = None,
        blob: bool = False,
    ) -> None:
        self.about = about
        self.form = Record(fields or {}, optional)
        self.answer = answer if isinstance(answer, Record) else Record(answer or {})
        self.blob = blob

    def arguments(self, message: "Mapping[str, Any]") -> "dict[str, Any]":
        """Return the fields of ``message`` that belong to this request.

        ValueError when one is missing or does not have its form.
        """
        known = set(self.form.needed) | set(self.form.optional)
        values = {name: message[name] for name in known if name in message}
        try:
            self.form.check(values)
        except FormError as e:
            raise ValueError("%s: %s" % (message.get("do"), e)) from None
        return values

    def check_answer(self, fields: "Mapping[str, Any]", blob_bytes: int = 0) -> None:
        """Raise FormError when ``fields``, without their envelope, do not answer this request."""
        if list(fields) == ["error"]:
            REASONS.check(fields["error"], "error")
        else:
            self.answer.check(fields)
        if blob_bytes and not self.blob:
            raise FormError("it comes with %d bytes" % blob_bytes)


#: of a failed request: a message, perhaps one of several lines
REASONS = Text(1 << 16)
_SPOOL = {"spool_dir": PATH, "run": FILE_NAME, "key": FILE_NAME}

#: what a RecorderService answers
RECORDER_REQUESTS = {
    "prepare": Request(
        "open the sources and allocate the spool",
        {
            "options": OPTIONS,
            "run": FILE_NAME,
            "key": FILE_NAME,
            "facts": Table(Anything(), 64, NAME),
        },
        READY,
    ),
    "clock": Request(
        "note a measurement of this host's clock: offset = local time - coordinator's time",
        {"mono_ns": MOMENT, "offset_ns": Whole(), "bound_ns": MOMENT},
    ),
    "start": Request(
        "sample from tick 0 on: t0_ns and epoch_ns on the coordinator's monotonic and wall clock; "
        "hosts of the run",
        {"t0_ns": MOMENT, "epoch_ns": MOMENT, "capacity": Whole(1, INT64_MAX), "hosts": COUNT},
    ),
    "first": Request(
        "was the first sample taken?", answer={"sampling": Flag(), "failure": Maybe(REASON)}
    ),
    "status": Request(
        "progress so far; empty before the start",
        answer=Record({}, {"taken": Whole(0, INT64_MAX), "last_tick": Whole(-1, INT64_MAX)}),
    ),
    "snapshot": Request("describe this host as it is now", answer={"snapshot": SNAPSHOT}),
    "mark": Request("add a mark to the recording", {"event": EVENT}),
    "flush": Request("decode the staged samples with the next tick, so that replicate sends rows"),
    "replicate": Request(
        "changes of the spool since change set number got; see spool/replica.py",
        {"got": Whole(0, INT64_MAX)},
        {"doc": CHANGE_SET},
        blob=True,
    ),
    "live": Request("the live vector of the newest sample; see live.py", answer=LIVE_VECTOR),
    "stop": Request(
        "take the last row and end sampling; may be repeated",
        answer=STOPPED,
    ),
    "pack": Request(
        "compress the table; heads describe its members (NpzMember.head); may be repeated",
        answer={"facts": FACTS, "heads": Items(HEAD, MEMBERS_MOST)},
        optional={"json": Flag()},
    ),
    "fetch": Request(
        "bytes of a packed member from an offset on, at most size of them",
        {"member": Whole(0, MEMBERS_MOST), "offset": Whole(0, INT64_MAX)},
        optional={"size": Whole(1, INT64_MAX)},
        blob=True,
    ),
    "discard": Request("remove the spool: the table is safe elsewhere"),
    "spools": Request(
        "spools of dead runs below the directories places",
        {"places": Items(PATH, 16)},
        {"spools": Items(FOUND_SPOOL, 1 << 16)},
    ),
    "claim": Request(
        "let nobody else recover run below the directories places, until the next claim or the end "
        "of this process; claimed false: somebody else has claimed it. spools: those that are left",
        {"places": Items(PATH, 16), "run": FILE_NAME, "token": NAME},
        {"claimed": Flag(), "spools": Items(FOUND_SPOOL, 1 << 16)},
    ),
    "adopt": Request(
        "open the spool of a dead run; pack, fetch and discard then apply to it",
        _SPOOL,
        {"about": ABOUT},
    ),
    "check": Request(
        "can this host record? see host/readiness.py; door: where the launch side listens",
        {"spool_dir": PATH},
        HOST_CHECK,
        optional={"door": Record({"addresses": Items(NAME, 256), "port": Whole(1, 65535)})},
    ),
    "time": Request(
        "this host's monotonic and wall clock", answer={"mono_ns": MOMENT, "wall_ns": MOMENT}
    ),
}

#: the first message of an agent on every connection
HELLO = Record(
    {
        "hello": Whole(0, INT64_MAX),
        "identity": IDENTITY,
        "python": NAME,
        "pid": Whole(1, INT64_MAX),
        "prepared": Flag(),
        "wall_ns": MOMENT,
    }
)
