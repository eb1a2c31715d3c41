"""An agent whose connection hangs: it neither waits for ever nor keeps the next connection waiting."""

from __future__ import annotations

import time

import pytest
from agentkit import Served, ask_for_the_table, heard

from mpi_collector.node.frames import encode


def test_nobody_reads() -> None:
    """A cable that is pulled while a table is sent closes no connection: the agent ends."""
    served = Served(orphan_s=1.0)
    session = served.session()
    ask_for_the_table(session)
    served.thread.join(20)
    assert not served.thread.is_alive()
    session.close()


@pytest.mark.parametrize("before", ["stuck", "quiet"])
def test_the_next_session_is_served(before: str) -> None:
    """A connection that is silent, or whose launcher reads nothing, is replaced by the next one."""
    served = Served(orphan_s=60.0)
    session = served.session()
    if before == "stuck":
        ask_for_the_table(session)
        time.sleep(0.5)
    again = served.session()
    assert heard(again)["prepared"]
    again.sendall(encode({"do": "quit", "id": 3}, b""))
    served.thread.join(20)
    assert not served.thread.is_alive()
    session.close()
