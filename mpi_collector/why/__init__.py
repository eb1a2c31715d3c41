"""What limited a run: claims with evidence, one module a cause, or an honest "not known"."""
