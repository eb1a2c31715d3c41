"""One module a cause, each with ``claim(stretch) -> Claim | None``."""
