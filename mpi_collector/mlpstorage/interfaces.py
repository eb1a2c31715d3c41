"""The suite's interfaces of collectors, and the result of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any


@dataclass
class CollectionResult:
    """The result of a collector. ``data``: {hostname: its data}."""

    success: bool
    data: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    collection_method: str = "unknown"
    timestamp: str | None = None


class ClusterCollectorInterface(ABC):
    """Takes one snapshot of each host."""

    @abstractmethod
    def collect(self, hosts: list[str], timeout: int = 60) -> CollectionResult: ...
    @abstractmethod
    def collect_local(self) -> CollectionResult: ...
    @abstractmethod
    def is_available(self) -> bool: ...
    @abstractmethod
    def get_collection_method(self) -> str: ...


class LocalCollectorInterface(ABC):
    """Describes this host, one part at a time."""

    @abstractmethod
    def get_memory_info(self) -> dict[str, Any]: ...
    @abstractmethod
    def get_cpu_info(self) -> dict[str, Any]: ...
    @abstractmethod
    def get_disk_info(self) -> list[dict[str, Any]]: ...
    @abstractmethod
    def get_network_info(self) -> list[dict[str, Any]]: ...
    @abstractmethod
    def get_system_info(self) -> dict[str, Any]: ...


class TimeSeriesCollectorInterface(ABC):
    """Samples in the background between ``start`` and ``stop``."""

    @abstractmethod
    def start(self) -> None: ...
    @abstractmethod
    def stop(self) -> Any: ...
    @property
    @abstractmethod
    def is_running(self) -> bool: ...
