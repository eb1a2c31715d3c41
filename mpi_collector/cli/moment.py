"""Moments on the command line: a date with its zone, or seconds from the start of a recording."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_OFFSET = re.compile(r"\+(\d{1,9})(?:[.,](\d{1,9}))?s?", re.ASCII)
_DATE = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)? ?(.*)",
    re.ASCII | re.IGNORECASE,
)
_ZONE = re.compile(r"([+-])(\d\d)(?::?(\d\d))?", re.ASCII)
_S = 10**9
_HELP = "2026-01-05T12:00:05Z, 2026-01-05 13:00:05+01:00, or +5 for 5 s after the start"


def parse_moment(text: str, start_ns: int) -> int:
    """Return UTC ns. ``start_ns``: of the recording. ValueError says how moments are written."""
    text = text.strip()
    offset = _OFFSET.fullmatch(text)
    if offset:
        return start_ns + _ns(*offset.groups())
    date = _DATE.fullmatch(text)
    if date is None:
        raise ValueError(f"{text!r} is no time; write {_HELP}")
    year, month, day, hour, minute, second, fraction, zone = date.groups()
    if not zone:
        raise ValueError(f"{text!r} has no time zone; write {_HELP}")
    numbers = (int(year), int(month), int(day), int(hour), int(minute), int(second or 0))
    try:
        at = datetime(*numbers, tzinfo=_zone(zone)) - datetime(1970, 1, 1, tzinfo=timezone.utc)
    except (ValueError, OverflowError) as e:
        raise ValueError(f"{text!r} is no time: {e}; write {_HELP}") from None
    return (at.days * 86400 + at.seconds) * _S + _ns("0", fraction)


def _ns(seconds: str, fraction: str | None) -> int:
    return int(seconds) * _S + int((fraction or "0").ljust(9, "0"))


def _zone(text: str) -> timezone:
    """Return the zone of ``Z``, ``UTC`` or ``+01:00``. ValueError for any other text."""
    if text.upper() in ("Z", "UTC", "GMT"):
        return timezone.utc
    found = _ZONE.fullmatch(text)
    if found is None:
        raise ValueError(f"zone {text!r} is neither Z nor +HH:MM")
    sign, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return timezone(-offset if sign == "-" else offset)


def utc_text(utc_ns: int) -> str:
    """Return ``2026-01-05T12:00:05Z``."""
    at = datetime.fromtimestamp(utc_ns // _S, timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
