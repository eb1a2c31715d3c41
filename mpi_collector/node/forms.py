"""Forms: what a message or a document from another process may look like.

A form is declared once, as a value, and checks what has arrived: types, bounds, keys, nesting. What
has passed needs no further look before it is used. A tuple counts as a list, as JSON writes it.
"""

import math

from .errors import FormError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Mapping, Tuple, Union

    #: where a value is: "", or the place of what holds it and a name there; it is text only in a
    #: message, since to make the text of every place took a third of the time
    Place = Union[str, Tuple["Place", str]]

INT64_MAX = 2**63 - 1
_SHOWN_CHARS = 40  #: of a name in a message


class Form:
    """A form. ``check`` raises FormError with the place of the first value that does not fit."""

    def check(self, value: "Any", where: "Place" = "") -> None:
        raise NotImplementedError


def _wrong(where: "Place", what: str) -> FormError:
    shown = _shown(where)
    return FormError("%s %s" % (("field %r" % shown) if shown else "it", what))


def _shown(where: "Place") -> str:
    """Return a place as text: ``snapshot.mounts[].device``."""
    if isinstance(where, str):
        return where
    outer = _shown(where[0])
    name = where[1]
    if name in ("[]", "{}"):
        return outer + name
    name = name[:_SHOWN_CHARS]
    return "%s.%s" % (outer, name) if outer else name


def _of_type(where: "Place", value: object) -> FormError:
    return _wrong(where, "is of type %s" % type(value).__name__)


class Whole(Form):
    """An integer from ``low`` to ``high``; true and false are none."""

    def __init__(self, low: int = -(2**63), high: int = INT64_MAX) -> None:
        self.low = low
        self.high = high

    def check(self, value: "Any", where: "Place" = "") -> None:
        if type(value) is not int:
            raise _of_type(where, value)
        if not self.low <= value <= self.high:
            raise _wrong(where, "is out of bounds")


class Real(Form):
    """A finite number."""

    def check(self, value: "Any", where: "Place" = "") -> None:
        if type(value) not in (int, float):
            raise _of_type(where, value)
        if not math.isfinite(value):
            raise _wrong(where, "is not finite")


class Flag(Form):
    """True or false."""

    def check(self, value: "Any", where: "Place" = "") -> None:
        if type(value) is not bool:
            raise _of_type(where, value)


class Text(Form):
    """A string of at most ``most`` characters; ``valid``: returns False for others to refuse."""

    def __init__(self, most: int, valid: "Callable[[str], object] | None" = None) -> None:
        self.most = most
        self.valid = valid

    def check(self, value: "Any", where: "Place" = "") -> None:
        if type(value) is not str:
            raise _of_type(where, value)
        if len(value) > self.most:
            raise _wrong(where, "has %d characters" % len(value))
        if self.valid is not None and not self.valid(value):
            raise _wrong(where, "is not allowed: %r" % value[:_SHOWN_CHARS])


class OneOf(Form):
    """One of a few strings."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def check(self, value: "Any", where: "Place" = "") -> None:
        if type(value) is not str:
            raise _of_type(where, value)
        if value not in self.words:
            raise _wrong(where, "is none of %s" % ", ".join(self.words))


class Maybe(Form):
    """Null, or what ``form`` says."""

    def __init__(self, form: Form) -> None:
        self.form = form

    def check(self, value: "Any", where: "Place" = "") -> None:
        if value is not None:
            self.form.check(value, where)


class Items(Form):
    """A list of ``least`` to ``most`` values of one form."""

    def __init__(self, form: Form, most: int, least: int = 0) -> None:
        self.form = form
        self.most = most
        self.least = least

    def check(self, value: "Any", where: "Place" = "") -> None:
        if type(value) not in (list, tuple):
            raise _of_type(where, value)
        if not self.least <= len(value) <= self.most:
            raise _wrong(where, "has %d entries" % len(value))
        place = (where, "[]")
        for item in value:
            self.form.check(item, place)


class Table(Form):
    """An object of at most ``most`` values of one form, under keys of the form ``key``."""

    def __init__(self, form: Form, most: int, key: Form) -> None:
        self.form = form
        self.most = most
        self.key = key

    def check(self, value: "Any", where: "Place" = "") -> None:
        if type(value) is not dict:
            raise _of_type(where, value)
        if len(value) > self.most:
            raise _wrong(where, "has %d entries" % len(value))
        place = (where, "{}")
        for key, item in value.items():
            self.key.check(key, place)
            self.form.check(item, place)


class Record(Form):
    """An object with known keys: those of ``needed`` always, those of ``optional`` perhaps.

    ``further``: the form of the values under any other key; None: there is no other key.
    """

    def __init__(
        self,
        needed: "Mapping[str, Form]",
        optional: "Mapping[str, Form] | None" = None,
        further: "Form | None" = None,
    ) -> None:
        self.needed = needed
        self.optional = optional or {}
        self.further = further
        self._forms = dict(self.optional, **needed)

    def check(self, value: "Any", where: "Place" = "") -> None:
        if type(value) is not dict:
            raise _of_type(where, value)
        for name in self.needed:
            if name not in value:
                raise _wrong((where, name), "is missing")
        for name, item in value.items():
            form = self._forms.get(name) or self.further
            if form is None:
                raise _wrong((where, name), "is not known")
            form.check(item, (where, name))


class Anything(Form):
    """Any JSON value nested at most ``depth`` times, its strings ``most`` characters long at most.

    Integers are those of 64 bits, signed or not.
    """

    def __init__(self, depth: int = 8, most: int = 1 << 16) -> None:
        self.depth = depth
        self.most = most

    def check(self, value: "Any", where: "Place" = "") -> None:
        if type(value) is not int or not -(2**63) <= value < 2**64:  # most are such integers
            self._check(value, where, self.depth)

    def _check(self, value: "Any", where: "Place", depth: int) -> None:
        kind = type(value)
        if kind in (dict, list, tuple):
            if not depth:
                raise _wrong(where, "is nested too deeply")
            for item in value.values() if kind is dict else value:
                self._check(item, where, depth - 1)
        elif kind is str:
            if len(value) > self.most:
                raise _wrong(where, "has a text of %d characters" % len(value))
        elif kind is int:
            if not -(2**63) <= value < 2**64:
                raise _wrong(where, "has an integer out of bounds")
        elif kind is float:
            if not math.isfinite(value):
                raise _wrong(where, "has a number that is not finite")
        elif kind is not bool and value is not None:
            raise _of_type(where, value)


#: an object without fields
NOTHING = Record({})


# ---- forms that many messages and documents share
NAME_BYTES = 255  #: of a file's name
PATH_CHARS = 4096

NAME = Text(1024)  #: of a column, a device, an option
PATH = Text(PATH_CHARS)
REASON = Text(4096)  #: a message for people
MOMENT = Whole(0)  #: of a clock, ns
COUNT = Whole(0, 1 << 48)


def is_file_name(name: str) -> bool:
    """Return whether ``name`` can name a file of ours: it is no path, hidden, or too long."""
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        return False
    return len(name.encode("utf-8", "replace")) <= NAME_BYTES


def file_name_of(name: str) -> str:
    """Return ``name`` if it can name a file of ours, else what is left of it as such a name."""
    if is_file_name(name):
        return name
    kept = "".join(c if c.isalnum() or c in "._-" else "_" for c in name[: NAME_BYTES // 4])
    return "_" + kept if not kept or kept.startswith(".") else kept


#: of a host, a run
FILE_NAME = Text(NAME_BYTES, is_file_name)
