"""For all tests: a run writes its page only where a test asks for it, since drawing it takes longer than most runs.

SIGHUP does what it does by default, also where the tests were started by nohup.
"""

from __future__ import annotations

import os
import signal

os.environ.setdefault("MPI_COLLECTOR_REPORT", "never")
signal.signal(signal.SIGHUP, signal.SIG_DFL)
