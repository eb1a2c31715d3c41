"""Frames: a JSON document and a blob with a checksum, for a byte stream between two processes."""

import json
import struct
import zlib

from . import strict_json
from .errors import FrameError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Blob = bytes | bytearray | memoryview
    #: message and blob of a frame
    Frame = tuple[dict[str, Any], bytes]

MAGIC = b"\x89MPC"
VERSION = 2  #: of the protocol; both sides refuse any other
JSON_MAX = 32 << 20
BLOB_MAX = 8 << 20
NOISE_MAX = 256 << 10  #: bytes of banners and shell output before the first frame

_HEAD = struct.Struct("<4sIII")


def encode(message: "dict[str, Any]", blob: "Blob" = b"") -> bytes:
    """Return a frame. FrameError when it exceeds the limits of the receiver."""
    body = json.dumps(message).encode()
    if len(body) > JSON_MAX or len(blob) > BLOB_MAX:
        raise FrameError("a message of %d + %d bytes is too large" % (len(body), len(blob)))
    crc = zlib.crc32(blob, zlib.crc32(body))
    return b"".join((_HEAD.pack(MAGIC, len(body), len(blob), crc), body, blob))


class FrameDecoder:
    """Splits a byte stream into frames.

    Bytes before the first frame (banners) are kept in ``noise`` for error messages. ``json_max``,
    ``blob_max``: bytes of the two parts of a frame, at most; ``values_max``: of its JSON.
    """

    def __init__(
        self,
        json_max: int = JSON_MAX,
        blob_max: int = BLOB_MAX,
        values_max: int = strict_json.VALUES_MAX,
    ) -> None:
        self._json_max = json_max
        self._blob_max = blob_max
        self._values_max = values_max
        self._buffer = bytearray()
        self._synced = False
        self.noise = b""

    def feed(self, data: bytes) -> "list[Frame]":
        """Return the frames that are complete now.

        FrameError on damage: the stream is lost then.
        """
        self._buffer += data
        out: "list[Frame]" = []
        while True:
            if not self._synced and not self._find_first():
                return out
            frame = self._next()
            if frame is None:
                return out
            out.append(frame)

    def said(self) -> bytes:
        """Return the noise and the bytes behind it that may be the beginning of a frame."""
        return self.noise if self._synced else self.noise + bytes(self._buffer)

    def _find_first(self) -> bool:
        at = self._buffer.find(MAGIC)
        drop = at if at >= 0 else max(0, len(self._buffer) - len(MAGIC) + 1)
        self.noise += bytes(self._buffer[:drop])
        del self._buffer[:drop]
        if len(self.noise) > NOISE_MAX:
            raise FrameError("%d bytes of other output instead of an answer" % len(self.noise))
        self._synced = at >= 0
        return self._synced

    def _next(self) -> "Frame | None":
        while self._buffer[:1] == b"\n":
            del self._buffer[:1]
        if len(self._buffer) < _HEAD.size:
            return None
        magic, json_size, blob_size, crc = _HEAD.unpack_from(self._buffer)
        if magic != MAGIC:
            raise FrameError("no frame where one should begin: %r" % bytes(self._buffer[:16]))
        if json_size > self._json_max or blob_size > self._blob_max:
            raise FrameError("a frame of %d + %d bytes" % (json_size, blob_size))
        end = _HEAD.size + json_size + blob_size
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[_HEAD.size : _HEAD.size + json_size])
        blob = bytes(self._buffer[_HEAD.size + json_size : end])
        del self._buffer[:end]
        if zlib.crc32(blob, zlib.crc32(body)) != crc:
            raise FrameError("a frame with a wrong checksum")
        try:
            message = strict_json.loads(body, self._values_max)
        except ValueError as e:
            raise FrameError("a frame that is no JSON: %s" % e) from e
        if not isinstance(message, dict):
            raise FrameError("a frame that is not a JSON object")
        return message, blob
