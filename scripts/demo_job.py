#!/usr/bin/env python3
"""A small storage job with distinct phases: write with fsync, read from the device, idle."""

from __future__ import annotations

import os
import tempfile
import time

BLOCK = os.urandom(1 << 20)
FILE_MB = 48
PHASE_S = 2.5


def write(path: str) -> int:
    """Write and fsync files over and over for a phase. Returns MB written."""
    written, end = 0, time.monotonic() + PHASE_S
    while time.monotonic() < end:
        with open(path, "wb", buffering=0) as f:
            for n in range(FILE_MB):
                f.write(BLOCK)
                if n % 16 == 15:
                    os.fsync(f.fileno())
        written += FILE_MB
    return written


def read(path: str) -> int:
    """Read the file from the device, not from the page cache, for a phase. Returns MB read."""
    got, end = 0, time.monotonic() + PHASE_S
    with open(path, "rb", buffering=0) as f:
        while time.monotonic() < end:
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            f.seek(0)
            while f.read(1 << 20):
                pass
            got += FILE_MB
    return got


def main() -> None:
    with tempfile.TemporaryDirectory(dir=".") as directory:
        path = os.path.join(directory, "data")
        print("phase 1: writing with fsync", flush=True)
        print(f"         {write(path)} MB", flush=True)
        print("phase 2: reading back", flush=True)
        print(f"         {read(path)} MB", flush=True)
        print("phase 3: idle", flush=True)
        time.sleep(PHASE_S)


if __name__ == "__main__":
    main()
