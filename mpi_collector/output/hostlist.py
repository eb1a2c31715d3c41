"""The hosts of ``cluster_info.json`` and ``metadata.json``, on disk until they are asked for: there may be thousands."""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


class HostList:
    """JSON objects by host, kept in a nameless file in ``directory``.

    ``placeholder`` stands for the list in a document until that is written (``pieces``).
    """

    def __init__(self, directory: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - lives as long as this
        self._places: dict[str, tuple[int, int]] = {}
        self._end = 0
        self.order: Sequence[str] = ()
        self.rest: Sequence[Mapping[str, object]] = ()  #: what follows the hosts in the list
        self.placeholder = f"hosts {secrets.token_hex(16)}"

    def add(self, key: str, host: object) -> None:
        text = json.dumps(host).encode()
        self._places[key] = (self._end, len(text))
        self._file.write(text)
        self._end += len(text)

    def __iter__(self) -> Iterator[bytes]:
        """Every object in the order of ``order``, then the rest."""
        for key in self.order:
            if key in self._places:
                at, size = self._places[key]
                self._file.seek(at)
                yield self._file.read(size)
        for item in self.rest:
            yield json.dumps(item).encode()

    def close(self) -> None:
        self._file.close()


def pieces(document: object, lists: Sequence[HostList]) -> Iterator[bytes]:
    """The JSON text of ``document`` with the lists in the places of their placeholders; a line a host."""
    rest = json.dumps(document, indent=1)
    by_name = {f'"{one.placeholder}"': one for one in lists}
    while by_name:
        found = [(rest.find(name), name) for name in by_name]
        at, name = min(((i, name) for i, name in found if i >= 0), default=(-1, ""))
        if at < 0:
            break
        yield rest[:at].encode() + b"["
        for n, host in enumerate(by_name[name]):
            yield (b",\n" if n else b"\n") + host
        yield b"]"
        rest = rest[at + len(name) :]
    yield rest.encode() + b"\n"
