"""The program in which the suite's own command runs with our collectors in place of its own.

``mpi_collector mlpstorage`` starts it. It stands beside the house as ``mlpstorage/`` does: nothing
imports it, and it alone imports the suite's classes.
"""
