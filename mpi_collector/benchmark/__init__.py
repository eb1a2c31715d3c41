"""The life cycle of one run."""
