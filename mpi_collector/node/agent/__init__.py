"""Record a node on behalf of a launcher."""
