"""Describe the host: snapshots, identity, readiness to record."""
