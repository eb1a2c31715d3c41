"""What all nodes of a run are told; plain, since it also runs where there are no dataclasses."""


class SamplingOptions:
    """Options of the sampling, times in seconds. ``max_spool_mb`` None: half of what is free on ``spool_dir``."""

    DEFAULTS = {
        "interval_s": 10.0,
        "max_samples": 3600,
        "when_full": "decimate",
        "sources": "default",
        "duration_s": None,
        "spool_dir": "/dev/shm",
        "max_spool_mb": None,
        "keep_spools": 32,
        "keep_spool_days": 30.0,
        "rescue_dir": None,
        "start_timeout_s": 30.0,
        "gather_timeout_s": 60.0,
        "replicate_s": 0.0,
        "directories": (),
        "root": "/",
    }
    interval_s: float = 10.0
    max_samples: int = 3600
    when_full: str = "decimate"
    sources: str = "default"
    duration_s: "float | None" = None
    spool_dir: str = "/dev/shm"
    max_spool_mb: "float | None" = None
    keep_spools: int = 32  # dead runs on a host, 0: any number
    keep_spool_days: float = 30.0  # 0: for ever
    rescue_dir: "str | None" = (
        None  # where what is left behind is set down once more, out of reach of a logout
    )
    start_timeout_s: float = 30.0
    gather_timeout_s: float = 60.0
    replicate_s: float = 0.0  # how often rows are sent to the root; 0: only at the end
    directories: tuple = ()  # whose file systems the snapshots describe
    root: str = "/"

    def __init__(self, **given: object) -> None:
        unknown = set(given) - set(self.DEFAULTS)
        if unknown:
            raise TypeError("unknown options: %s" % ", ".join(sorted(unknown)))
        for name, default in self.DEFAULTS.items():
            setattr(self, name, given.get(name, default))

    @property
    def interval_ns(self) -> int:
        return int(round(self.interval_s * 1e9))

    @property
    def duration_ns(self) -> int:
        """0 when the run is open."""
        return int(round(self.duration_s * 1e9)) if self.duration_s is not None else 0

    @property
    def places(self) -> list:
        """Where what a dead run left may lie."""
        return [self.spool_dir] + ([self.rescue_dir] if self.rescue_dir else [])

    def to_dict(self) -> dict:
        return {name: getattr(self, name) for name in self.DEFAULTS}

    @classmethod
    def from_dict(cls, doc: dict) -> "SamplingOptions":
        return cls(**doc)
