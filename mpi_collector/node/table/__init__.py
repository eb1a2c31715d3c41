"""A node's recording as a table, and as members of an .npz file."""
