"""Requests to the process that records a host, and the form of their answers.

They are the same over ssh, a pipe and MPI.

A request is a JSON object ``{"do": NAME, FIELD: VALUE, ...}``. The answer is a JSON object and,
where ``blob`` is set, bytes. A request that fails is answered by ``{"error": TEXT}``. Over a stream
both are frames (node/frames.py): the request carries an ``id``, which its answer repeats, and the
blob is part of the frame. Over MPI an answer carries ``"answer": NAME``, and ``"bytes": LENGTH``
when a blob follows as a message of its own. The two sides are always of the same version: see
frames.VERSION.
"""

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

TEXT_OR_NONE = (str, type(None))


class Request:
    """Form of one request.

    ``fields``, ``optional`` and ``answer``: {name: type or tuple of types}.
    """

    __slots__ = ("about", "answer", "blob", "fields", "optional")

    def __init__(
        self,
        about: str,
        fields: "Mapping[str, Any]" = {},  # noqa: B006 - never changed
        answer: "Mapping[str, Any]" = {},  # noqa: B006
        optional: "Mapping[str, Any]" = {},  # noqa: B006
        blob: bool = False,
    ) -> None:
        self.about = about
        self.fields = fields
        self.answer = answer
        self.optional = optional
        self.blob = blob

    def arguments(self, message: "Mapping[str, Any]") -> "dict[str, Any]":
        """Return the fields of ``message`` that belong to this request.

        ValueError when one is missing or of another type.
        """
        values = {name: message[name] for name in self.fields if name in message}
        values.update({name: message[name] for name in self.optional if name in message})
        problem = misfit(
            values, dict(self.fields, **{k: self.optional[k] for k in self.optional if k in values})
        )
        if problem:
            raise ValueError("%s: %s" % (message.get("do"), problem))
        return values


def misfit(values: "Mapping[str, Any]", types: "Mapping[str, Any]") -> str:
    """Return the first difference between ``values`` and the form ``types``, or "" when there is
    none.
    """
    for name in sorted(types):
        if name not in values:
            return "field %r is missing" % name
        if not isinstance(values[name], types[name]):
            return "field %r is of type %s" % (name, type(values[name]).__name__)
    return ""


_SPOOL = {"spool_dir": str, "run": str, "key": str}

#: what a RecorderService answers
RECORDER_REQUESTS = {
    "prepare": Request(
        "open the sources and allocate the spool",
        {"options": dict, "run": str, "key": str, "facts": dict},
        {"rows": int, "spool": TEXT_OR_NONE, "absent": dict, "columns": int, "warnings": list},
    ),
    "clock": Request(
        "note a measurement of this host's clock: offset = local time - coordinator's time",
        {"mono_ns": int, "offset_ns": int, "bound_ns": int},
    ),
    "start": Request(
        "sample from tick 0 on: t0_ns and epoch_ns on the coordinator's monotonic and wall clock",
        {"t0_ns": int, "epoch_ns": int, "capacity": int},
    ),
    "first": Request(
        "was the first sample taken?", answer={"sampling": bool, "failure": TEXT_OR_NONE}
    ),
    "status": Request("progress so far; empty before the start"),
    "snapshot": Request("describe this host as it is now", answer={"snapshot": dict}),
    "mark": Request("add a mark to the recording", {"event": dict}),
    "flush": Request("decode the staged samples with the next tick, so that replicate sends rows"),
    "replicate": Request(
        "changes of the spool since change set number got; see spool/replica.py",
        {"got": int},
        {"doc": dict},
        blob=True,
    ),
    "stop": Request(
        "take the last row and end sampling; may be repeated",
        answer={"samples": int, "last_tick": int, "failure": TEXT_OR_NONE},
    ),
    "pack": Request(
        "compress the table; heads describe its members (NpzMember.head); may be repeated",
        answer={"facts": dict, "heads": list},
        optional={"json": bool},
    ),
    "fetch": Request(
        "bytes of a packed member from an offset on, at most size of them",
        {"member": int, "offset": int},
        optional={"size": int},
        blob=True,
    ),
    "discard": Request("remove the spool: the table is safe elsewhere"),
    "spools": Request(
        "spools of dead runs below the directories places", {"places": list}, {"spools": list}
    ),
    "adopt": Request(
        "open the spool of a dead run; pack, fetch and discard then apply to it",
        _SPOOL,
        {"about": dict},
    ),
    "check": Request("can this host record? see host/readiness.py", {"spool_dir": str}),
    "time": Request(
        "this host's monotonic and wall clock", answer={"mono_ns": int, "wall_ns": int}
    ),
}
