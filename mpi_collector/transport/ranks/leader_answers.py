"""Rank 0 takes what the leaders answer to ``prepare`` and to ``stop``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from mpi_collector.errors import MessageError
from mpi_collector.node.agent.messages import StopReport
from mpi_collector.node.options import SamplingOptions
from mpi_collector.transport.agreement import check_ready
from mpi_collector.transport.deadline import CUT_OFF_S, Hurry
from mpi_collector.transport.ranks.inbox import Inbox
from mpi_collector.transport.ranks.leaders import Leaders
from mpi_collector.transport.ranks.messages import answer_fields


def take_ready(inbox: Inbox, leaders: Leaders, options: SamplingOptions) -> None:
    """Wait until every leader has prepared its recorder; note those that have not in time."""
    limit_s = options.start_timeout_s
    answers = inbox.wait_for(leaders.alive(), "prepare", limit_s)
    for rank in leaders.alive():
        host = leaders[rank]
        if rank not in answers:
            host.mark_lost(f"not ready within {limit_s:g} s")
            continue
        try:
            host.ready = check_ready(answer_fields(answers[rank]), options)
        except MessageError as e:
            host.error = str(e)


def take_reports(
    inbox: Inbox, leaders: Leaders, ranks: Iterable[int], limit_s: float, hurry: Hurry
) -> list[int]:
    """Wait for the reports of ``ranks``; return those that have answered.

    Who has not answered within ``limit_s`` is lost; a host that is cut off has less time.
    """
    cut_off = {rank for rank in ranks if leaders[rank].cut_off}
    answered = _take(inbox, leaders, set(ranks) - cut_off, limit_s, hurry)
    return answered + _take(inbox, leaders, cut_off, min(limit_s, CUT_OFF_S), hurry)


def _take(
    inbox: Inbox, leaders: Leaders, ranks: set[int], limit_s: float, hurry: Hurry
) -> list[int]:
    answers = inbox.wait_for(ranks, "stop", limit_s)
    for rank in ranks:
        host = leaders[rank]
        answer = answers.get(rank)
        if answer is None:
            late = hurry.reason(f"did not answer the stop within {limit_s:g} s")
            host.mark_lost(f"{host.cut_off}; it {late}" if host.cut_off else late)
        elif "error" not in answer:
            host.stopped = cast(StopReport, answer_fields(answer))
    return sorted(answers)
