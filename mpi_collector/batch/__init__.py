"""Decode staged samples in batches with numpy, on hosts that have it."""
