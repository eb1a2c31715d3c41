"""What MLPerf Storage tooling reads and imports; nothing else in this package knows its formats."""
