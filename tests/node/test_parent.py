"""The death of a parent wakes its child, with a descriptor of the kernel and without."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

_CHILD = """
import os, sys
from mpi_collector.node.compat import readable
from mpi_collector.node.parent import Parent
if not int(sys.argv[1]):
    del os.pidfd_open
parent = Parent()
print("waiting", parent.fd >= 0, parent.is_gone(), flush=True)
while not parent.is_gone():
    readable([parent.fd] if parent.fd >= 0 else [], parent.timeout_s)
print("woken", os.getppid() != parent.pid, flush=True)
"""
_PARENT = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]]).wait()
"""


@pytest.mark.parametrize("pidfd", [True, False])
def test_a_killed_parent_is_noticed(pidfd: bool) -> None:
    if pidfd and not hasattr(os, "pidfd_open"):
        pytest.skip("Python 3.8 or older")
    words = [sys.executable, "-c", _PARENT, _CHILD, str(int(pidfd))]
    parent = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == f"waiting {pidfd} False\n"
    parent.send_signal(signal.SIGKILL)
    assert parent.stdout.read() == "woken True\n"
    parent.wait(10)
    parent.stdout.close()
