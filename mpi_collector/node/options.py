"""The options of a recording, as all nodes of a run receive them, with their defaults and bounds.

Plain classes: this module also runs on Python 3.6, which has no dataclasses.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MIN_INTERVAL_S = 0.01
MIN_TIMEOUT_S = 0.1
END_OF_SECONDS_S = 1e9  #: intervals, durations and time-outs are shorter
MIN_SAMPLES = 2
MAX_SAMPLES = 100_000_000
MAX_KEPT = 100_000  #: of ``keep_spools`` and ``keep_spool_days``
END_OF_SPOOL_MB = 1e9


class SamplingOptions:
    """Options of a recording; the class attributes are the defaults.

    Units are in the names. Values are checked where they are entered, by the command line and by
    ``collect()``.

    interval_s: time between ticks.
    max_samples: rows of the array.
    when_full: what happens to the rows of a full array: "decimate", "ring" or "stop"
    (``row.placement``).
    sources: "basic", "default", "all", "none" or names separated by commas (``sources.select``).
    duration_s: length of the recording, None if another condition ends it.
    spool_dir: a tmpfs for the spool.
    max_spool_mb: limit of all spools on a host, None: half of what is free on ``spool_dir``.
    keep_spools: number of spools of dead runs that a host keeps, 0: any number.
    keep_spool_days: age at which they are removed, 0: never.
    rescue_dir: where a backup of an orphaned recording is written, out of reach of a logout; None:
    nowhere.
    start_timeout_s: time for all hosts to start sampling.
    gather_timeout_s: time for the table of a host to arrive at the end.
    replicate_s: interval at which new rows are sent to the coordinator, 0: only at the end.
    live_s: interval at which hosts send a live vector to the coordinator, 0: never.
    directories: whose mounts and free space the snapshots describe.
    root: root directory of the file system that sources read.
    """

    interval_s: float = 10.0
    max_samples: int = 3600
    when_full: str = "decimate"
    sources: str = "default"
    duration_s: "float | None" = None
    spool_dir: str = "/dev/shm"
    max_spool_mb: "float | None" = None
    keep_spools: int = 32
    keep_spool_days: float = 30.0
    rescue_dir: "str | None" = None
    start_timeout_s: float = 30.0
    gather_timeout_s: float = 60.0
    replicate_s: float = 0.0
    live_s: float = 0.0
    directories: "tuple[str, ...]" = ()
    root: str = "/"

    def __init__(self, **given: object) -> None:
        unknown = set(given) - set(_NAMES)
        if unknown:
            raise TypeError("unknown options: %s" % ", ".join(sorted(unknown)))
        for name in _NAMES:
            setattr(self, name, given.get(name, getattr(type(self), name)))

    @property
    def interval_ns(self) -> int:
        return int(round(self.interval_s * 1e9))

    @property
    def duration_ns(self) -> int:
        """The length of the recording, 0 if another condition ends it."""
        return int(round(self.duration_s * 1e9)) if self.duration_s is not None else 0

    @property
    def places(self) -> "list[str]":
        """The directories that may hold spools of dead runs."""
        return [self.spool_dir] + ([self.rescue_dir] if self.rescue_dir else [])

    def to_dict(self) -> "dict[str, Any]":
        """Return all options by name, for the run document and for messages of a transport."""
        return {name: getattr(self, name) for name in _NAMES}

    @classmethod
    def from_dict(cls, doc: "dict[str, Any]") -> "SamplingOptions":
        """Return the options that ``to_dict`` wrote. Raise TypeError for an unknown name."""
        return cls(**doc)


_NAMES = tuple(SamplingOptions.__annotations__)
