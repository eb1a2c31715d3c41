"""A recording as numpy: layout to table, rates, loading."""
