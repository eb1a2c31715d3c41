"""Small files below a root directory, read up to a limit; a missing file is never an error."""

import os

MAX_BYTES = 4 << 20  #: of a file; the rest is not read


class HostFiles:
    """Files below ``root``.

    ``errors`` is {path: why it could not be read} of those whose caller asks for it.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.errors: "dict[str, str]" = {}

    def path(self, *parts: str) -> str:
        """Return a path below the root directory."""
        return os.path.join(self.root, *parts)

    def text(self, path: str, note: bool = False) -> str:
        """Return the text of a file, "" if it cannot be read; ``note``: then add it to ``errors``.

        Bytes that are not UTF-8 become escapes.
        """
        try:
            data = self._read(path)
        except (OSError, ValueError) as e:
            if note:
                self.errors[path] = getattr(e, "strerror", None) or str(e)
            return ""
        return data.decode("utf-8", "backslashreplace")

    def _read(self, path: str) -> bytes:
        fd = os.open(self.path(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            chunks = []
            size = 0
            while size < MAX_BYTES:
                chunk = os.read(fd, 1 << 16)
                if not chunk:
                    break
                chunks.append(chunk)
                size += len(chunk)
        finally:
            os.close(fd)
        return b"".join(chunks)

    def word(self, path: str) -> "str | None":
        """Return the text without surrounding blanks, None if nothing is left."""
        return self.text(path).strip() or None

    def number(self, path: str) -> "int | None":
        """Return the integer in a file, None if there is none."""
        try:
            return int(self.text(path).strip())
        except ValueError:
            return None

    def names(self, path: str) -> "list[str]":
        """Return the sorted names in a directory, [] if it cannot be read."""
        try:
            return sorted(os.listdir(self.path(path)))
        except OSError:
            return []

    def is_dir(self, path: str) -> bool:
        return os.path.isdir(self.path(path))

    def exists(self, path: str) -> bool:
        """Return whether there is a file, a directory or a symlink."""
        return os.path.lexists(self.path(path))

    def target(self, path: str) -> "str | None":
        """Return the last part of what a symlink points to, None if it is not a symlink."""
        try:
            return os.path.basename(os.readlink(self.path(path))) or None
        except OSError:
            return None

    def real(self, path: str) -> str:
        """Return the path without symlinks."""
        return os.path.realpath(self.path(path))
