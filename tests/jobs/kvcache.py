"""A small key-value cache replay: puts and gets of a skewed key stream against files, with evictions."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections import OrderedDict


def main(seconds: float = 1.5, capacity: int = 64) -> None:
    rng, block = random.Random(7), os.urandom(1 << 18)
    hits = misses = 0
    with tempfile.TemporaryDirectory() as directory:
        cache: OrderedDict[int, str] = OrderedDict()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            key = min(int(rng.paretovariate(0.8)), 10_000)
            if key in cache:
                hits += 1
                cache.move_to_end(key)
                with open(cache[key], "rb") as f:
                    assert len(f.read()) == len(block)
                continue
            misses += 1
            path = os.path.join(directory, str(key))
            with open(path, "wb") as f:
                f.write(block)
                os.fsync(f.fileno())
            cache[key] = path
            if len(cache) > capacity:
                os.unlink(cache.popitem(last=False)[1])
    print(f"done: {hits} hits, {misses} misses")


if __name__ == "__main__":
    main()
