"""The hosts of a launch by the ranks that lead them."""

from __future__ import annotations

from mpi_collector.transport.base import HostState


class Leaders(dict[int, HostState]):
    """{rank: the host it leads}; rank 0 leads its own."""

    @property
    def hosts(self) -> list[HostState]:
        """The hosts in the order of their ranks."""
        return [self[rank] for rank in sorted(self)]

    @property
    def gone(self) -> set[int]:
        """The ranks that do not answer any more."""
        return {rank for rank, host in self.items() if host.gone}

    def alive(self) -> list[int]:
        """Return the leaders other than rank 0 that have not failed."""
        return [rank for rank, host in sorted(self.items()) if rank and host.error is None]

    def note_error(self, rank: int, error: str) -> None:
        """Note a failure that a rank has reported."""
        if rank in self:
            self[rank].error = error

    def note_odd(self, rank: int, error: str) -> None:
        """Note that a rank does not keep to the protocol: it is not talked to any more."""
        if rank in self and not self[rank].gone:
            self[rank].mark_lost(error)
