"""A RecoveryTransport whose coordinator is rank 0 of a launch of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mpi_collector.errors import TransportError
from mpi_collector.node.errors import RunClaimedError
from mpi_collector.node.options import SamplingOptions
from mpi_collector.transport.base import Sink
from mpi_collector.transport.launch.command_line import LaunchCommand
from mpi_collector.transport.launch.control_client import ControlClient

_ADOPT_S = 90.0
_DROP_S = 60.0


class ControlRecoveryClient(ControlClient):
    """RecoveryTransport over a launch of its own."""

    def __init__(
        self,
        options: SamplingOptions,
        run: str,
        launch: LaunchCommand,
        names: Mapping[str, str],
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        super().__init__(options, run, launch, names, say)
        self._unreached: dict[str, str] = {}
        self._identities: dict[str, dict[str, Any]] = {}

    @property
    def unreached(self) -> dict[str, str]:
        return self._unreached

    def spools(self) -> dict[str, list[dict[str, Any]]]:
        """Launch the ranks and return {host: its spools}.

        TransportError when the launch does not start.
        """
        try:
            answer = self._launch("spools")
        except (RuntimeError, OSError) as e:
            raise TransportError(f"the launch failed: {e}") from e
        self._unreached = answer["unreached"]
        self._identities = answer["identities"]
        return dict(answer["spools"])

    def identity(self, host: str) -> Mapping[str, Any]:
        return self._identities[host]

    def claim(self, run: str) -> dict[str, list[dict[str, Any]]]:
        answer = self._request("claim", _ADOPT_S, run=run)
        self._unreached = answer["unreached"]
        if answer["elsewhere"] is not None:
            raise RunClaimedError(answer["elsewhere"])
        return dict(answer["spools"])

    def adopt(self, host: str, place: str, run: str, key: str) -> dict[str, Any]:
        answer = self._request("adopt", _ADOPT_S, host=host, place=place, run=run, key=key)
        return dict(answer["about"])

    def take_adopted(self, host: str, sink: Sink) -> None:
        self._request_with_events("take_adopted", sink, host=host)

    def drop_adopted(self, host: str) -> None:
        self._request("drop_adopted", _DROP_S, host=host)
