"""Small files under a root, bounded, and never a reason to fail."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LARGE = 4 << 20  #: of a file that is parsed; what is longer is cut there


class HostFiles:
    """Reads under ``root``; what could not be read is noted in ``errors`` {path: reason} where somebody asked for it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.errors: dict = {}

    def path(self, *parts: str) -> str:
        return os.path.join(self.root, *parts)

    def text(self, path: str, note: bool = False) -> str:
        """The text of a file, "" when there is none; ``note``: and say so."""
        try:
            fd = os.open(self.path(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                chunks, size = [], 0
                while size < LARGE:
                    chunk = os.read(fd, 1 << 16)
                    if not chunk:
                        break
                    chunks.append(chunk)
                    size += len(chunk)
            finally:
                os.close(fd)
        except (OSError, ValueError) as e:
            if note:
                self.errors[path] = getattr(e, "strerror", None) or str(e)
            return ""
        return b"".join(chunks).decode("utf-8", "backslashreplace")

    def word(self, path: str) -> "Any":
        """The text without blanks around it, None when it is empty or not there."""
        return self.text(path).strip() or None

    def number(self, path: str) -> "Any":
        """An integer, None when it is none."""
        try:
            return int(self.text(path).strip())
        except ValueError:
            return None

    def names(self, path: str) -> list:
        """What a directory holds, sorted; [] when there is none."""
        try:
            return sorted(os.listdir(self.path(path)))
        except OSError:
            return []

    def is_dir(self, path: str) -> bool:
        return os.path.isdir(self.path(path))

    def exists(self, path: str) -> bool:
        return os.path.lexists(self.path(path))

    def target(self, path: str) -> "Any":
        """Last part of what a symlink points to, None when it is none."""
        try:
            return os.path.basename(os.readlink(self.path(path))) or None
        except OSError:
            return None

    def real(self, path: str) -> str:
        return os.path.realpath(self.path(path))
