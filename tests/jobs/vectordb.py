"""A small vector search: an index on disk that is memory-mapped, probed and re-ranked."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np


def main(seconds: float = 1.5, count: int = 20_000, width: int = 64) -> None:
    rng = np.random.default_rng(7)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "index.npy"
        np.save(path, rng.standard_normal((count, width), dtype=np.float32))
        index = np.load(path, mmap_mode="r")
        searches, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            query = rng.standard_normal(width, dtype=np.float32)
            best = np.argpartition(index @ query, -10)[-10:]
            assert len(best) == 10
            searches += 1
            time.sleep(0.005)
    print(f"done: {searches} searches")


if __name__ == "__main__":
    main()
