"""For all tests: runs write no page unless a test asks for it; drawing it takes longer than a run.

SIGHUP has its default action, also where the tests were started by nohup.
"""

from __future__ import annotations

import os
import signal

os.environ.setdefault("MPI_COLLECTOR_REPORT", "never")
signal.signal(signal.SIGHUP, signal.SIG_DFL)
