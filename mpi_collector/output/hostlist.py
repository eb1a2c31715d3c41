"""A JSON list of hosts that is kept on disk until its document is written."""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class _Place(NamedTuple):
    """Where the text of a host is in the file, bytes."""

    at: int
    size: int


class HostList:
    """JSON objects by host, in a file without a name in ``directory``.

    A document has ``placeholder`` in place of the list, until ``pieces`` makes its text.
    """

    def __init__(self, directory: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - lives as long as this
        self._places: dict[str, _Place] = {}
        self._end = 0
        self.order: Sequence[str] = ()  #: hosts in the order of the list
        self.rest: Sequence[Mapping[str, object]] = ()  #: what follows the hosts in the list
        self.placeholder = f"hosts {secrets.token_hex(16)}"

    def add(self, key: str, host: Mapping[str, object]) -> None:
        text = json.dumps(host).encode()
        self._places[key] = _Place(self._end, len(text))
        self._file.write(text)
        self._end += len(text)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the text of each host in the order of ``order``, then of ``rest``."""
        for key in self.order:
            if key in self._places:
                place = self._places[key]
                self._file.seek(place.at)
                yield self._file.read(place.size)
        for item in self.rest:
            yield json.dumps(item).encode()

    def close(self) -> None:
        self._file.close()


def pieces(document: Mapping[str, object], lists: Sequence[HostList]) -> Iterator[bytes]:
    """Yield the JSON text of ``document`` with the lists in place of their placeholders.

    One line a host. A list may stand in several places or in none.
    """
    rest = json.dumps(document, indent=1)
    by_text = {f'"{hosts.placeholder}"': hosts for hosts in lists}
    while found := [(at, text) for text in by_text if (at := rest.find(text)) >= 0]:
        at, text = min(found)
        yield rest[:at].encode() + b"["
        for n, host in enumerate(by_text[text]):
            yield (b",\n" if n else b"\n") + host
        yield b"]"
        rest = rest[at + len(text) :]
    yield rest.encode() + b"\n"
