"""A JSON list of hosts that is kept on disk until its documents are written."""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class _Place(NamedTuple):
    """Where the text of a host is in the file, bytes."""

    at: int
    size: int
    head: int  #: size of its first part, without the brace behind it


class HostList:
    """JSON objects by host, in a file without a name in ``directory``.

    A document has a placeholder in place of a list, until ``pieces`` makes its text: ``whole`` for
    the objects, ``heads`` for their first parts, ``names`` for nothing but ``hostname``.
    """

    def __init__(self, directory: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - lives as long as this
        self._places: dict[str, _Place] = {}
        self._end = 0
        self.order: Sequence[str] = ()  #: hosts in the order of the list
        self.rest: Sequence[Mapping[str, object]] = ()  #: what follows the hosts in the list
        self.whole, self.heads, self.names = (f"hosts {secrets.token_hex(16)}" for _ in range(3))

    def add(
        self, key: str, host: Mapping[str, object], further: Mapping[str, object] | None = None
    ) -> None:
        """Add the object of a host, which has ``further`` keys behind its first part."""
        text = json.dumps(host).encode()
        head = len(text) - 1
        if further:
            text = text[:-1] + b", " + json.dumps(further).encode()[1:]
        self._places[key] = _Place(self._end, len(text), head)
        self._file.write(text)
        self._end += len(text)

    @property
    def lists(self) -> dict[str, Callable[[], Iterator[bytes]]]:
        """Return {placeholder: what makes the text of each host}, in order, then ``rest``."""
        return {
            self.whole: lambda: self._texts(lambda key, at: self._read(at.at, at.size)),
            self.heads: lambda: self._texts(lambda key, at: self._read(at.at, at.head) + b"}"),
            self.names: lambda: self._texts(lambda key, at: _json({"hostname": key})),
        }

    def _texts(self, text_of: Callable[[str, _Place], bytes]) -> Iterator[bytes]:
        for key in self.order:
            if key in self._places:
                yield text_of(key, self._places[key])
        yield from map(_json, self.rest)

    def _read(self, at: int, size: int) -> bytes:
        self._file.seek(at)
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def pieces(document: Mapping[str, object], lists: Sequence[HostList]) -> Iterator[bytes]:
    """Yield the JSON text of ``document`` with the lists in place of their placeholders.

    One line a host. A list may stand in several places or in none.
    """
    rest = json.dumps(document, indent=1)
    by_text = {f'"{name}"': texts for hosts in lists for name, texts in hosts.lists.items()}
    while found := [(at, text) for text in by_text if (at := rest.find(text)) >= 0]:
        at, text = min(found)
        yield rest[:at].encode() + b"["
        for n, host in enumerate(by_text[text]()):
            yield (b",\n" if n else b"\n") + host
        yield b"]"
        rest = rest[at + len(text) :]
    yield rest.encode() + b"\n"
