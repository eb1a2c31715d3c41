"""Figures derived from the counters of a recording."""
