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
    interval_s = 10.0  # type: float
    max_samples = 3600  # type: int
    when_full = "decimate"  # type: str
    sources = "default"  # type: str
    duration_s = None  # type: float | None
    spool_dir = "/dev/shm"  # type: str
    max_spool_mb = None  # type: float | None
    keep_spools = 32  # type: int  # dead runs on a host, 0: any number
    keep_spool_days = 30.0  # type: float  # 0: for ever
    rescue_dir = None  # type: str | None  # where what is left behind is set down once more, out of reach of a logout
    start_timeout_s = 30.0  # type: float
    gather_timeout_s = 60.0  # type: float
    replicate_s = 0.0  # type: float  # how often rows are sent to the root; 0: only at the end
    directories = ()  # type: tuple  # whose file systems the snapshots describe
    root = "/"  # type: str

    def __init__(self, **given):
        # type: (**object) -> None
        unknown = set(given) - set(self.DEFAULTS)
        if unknown:
            raise TypeError("unknown options: %s" % ", ".join(sorted(unknown)))
        for name, default in self.DEFAULTS.items():
            setattr(self, name, given.get(name, default))

    @property
    def interval_ns(self):
        # type: () -> int
        return int(round(self.interval_s * 1e9))

    @property
    def duration_ns(self):
        # type: () -> int
        """0 when the run is open."""
        return int(round(self.duration_s * 1e9)) if self.duration_s is not None else 0

    @property
    def places(self):
        # type: () -> list
        """Where what a dead run left may lie."""
        return [self.spool_dir] + ([self.rescue_dir] if self.rescue_dir else [])

    def to_dict(self):
        # type: () -> dict
        return {name: getattr(self, name) for name in self.DEFAULTS}

    @classmethod
    def from_dict(cls, doc):
        # type: (dict) -> SamplingOptions
        return cls(**doc)
