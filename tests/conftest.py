"""For all tests: a run writes its page only where a test asks for it, since drawing it takes longer than most runs."""

from __future__ import annotations

import os

os.environ.setdefault("MPI_COLLECTOR_REPORT", "never")
