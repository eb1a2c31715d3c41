"""What a recording tells people."""
