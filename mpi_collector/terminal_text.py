"""Text from hosts, files and other programs, made safe to print.

A host name, a path, a mark or another program's error message may hold control characters, escape
sequences or marks that reverse the direction of writing. No such text reaches a terminal, a page or
a message before it went through here.
"""

from __future__ import annotations

_QUOTED_CHARS = 60
_REMOTE_CHARS = 300
_LINE_CHARS = 600

LINE_CHARACTERS = "\n\t"  #: to keep in text of several lines


def safe_text(
    text: object, *, keep: str = "", ascii_only: bool = False, replacement: str | None = None
) -> str:
    """Return ``str(text)`` with unprintable characters written as escapes (``\\x1b``).

    keep: characters that stay as they are. ascii_only: escape what is not ASCII, too. replacement:
    stands for each such character in place of its escape.
    """
    return "".join(
        c
        if c in keep or (c.isprintable() and (c.isascii() or not ascii_only))
        else (ascii(c)[1:-1] if replacement is None else replacement)
        for c in str(text)
    )


def quoted(text: str) -> str:
    """Return ``text`` quoted for a message, in ASCII and cut to 60 characters."""
    short = text if len(text) <= _QUOTED_CHARS else text[: _QUOTED_CHARS - 3] + "..."
    return ascii(short)


def cut_in_the_middle(text: str, limit: int = _LINE_CHARS) -> str:
    """Return ``text`` of at most about ``limit`` characters, with the number of those left out."""
    if len(text) <= limit:
        return text
    head, tail = limit * 2 // 3, limit // 3
    return f"{text[:head]} ... {len(text) - head - tail:,} characters ... {text[-tail:]}"


def remote_text(text: str) -> str:
    """Return the first 300 characters of another host's message, ``?`` for unprintable ones."""
    return safe_text(text, replacement="?")[:_REMOTE_CHARS]
