"""Rows: the layout of their columns, from kernel text to a row, and which rows are kept."""
